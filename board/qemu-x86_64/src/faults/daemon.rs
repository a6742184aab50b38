//! Faults of the daemon, and orders to it.

use lubdub_lab::{Error, Result};

use super::{Tale, await_move, nothing_moves};
use crate::rig::{Rig, SOON};

/// The supervisor begins the next life at once.
const ANOTHER_LIFE: &str = "! cmp -s /tmp/killed /run/lubdub/pid && lubdub status --json >/dev/null";

pub fn write_to_the_root(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    for place in ["/etc/ha.d/ha.cf", "/usr/sbin/lubdub", "/var/x", "/x"] {
        let output = rig.node(owner)?.run(&format!("echo x >{place}"))?;
        let refused = output.stderr.contains("Read-only file system");
        if place == "/var/x" && output.exit.success() || place != "/var/x" && !refused {
            return Err(Error::new(format!("a write to {place} is not refused: {} {}", output.exit, output.stderr)));
        }
    }
    tale.note = "refused".into();
    nothing_moves(rig, owner)
}

pub fn killed(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    let node = rig.node(owner)?;
    node.run("cat /run/lubdub/pid >/tmp/killed; kill -9 $(cat /tmp/killed)")?.ok()?;
    node.await_success(ANOTHER_LIFE, SOON)?;
    let after = rig.settle()?;
    tale.note = if after == owner { "adopted".into() } else { "taken over".into() };
    Ok(())
}

pub fn frozen(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    rig.node(owner)?.run("kill -STOP $(cat /run/lubdub/pid)")?.ok()?;
    await_move(rig, owner, tale)?;
    rig.node(owner)?.run("kill -CONT $(cat /run/lubdub/pid)")?.ok()?;
    Ok(())
}

pub fn takeover(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    let said = rig.node(1 - owner)?.run("lubdub takeover")?.ok()?;
    rig.client.await_owner(rig.mac(1 - owner), SOON)?;
    tale.note = said.trim().into();
    Ok(())
}
