//! The image: a kernel, an initrd and a read-only root, as `board/qemu-x86_64/build` makes them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lubdub_lab::{Error, Result};

/// Where the three files are.
#[derive(Clone, Debug)]
pub struct Image {
    /// The kernel, an ELF file with a PVH note.
    pub kernel: PathBuf,
    /// What finds the root.
    pub initrd: PathBuf,
    /// The root file system, squashfs.
    pub root: PathBuf,
    /// No part of the image: what gives QEMU's serial port its modem lines.
    pub shim: PathBuf,
}

impl Image {
    /// The image of this tree, built once for each process; what has not changed since the last time is kept.
    ///
    /// # Errors
    /// What the build script complained about.
    pub fn build() -> Result<Self> {
        static BUILT: OnceLock<std::result::Result<(), String>> = OnceLock::new();
        BUILT.get_or_init(|| run_build().map_err(|error| error.to_string())).clone().map_err(Error::new)?;
        Self::find()
    }

    /// The image as it was built the last time, with whatever /etc/ha.d it was given then.
    ///
    /// # Errors
    /// There is none.
    pub fn find() -> Result<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let folder = tree().join(target).join("qemu");
        let file = |name: &str| {
            let file = folder.join(name);
            if file.is_file() {
                return Ok(file);
            }
            Err(Error::new(format!("no {}; make it with board/qemu-x86_64/build", file.display())))
        };
        Ok(Self {
            kernel: file("vmlinux")?,
            initrd: file("initrd.gz")?,
            root: file("root.sqfs")?,
            shim: file("shim.so")?,
        })
    }
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run_build() -> Result<()> {
    let script = tree().join("board/qemu-x86_64/build");
    let output = Command::new(&script)
        .current_dir(tree())
        .output()
        .map_err(|why| Error::new(format!("cannot run {}: {why}", script.display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(format!("{}: {}", script.display(), String::from_utf8_lossy(&output.stderr))))
}
