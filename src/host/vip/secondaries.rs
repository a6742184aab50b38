//! Keeps the kernel from removing other addresses, and their routes, along with a VIP.
//!
//! A VIP that was on its interface before other addresses of its network is their primary, and they go when it goes,
//! unless `promote_secondaries` is set (ip-sysctl). It is set for the moment of the removal.

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use super::{VipSpec, Vips};
use crate::host::netlink::{Address, Lifetime, is};
use crate::host::resources::Level;

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

impl Vips {
    /// With what surely was left of its lifetime.
    fn add_as_it_was(&mut self, address: &Address) -> io::Result<()> {
        match address.lifetime() {
            Lifetime::Forever => self.kernel.add(address),
            Lifetime::Seconds(0 | 1) => Err(io::Error::other("its lifetime was over")),
            Lifetime::Seconds(more) => self.kernel.add(&address.clone().lasting(Lifetime::Seconds(more - 1))),
        }
    }

    /// Puts back what vanished with its primary address.
    pub(super) fn restore<'a>(&mut self, removed: &VipSpec, vanished: impl Iterator<Item = &'a Address>) {
        for address in vanished {
            let text = format!("{}/{}", address.address, address.prefix);
            match self.add_as_it_was(address) {
                Err(error) if !is(&error, Errno::EEXIST) => {
                    (self.log)(
                        Level::Error,
                        format_args!("{text} vanished with {removed} and cannot be put back: {error}"),
                    );
                }
                _ => (self.log)(
                    Level::Warning,
                    format_args!("{text} vanished with {removed}, its primary address: put back"),
                ),
            }
        }
    }
}
