//! Keeps the kernel from removing other addresses, and their routes, along with a VIP.
//!
//! A VIP that was on its interface before other addresses of its network is their primary, and they go when it goes,
//! unless `promote_secondaries` is set (ip-sysctl). It is set for the moment of the removal.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The setting of one interface, put back when this is dropped.
#[derive(Debug)]
pub struct Promotion {
    path: PathBuf,
    before: String,
}

impl Promotion {
    /// From now on the interface's secondaries stay.
    ///
    /// # Errors
    /// No such interface, or /proc/sys is read-only.
    pub fn begin(interface: &str) -> io::Result<Self> {
        let path = PathBuf::from(format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries"));
        let before = fs::read_to_string(&path)?;
        fs::write(&path, "1")?;
        Ok(Self { path, before })
    }
}

impl Drop for Promotion {
    fn drop(&mut self) {
        // It could be written before; if not any more, the interface is gone with its setting.
        let _ = fs::write(&self.path, &self.before);
    }
}
