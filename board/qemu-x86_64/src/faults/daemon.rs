//! Faults of the daemon, and orders to it.

use lubdub_lab::{End, Error, Result, now};

use super::{DEADTIME, ETHERNET, SPOILT, Tale, await_link, await_move, nothing_moved, nothing_moves};
use crate::rig::{Rig, SOON};

/// The supervisor begins the next life at once.
const ANOTHER_LIFE: &str = "! cmp -s /tmp/killed /run/lubdub/pid";

const HOLDS: &str = "lubdub status --json | grep -q '\"state\": *\"held\"'";

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

/// Its port closes and its lines fall; the carrier stays, and the VIP answers.
pub fn killed(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    kill(rig, owner, tale)
}

/// The same where the cable is the only link, so that every link has lost its other end: the VIP alone tells that its
/// machine lives.
pub fn killed_on_one_link(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    rig.set_crossover(false)?;
    await_link(rig, owner, ETHERNET, "down")?;
    await_link(rig, 1 - owner, ETHERNET, "down")?;
    // Also: a daemon that had lived for five seconds is begun again without a pause.
    nothing_moves(rig, owner)?;
    kill(rig, owner, tale)?;
    rig.set_crossover(true)
}

fn kill(rig: &mut Rig, owner: End, tale: &mut Tale) -> Result<()> {
    let begun = now();
    let node = rig.node(owner)?;
    node.run("cat /run/lubdub/pid >/tmp/killed; kill -9 $(cat /tmp/killed)")?.ok()?;
    node.await_success(ANOTHER_LIFE, SOON)?;
    node.await_success(HOLDS, SOON)?;
    rig.client.await_owner(rig.mac(owner), SOON)?;
    let fell = rig.cable.fell(1 - owner, begun);
    if fell.is_none() {
        return Err(Error::new(format!("the lines at {} did not fall", rig.name(1 - owner))));
    }
    let gap = rig.client.verdict().gap();
    tale.note = format!("adopted, the lines were down for {:.2?}", fell.unwrap_or_default());
    nothing_moved(rig, owner).map_err(|why| {
        let silence = rig.silence(owner, begun - DEADTIME);
        let spoilt = if silence >= DEADTIME { SPOILT } else { "" };
        Error::new(format!("{spoilt}{why}; no delivery for {silence:?}, no reply for {gap:?}"))
    })
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
