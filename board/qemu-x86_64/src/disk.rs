//! The configuration of one appliance as a second, read-only disk: what its /etc/ha.d and /etc/sysconfig shall be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lubdub_lab::{Error, Pair, Result};

use crate::bench::Bench;

/// Bytes of a disk at least: the kernel looks for partition tables in the first blocks, and complains on the console
/// about a disk that ends before.
const SIZE_MIN: u64 = 64 * 1024;

/// Makes the disk `NAME.sqfs` in the bench's folder. The daemon of the pair plays no part: it is in the image.
///
/// # Errors
/// The files cannot be written, or mksquashfs is not there.
pub fn of_pair(bench: &Bench, name: &str, pair: &Pair) -> Result<PathBuf> {
    let stage = bench.folder().join(format!("{name}.etc"));
    write(&stage.join("ha.d/ha.cf"), &pair.ha_cf, 0o644)?;
    write(&stage.join("ha.d/haresources"), &pair.haresources, 0o644)?;
    write(&stage.join("ha.d/authkeys"), &pair.authkeys, pair.authkeys_mode)?;
    write(&stage.join("sysconfig/ipvsadm"), &pair.ipvsadm_rules, 0o644)?;
    for (script, text) in &pair.resource_d {
        write(&stage.join("ha.d/resource.d").join(script), text, 0o755)?;
    }
    let disk = bench.folder().join(format!("{name}.sqfs"));
    squash(&stage, &disk)?;
    fs::remove_dir_all(&stage)?;
    Ok(disk)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn squash(folder: &Path, disk: &Path) -> Result<()> {
    let output = Command::new("mksquashfs")
        .args([folder, disk])
        .args(["-noappend", "-all-root", "-quiet", "-no-progress"])
        .output()
        .map_err(|why| Error::new(format!("cannot run mksquashfs: {why}; install squashfs-tools")))?;
    if output.status.success() {
        let disk = fs::OpenOptions::new().write(true).open(disk)?;
        return Ok(disk.set_len(disk.metadata()?.len().max(SIZE_MIN))?);
    }
    Err(Error::new(format!("mksquashfs: {}", String::from_utf8_lossy(&output.stderr))))
}
