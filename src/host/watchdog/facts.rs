//! What sysfs tells of a watchdog without opening it (Documentation/ABI/testing/sysfs-class-watchdog).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// Where sysfs is.
pub const SYSFS: &str = "/sys";
/// The misc device `/dev/watchdog`, another name for the first watchdog (Documentation/admin-guide/devices.txt).
const LEGACY: (u64, u64) = (10, 130);

/// What is known before the device is opened. Everything may be unknown: a kernel without `CONFIG_WATCHDOG_SYSFS`, or a
/// container without /sys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    folder: Option<PathBuf>,
    /// Once armed it cannot be disarmed.
    pub nowayout: bool,
    /// It runs already.
    pub running: bool,
    /// The shortest timeout in seconds.
    pub least: Option<u32>,
    /// The longest one.
    pub most: Option<u32>,
}

impl Facts {
    /// Looks up the device at `path` in the sysfs mounted at `sysfs`.
    pub fn of(path: &Path, sysfs: &Path) -> Self {
        let Ok(metadata) = fs::metadata(path) else { return Self::default() };
        let folder = match (major(metadata.rdev()), minor(metadata.rdev())) {
            LEGACY => sysfs.join("class/watchdog/watchdog0"),
            (major, minor) => sysfs.join(format!("dev/char/{major}:{minor}")),
        };
        Self::read(folder)
    }

    fn read(folder: PathBuf) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).map(|text| text.trim().to_owned()).ok();
        // A driver that sets no bound shows zero.
        let bound = |name| text(name)?.parse().ok().filter(|seconds| *seconds > 0);
        Self {
            nowayout: text("nowayout").as_deref() == Some("1"),
            running: text("state").as_deref() == Some("active"),
            least: bound("min_timeout"),
            most: bound("max_timeout"),
            folder: Some(folder),
        }
    }

    /// Whether it runs now.
    pub fn still_running(&self) -> bool {
        self.folder.clone().is_some_and(|folder| Self::read(folder).running)
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// The facts that a folder has.
    pub fn facts_in(folder: &Path) -> Facts {
        Facts::read(folder.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_its_number() {
        let sysfs = std::env::temp_dir().join(format!("lubdub-sysfs-{}", std::process::id()));
        // /dev/null is 1:3 (devices.txt).
        let folder = sysfs.join("dev/char/1:3");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("nowayout", "1\n");
        write("state", "active\n");
        write("min_timeout", "0\n");
        write("max_timeout", "2046\n");
        let facts = Facts::of(Path::new("/dev/null"), &sysfs);
        let running = facts.still_running();
        write("state", "inactive\n");
        let stopped = !facts.still_running();
        fs::remove_dir_all(&sysfs).unwrap();
        assert!(facts.nowayout && facts.running && running && stopped);
        assert_eq!((facts.least, facts.most), (None, Some(2046)));
    }

    #[test]
    fn without_sysfs_nothing_is_known() {
        let nothing = Path::new("/nonexistent");
        let facts = Facts::of(Path::new("/dev/null"), nothing);
        assert!(!facts.nowayout && !facts.running && facts.most.is_none());
        assert_eq!(Facts::of(nothing, nothing), Facts::default());
    }
}
