//! What an appliance finds in its file system: the host's, read-only, with a few places of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::step::Steps;

/// The lab's own files, as every box sees them before it changes its root: a tmpfs that goes away with the lab.
pub const SHELF: &str = "/tmp";

/// The lab's own instance of devpts, on the shelf.
pub const PTY_SHELF: &str = "pts";
/// The same where the nodes see it.
pub const PTYS: &str = "/dev/uart";
/// The name of a node's port, in the directory [`port_names`] on the shelf and in /dev.
pub const PORT: &str = "ttyS1";
/// Where a node sees its directory of port names.
const PORT_NAMES: &str = "/lab/tty";

/// The directory on the shelf with the names of a node's ports, which come and go.
pub fn port_names(index: usize) -> String {
    format!("tty{index}")
}

/// Directories of the host's root that a node has for itself.
const OWN: [&str; 6] = ["dev", "etc", "proc", "run", "sys", "tmp"];
/// Entries of /etc that a node has for itself.
const OWN_ETC: [&str; 5] = ["ha.d", "sysconfig", "hostname", "hosts", "mtab"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Where one node's things lie on the shelf.
pub struct NodeShelf {
    /// Its host name.
    pub name: String,
    /// The directory on the shelf.
    pub dir: PathBuf,
    /// Its number.
    pub index: usize,
}

/// The steps that build the root and end in it.
pub fn steps(shelf: &NodeShelf) -> Result<Steps> {
    let mut steps = Steps::default();
    let root = shelf.dir.join("root");
    steps.keep_mounts_private()?.mount("tmpfs", &root, libc::MS_NOSUID, "mode=755")?;
    host_directories(&mut steps, &root).context("read the root directory")?;
    etc(&mut steps, &root, shelf).context("read /etc")?;
    dev(&mut steps, &root, shelf)?;
    let quiet = libc::MS_NOSUID | libc::MS_NODEV;
    steps.mkdir(&root.join("proc"))?.mount("proc", &root.join("proc"), quiet | libc::MS_NOEXEC, "")?;
    steps.mkdir(&root.join("sys"))?.mount("sysfs", &root.join("sys"), quiet | libc::MS_RDONLY, "")?;
    steps.mkdir(&root.join("run"))?.mount("tmpfs", &root.join("run"), quiet, "mode=755")?;
    steps.mkdir(&root.join("run/lab"))?;
    steps.mkdir(&root.join("tmp"))?.mount("tmpfs", &root.join("tmp"), quiet, "mode=1777")?;
    let bin = root.join("lab/bin");
    steps.mkdir(&root.join("lab"))?.mkdir(&bin)?.bind_read_only(&Path::new(SHELF).join("bin"), &bin)?;
    let names = root.join(PORT_NAMES.trim_start_matches('/'));
    steps.mkdir(&names)?.bind_read_only(&Path::new(SHELF).join(port_names(shelf.index)), &names)?;
    steps.seal(&root.join("dev"))?.seal(&root)?.hostname(&shelf.name)?.pivot(&root)?;
    Ok(steps)
}

fn host_directories(steps: &mut Steps, root: &Path) -> Result<()> {
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let (from, name) = (entry.path(), entry.file_name());
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        let to = root.join(&name);
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            steps.symlink(&fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            steps.mkdir(&to)?.bind_read_only(&from, &to)?;
        }
    }
    Ok(())
}

/// The host's entries as links into /host/etc, beside the node's own ones: the host need not have an /etc/ha.d.
fn etc(steps: &mut Steps, root: &Path, shelf: &NodeShelf) -> Result<()> {
    let (host, etc) = (root.join("host"), root.join("etc"));
    steps.mkdir(&host)?.mkdir(&host.join("etc"))?.bind_read_only(Path::new("/etc"), &host.join("etc"))?;
    steps.mkdir(&etc)?;
    for entry in fs::read_dir("/etc")? {
        let name = entry?.file_name();
        if !OWN_ETC.iter().any(|own| name == *own) {
            steps.symlink(&Path::new("/host/etc").join(&name), &etc.join(&name))?;
        }
    }
    for own in ["ha.d", "sysconfig"] {
        steps.mkdir(&etc.join(own))?.bind_read_only(&shelf.dir.join(own), &etc.join(own))?;
    }
    steps.write(&etc.join("hostname"), format!("{}\n", shelf.name))?;
    steps.write(&etc.join("hosts"), "127.0.0.1 localhost\n192.168.20.10 node1.a.com\n192.168.20.20 node2.a.com\n")?;
    steps.symlink(Path::new("/proc/self/mounts"), &etc.join("mtab"))?;
    Ok(())
}

fn dev(steps: &mut Steps, root: &Path, shelf: &NodeShelf) -> Result<()> {
    let dev = root.join("dev");
    steps.mkdir(&dev)?.mount("tmpfs", &dev, libc::MS_NOSUID, "mode=755")?;
    let mut device = |from: &Path, name: &str| -> Result<()> {
        steps.write(&dev.join(name), "")?.bind(from, &dev.join(name))?;
        Ok(())
    };
    for name in DEVICES {
        device(&Path::new("/dev").join(name), name)?;
    }
    device(&shelf.dir.join("syslog"), "log")?;
    let ptys = root.join(PTYS.trim_start_matches('/'));
    steps.mkdir(&ptys)?.bind(&Path::new(SHELF).join(PTY_SHELF), &ptys)?;
    steps.symlink(&Path::new(PORT_NAMES).join(PORT), &dev.join(PORT))?;
    let pts = dev.join("pts");
    steps.mkdir(&pts)?.mount(
        "devpts",
        &pts,
        libc::MS_NOSUID | libc::MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    )?;
    for (to, name) in [("pts/ptmx", "ptmx"), ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin")] {
        steps.symlink(Path::new(to), &dev.join(name))?;
    }
    for (to, name) in [("/proc/self/fd/1", "stdout"), ("/proc/self/fd/2", "stderr")] {
        steps.symlink(Path::new(to), &dev.join(name))?;
    }
    steps.mkdir(&dev.join("shm"))?;
    Ok(())
}
