//! A fencing device, with its parameters read.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lubdub::conf::{Params, Stonith};

use crate::host::resources::{Level, Log};

/// The type of the device that is a human.
const MEATWARE: &str = "meatware";
/// The types that are programs of cluster-glue begin like this.
const EXTERNAL: &str = "external/";
/// Bytes of the parameters at most: cluster-glue reads no more of a line into its buffer of 1024.
const PARAMS_MAX: usize = 1022;
/// Bytes of a file with parameters that are looked at: the line, and comments before it.
const FILE_MAX: u64 = 64 * 1024;

/// One device.
pub(super) struct Device {
    /// Its type, as in ha.cf.
    pub name: String,
    /// How it is used.
    pub kind: Kind,
    /// Its parameters as written, or why there are none.
    pub params: Result<String, String>,
}

/// How a device is used.
pub(super) enum Kind {
    /// This program is run.
    Plugin(PathBuf),
    /// The program `stonith` of cluster-glue is run.
    Stonith,
    /// Somebody has to come.
    Human,
}

impl Device {
    /// The device of a line of ha.cf.
    pub fn of(device: &Stonith<'_>, plugins: &Path) -> Self {
        let name = device.plugin.to_owned();
        let kind = match device.plugin {
            MEATWARE => Kind::Human,
            plugin if plugin.starts_with(EXTERNAL) => Kind::Plugin(plugins.join(plugin)),
            _ => Kind::Stonith,
        };
        let params = match device.params {
            Params::File(path) => read(path),
            Params::Written(text) => bounded(text.trim()),
        };
        Self { name, kind, params }
    }

    /// Tells in the log what will keep the device from working.
    pub fn report(&self, log: &Log) {
        if let Err(why) = &self.params {
            log(Level::Error, format_args!("{}: {why}", self.name));
        }
    }
}

fn bounded(text: &str) -> Result<String, String> {
    if text.len() > PARAMS_MAX {
        return Err(format!("its parameters are {} bytes long; {PARAMS_MAX} is the most", text.len()));
    }
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return Err("there are control characters in its parameters".to_owned());
    }
    Ok(text.to_owned())
}

/// The first line of the file that is neither empty nor a comment, as cluster-glue reads it.
fn read(path: &str) -> Result<String, String> {
    let text = content(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().ok_or_else(|| format!("{path} has no line with parameters")).and_then(bounded)
}

fn content(path: &str) -> io::Result<String> {
    // Without O_NONBLOCK a FIFO in the file's place would hold the daemon up until somebody writes.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_says_how_a_device_is_used() {
        let device = |plugin| Device::of(&Stonith { plugin, params: Params::Written(" a  b ") }, Path::new("/plugins"));
        assert!(
            matches!(device("external/ssh").kind, Kind::Plugin(path) if path == Path::new("/plugins/external/ssh"))
        );
        assert!(matches!(device("apcmaster").kind, Kind::Stonith));
        assert!(matches!(device("meatware").kind, Kind::Human));
        assert_eq!(device("meatware").params.as_deref(), Ok("a  b"));
    }

    #[test]
    fn a_file_gives_its_first_line_that_says_something() {
        let file = std::env::temp_dir().join(format!("lubdub-fence-params-{}", std::process::id()));
        let path = file.display().to_string();
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&path)
        };
        let good = read("# the BMC\n\n  beta 10.0.0.9 admin \nnot this\n");
        let (empty, long, odd) = (read("# nothing\n"), read(&"x".repeat(PARAMS_MAX + 1)), read("be\u{7}ta\n"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(good.as_deref(), Ok("beta 10.0.0.9 admin"));
        assert!(empty.unwrap_err().contains("no line with parameters"));
        assert!(long.unwrap_err().contains("1023 bytes long"));
        assert!(odd.unwrap_err().contains("control characters"));
        assert!(super::read(&path).unwrap_err().contains("cannot be read: No such file"));
        assert!(super::read("/dev/null").unwrap_err().contains("not a regular file"));
    }
}
