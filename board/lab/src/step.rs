//! One thing that a new process does on its way into a box, as data.

use std::ffi::{CString, c_ulong};
use std::path::Path;

use crate::error::Result;

/// A step, prepared so that it can be done after a fork without allocating.
#[derive(Debug)]
pub enum Step {
    /// mount(2); an empty `data` is none.
    Mount { source: CString, target: CString, kind: CString, flags: c_ulong, data: CString },
    /// Makes a mount and everything below it read-only.
    ReadOnly { target: CString },
    /// Creates a directory; one that exists is fine.
    Mkdir { path: CString, mode: u32 },
    /// Creates a file with these bytes.
    Write { path: CString, data: Vec<u8> },
    /// Creates a symbolic link at `path`.
    Symlink { to: CString, path: CString },
    /// sethostname(2).
    Hostname { name: CString },
    /// Makes `root` the root directory and forgets the old one.
    Pivot { root: CString },
}

/// A list of steps that grows in the order in which they are done.
#[derive(Debug, Default)]
pub struct Steps(Vec<Step>);

impl Steps {
    /// The steps so far.
    pub fn as_slice(&self) -> &[Step] {
        &self.0
    }

    /// A new file system of the given type.
    pub fn mount(&mut self, kind: &str, target: &Path, flags: c_ulong, data: &str) -> Result<&mut Self> {
        let step = Step::Mount {
            source: CString::new(kind)?,
            target: path(target)?,
            kind: CString::new(kind)?,
            flags,
            data: CString::new(data)?,
        };
        self.push(step)
    }

    /// The tree at `source` shows at `target` too.
    pub fn bind(&mut self, source: &Path, target: &Path) -> Result<&mut Self> {
        let (source, target) = (path(source)?, path(target)?);
        let flags = libc::MS_BIND | libc::MS_REC;
        self.push(Step::Mount { source, target, kind: CString::default(), flags, data: CString::default() })
    }

    /// As [`Steps::bind`], and nothing can be written through it.
    pub fn bind_read_only(&mut self, source: &Path, target: &Path) -> Result<&mut Self> {
        self.bind(source, target)?.push(Step::ReadOnly { target: path(target)? })
    }

    /// Nothing can be written below `target` itself; mounts on it keep their own flags.
    pub fn seal(&mut self, target: &Path) -> Result<&mut Self> {
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        let nothing = CString::default();
        self.push(Step::Mount {
            source: nothing.clone(),
            target: path(target)?,
            kind: nothing.clone(),
            flags,
            data: nothing,
        })
    }

    /// Mounts made here are nobody else's business.
    pub fn keep_mounts_private(&mut self) -> Result<&mut Self> {
        let nothing = CString::default();
        self.push(Step::Mount {
            source: nothing.clone(),
            target: path(Path::new("/"))?,
            kind: nothing.clone(),
            flags: libc::MS_REC | libc::MS_PRIVATE,
            data: nothing,
        })
    }

    /// A directory.
    pub fn mkdir(&mut self, at: &Path) -> Result<&mut Self> {
        self.push(Step::Mkdir { path: path(at)?, mode: 0o755 })
    }

    /// A file.
    pub fn write(&mut self, at: &Path, data: impl Into<Vec<u8>>) -> Result<&mut Self> {
        self.push(Step::Write { path: path(at)?, data: data.into() })
    }

    /// A symbolic link.
    pub fn symlink(&mut self, to: &Path, at: &Path) -> Result<&mut Self> {
        self.push(Step::Symlink { to: path(to)?, path: path(at)? })
    }

    /// The name that `uname -n` gives.
    pub fn hostname(&mut self, name: &str) -> Result<&mut Self> {
        self.push(Step::Hostname { name: CString::new(name)? })
    }

    /// A new root directory.
    pub fn pivot(&mut self, root: &Path) -> Result<&mut Self> {
        self.push(Step::Pivot { root: path(root)? })
    }

    fn push(&mut self, step: Step) -> Result<&mut Self> {
        self.0.push(step);
        Ok(self)
    }
}

fn path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}
