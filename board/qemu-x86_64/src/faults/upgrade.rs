//! Both appliances get another image, one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lubdub_lab::{End, Error, Result};

use super::Tale;
use crate::appliance::BOOT;
use crate::rig::{Rig, SOON};

/// In the root of the other image.
const RELEASE: &str = "release";

pub fn rolling(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    let standby = 1 - owner;
    let root = next_image(rig)?;
    reflash(rig, standby, &root)?;
    rig.settle()?;
    rig.node(standby)?.run("lubdub takeover")?.ok()?;
    rig.client.await_owner(rig.mac(standby), SOON)?;
    reflash(rig, owner, &root)?;
    tale.note = "standby, takeover, the other".into();
    Ok(())
}

fn reflash(rig: &mut Rig, end: End, root: &Path) -> Result<()> {
    rig.node(end)?.run("service heartbeat stop")?.ok()?;
    rig.power_off(end)?;
    rig.flash(end, root.into());
    rig.power_on(end)?;
    let node = rig.node(end)?;
    node.await_shell(BOOT)?;
    node.run(&format!("cat /{RELEASE}"))?.ok()?;
    Ok(())
}

/// The same root with a file more.
fn next_image(rig: &Rig) -> Result<PathBuf> {
    let folder = rig.bench().folder();
    let (root, added) = (folder.join("next.sqfs"), folder.join("next"));
    fs::copy(rig.root(), &root)?;
    fs::create_dir_all(&added)?;
    fs::write(added.join(RELEASE), "next\n")?;
    let output =
        Command::new("mksquashfs").args([&added, &root]).args(["-all-root", "-quiet", "-no-progress"]).output()?;
    if output.status.success() {
        return Ok(root);
    }
    Err(Error::new(format!("mksquashfs: {}", String::from_utf8_lossy(&output.stderr))))
}
