//! The folder that the sockets and disks of one set of machines are in.

use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};

use lubdub_lab::{Error, Result};

use crate::guard::Guard;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder in /tmp that goes away with its owner. Its path is short, as a socket's must be (108 bytes, unix(7)).
#[derive(Debug)]
pub struct Bench {
    folder: PathBuf,
    _sweeper: Guard,
}

impl Bench {
    /// A new, empty folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> Result<Self> {
        let folder = PathBuf::from(format!("/tmp/lubdub-qemu.{}.{}", id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        // A process of the same number, killed together with its sweeper, may have left one.
        Command::new("rm").arg("-rf").arg(&folder).status()?;
        std::fs::create_dir(&folder)
            .map_err(|why| Error::new(format!("cannot make the folder {}: {why}", folder.display())))?;
        Ok(Self { _sweeper: Guard::sweep(&folder)?, folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
