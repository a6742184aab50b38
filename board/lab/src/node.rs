//! One appliance: a box with a daemon in it.

use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::arp::Mac;
use crate::bench::Bench;
use crate::child::{Child, Exit};
use crate::clock::{self, lock};
use crate::error::{Context, Error, Result};
use crate::interface::Interface;
use crate::log::{Log, Syslog};
use crate::pair::Pair;
use crate::root::{self, NodeShelf, SHELF};
use crate::script::Script;
use crate::space::{Blueprint, Output, Space, pipe};
use crate::status::Status;
use crate::switch::{self, Plug};
use crate::sys::SocketKind;

/// The names of the two nodes, as in the tutorial.
pub const NAMES: [&str; 2] = ["node1.a.com", "node2.a.com"];
/// A command may take so long: takeover and standby give themselves 60 s.
const COMMAND: Duration = Duration::from_secs(70);
/// A daemon that is told to end may take so long.
const FAREWELL: Duration = Duration::from_secs(30);
/// For ip(8): eth1 has no address.
const UP_ETH1: &str = "link set eth1 up\n";
/// How often `status` is asked when the log says nothing new.
const GLANCE: Duration = Duration::from_millis(50);

/// One of the two appliances. All its methods take `&self`: several threads may work on a pair.
#[derive(Debug)]
pub struct Node {
    index: usize,
    bench: Arc<Bench>,
    log: Log,
    _syslog: Syslog,
    power: Mutex<Option<Powered>>,
}

/// What there is only while the node has power.
#[derive(Debug)]
struct Powered {
    space: Arc<Space>,
    daemon: Option<Child>,
}

impl Node {
    pub(crate) fn new(index: usize, bench: Arc<Bench>, pair: &Pair) -> Result<Self> {
        let shelf = bench.shelf().join(NAMES[index]);
        lay_out(&shelf, pair).context("write the node's files")?;
        let log = Log::default();
        let syslog = Syslog::listen(&shelf.join("syslog"), log.clone())?;
        let node = Self { index, bench, log, _syslog: syslog, power: Mutex::new(None) };
        node.power_on()?;
        Ok(node)
    }

    /// `node1.a.com` or `node2.a.com`, which is also its host name.
    pub fn name(&self) -> &'static str {
        NAMES[self.index]
    }

    /// The MAC address of its eth0, the same after every power-on.
    pub fn mac(&self) -> Mac {
        mac(0, self.index)
    }

    /// The address of its eth0.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 168, 20, 10 * (self.index as u8 + 1))
    }

    /// Everything that its daemons have said.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The box, while it has power.
    pub fn space(&self) -> Result<Arc<Space>> {
        lock(&self.power).as_ref().map(|powered| powered.space.clone()).ok_or_else(|| self.error("has no power"))
    }

    fn error(&self, what: &str) -> Error {
        Error::new(format!("{} {what}", self.name()))
    }

    // Power

    /// Gives the node power: a fresh box with the same files and empty /run, its cables plugged in, no daemon yet.
    /// A node that has power keeps it.
    pub fn power_on(&self) -> Result<()> {
        let mut power = lock(&self.power);
        if power.is_none() {
            let space = self.assemble().context(&format!("power on {}", self.name()))?;
            *power = Some(Powered { space: Arc::new(space), daemon: None });
        }
        Ok(())
    }

    /// Gives the node power and starts its daemon.
    pub fn boot(&self) -> Result<()> {
        self.power_on()?;
        self.start()
    }

    fn assemble(&self) -> Result<Space> {
        let bench = &self.bench;
        let shelf = NodeShelf { name: self.name().into(), dir: Path::new(SHELF).join(self.name()), index: self.index };
        let space = Space::new(&Blueprint {
            inside: Some((&bench.room, libc::CLONE_NEWUSER | libc::CLONE_NEWNS)),
            own: libc::CLONE_NEWNET | libc::CLONE_NEWUTS | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC,
            before: Default::default(),
            steps: root::steps(&shelf)?,
        })?;
        bench.cable.fresh_end(self.index)?;
        bench.cable.power(self.index, true);
        for interface in ["eth0", "eth1"] {
            self.join(&space, interface)?;
        }
        switch::ip(&space, &format!("link set lo up\n{}{}", self.address_lines(), UP_ETH1))?;
        Ok(space)
    }

    /// Gives the box its interface at the service LAN or at the crossover, without address and down.
    fn join(&self, space: &Space, interface: &str) -> Result<()> {
        let bench = &self.bench;
        let (wire, lan) = match interface {
            "eth0" => (&bench.lan, 0),
            "eth1" => (&bench.crossover.wire, 1),
            _ => return Err(Error::new(format!("the lab has no wire for {interface}, only for eth0 and eth1"))),
        };
        let mac = mac(lan, self.index).to_string();
        wire.plug(&bench.room, &Plug { owner: self.index, space, interface, mac })?;
        if interface == "eth1" {
            bench.crossover.power(self.index, true);
        }
        Ok(())
    }

    /// As at a boot, for one interface alone.
    pub(crate) fn plug(&self, space: &Space, interface: &str) -> Result<()> {
        self.join(space, interface)?;
        let lines = if interface == "eth0" { self.address_lines() } else { UP_ETH1.into() };
        switch::ip(space, &lines)
    }

    /// An interface that goes down or up, if it is the one at the crossover: by its MAC address, as it may have any name.
    pub(crate) fn light(&self, interface: &str, on: bool) -> Result<()> {
        let address = self.read(&format!("/sys/class/net/{interface}/address"))?;
        if address.trim_end() == mac(1, self.index).to_string() {
            self.bench.crossover.power(self.index, on);
        }
        Ok(())
    }

    fn address_lines(&self) -> String {
        let address = self.address();
        format!("addr add {address}/24 brd + dev eth0\nlink set eth0 up\nroute add default via 192.168.20.1\n")
    }

    /// Takes the power away: within a millisecond its ports are down, its end of the serial cable is silent, and its
    /// pid 1 is killed, and with it every process. Then waits until they are gone.
    pub fn power_off(&self) -> Result<()> {
        let Some(powered) = lock(&self.power).take() else { return Ok(()) };
        self.bench.cable.power(self.index, false);
        let lan = self.bench.lan.unplug(self.index);
        self.bench.crossover.power(self.index, false);
        powered.space.kill();
        powered.space.bury();
        lan
    }

    // The daemon

    /// Starts `lubdub run`. Its output goes to [`Node::log`].
    pub fn start(&self) -> Result<()> {
        self.start_as(&["lubdub", "run"])
    }

    /// Starts the daemon with other words.
    pub fn start_as(&self, words: &[&str]) -> Result<()> {
        let mut power = lock(&self.power);
        let powered = power.as_mut().ok_or_else(|| self.error("has no power"))?;
        if powered.daemon.as_ref().is_some_and(Child::runs) {
            return Err(self.error("runs a daemon already"));
        }
        self.bench.cable.fresh_end(self.index)?;
        let null = OwnedFd::from(fs::File::open("/dev/null")?);
        let (output, stream) = pipe()?;
        powered.daemon = Some(powered.space.spawn(words, [&null, &stream, &stream])?);
        drop(stream);
        self.log.follow(output).map(drop)
    }

    fn daemon(&self) -> Result<Child> {
        let power = lock(&self.power);
        let daemon = power.as_ref().and_then(|powered| powered.daemon.clone());
        daemon.ok_or_else(|| self.error("runs no daemon"))
    }

    /// Whether the daemon is there.
    pub fn runs(&self) -> bool {
        self.daemon().is_ok_and(|daemon| daemon.runs())
    }

    /// Asks the daemon to end (SIGTERM) and waits until it has.
    pub fn stop(&self) -> Result<Exit> {
        self.daemon()?.signal(Signal::SIGTERM);
        self.await_exit(FAREWELL)
    }

    /// Asks the daemon to end (SIGTERM) and does not wait.
    pub fn terminate(&self) -> Result<()> {
        self.daemon().map(|daemon| daemon.signal(Signal::SIGTERM))
    }

    /// Asks the daemon to read its files again (SIGHUP).
    pub fn hang_up(&self) -> Result<()> {
        self.daemon().map(|daemon| daemon.signal(Signal::SIGHUP))
    }

    /// Waits until the daemon has ended.
    pub fn await_exit(&self, within: Duration) -> Result<Exit> {
        let exit = self.daemon()?.wait(within);
        exit.ok_or_else(|| {
            self.error(&format!("still runs its daemon after {within:?}; its log:\n{}", self.log.text()))
        })
    }

    /// Kills the daemon (SIGKILL); its resources stay as they are.
    pub fn kill(&self) -> Result<Exit> {
        self.daemon()?.signal(Signal::SIGKILL);
        self.await_exit(FAREWELL)
    }

    /// Freezes the daemon (SIGSTOP); the kernel goes on answering for what it holds.
    pub fn freeze(&self) -> Result<()> {
        self.daemon().map(|daemon| daemon.signal(Signal::SIGSTOP))
    }

    /// Lets a frozen daemon go on (SIGCONT).
    pub fn thaw(&self) -> Result<()> {
        self.daemon().map(|daemon| daemon.signal(Signal::SIGCONT))
    }

    // Commands

    /// Runs a command to its end. `lubdub` and its other names are on the PATH.
    pub fn exec(&self, words: &[&str]) -> Result<Output> {
        self.exec_within(words, COMMAND)
    }

    /// Runs a command; one that takes longer is killed.
    pub fn exec_within(&self, words: &[&str], within: Duration) -> Result<Output> {
        self.space()?.run(words, "", within)
    }

    /// What `lubdub status --json` says; an error while no daemon runs.
    pub fn status(&self) -> Result<Status> {
        let output = self.exec(&["lubdub", "status", "--json"])?;
        serde_json::from_str(&output.stdout)
            .map_err(|error| self.error(&format!("gives no status: {error} ({}) {}", output.exit, output.stderr)))
    }

    /// Waits until the status is as wanted; asked again whenever the log grows, and every 50 ms.
    pub fn await_status(&self, within: Duration, wanted: impl Fn(&Status) -> bool) -> Result<Status> {
        let deadline = clock::now() + within;
        loop {
            let mark = self.log.mark();
            let status = self.status();
            if let Ok(status) = &status
                && wanted(status)
            {
                return Ok(status.clone());
            }
            if clock::left(deadline).is_zero() {
                let text = format!("is not as wanted within {within:?}: {status:?}; its log:\n{}", self.log.text());
                return Err(self.error(&text));
            }
            self.log.await_growth(mark, GLANCE.min(clock::left(deadline)));
        }
    }

    /// Whether an interface of the node has this address.
    pub fn has_address(&self, address: Ipv4Addr) -> bool {
        let shown = self.exec(&["ip", "-o", "-4", "addr", "show"]).map(|output| output.stdout).unwrap_or_default();
        shown.contains(&format!(" {address}/"))
    }

    /// Sends a frame of one's own making from an interface of the node.
    pub fn send_frame(&self, interface: &str, frame: &[u8]) -> Result<()> {
        let socket = self.space()?.socket(SocketKind::Packet { interface, protocol: 0 })?;
        nix::unistd::write(&socket, frame).context("send a frame").map(drop)
    }

    /// One of its interfaces, to do something to it.
    pub fn interface<'a>(&'a self, name: &'a str) -> Interface<'a> {
        Interface::new(self, name)
    }

    // Files

    /// A recording script of this node, see [`crate::script`].
    pub fn script<'a>(&'a self, name: &'a str) -> Script<'a> {
        Script::new(self, name)
    }

    /// Changes a file of /etc/ha.d, where the node itself cannot write. Permission bits are kept.
    pub fn configure(&self, file: &str, text: &str) -> Result<()> {
        let path = self.bench.shelf().join(self.name()).join("ha.d").join(file);
        fs::write(&path, text).context(&format!("write {file}"))
    }

    /// Changes the permission bits of a file of /etc/ha.d.
    pub fn chmod(&self, file: &str, mode: u32) -> Result<()> {
        let path = self.bench.shelf().join(self.name()).join("ha.d").join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).context(&format!("chmod {file}"))
    }

    /// The text of a file as the node sees it.
    pub fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.path(path)?).context(&format!("read {path} on {}", self.name()))
    }

    /// Writes a file on the node; only /run and /tmp can be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        fs::write(self.path(path)?, text).context(&format!("write {path} on {}", self.name()))
    }

    /// Removes a file on the node, if it is there.
    pub fn remove(&self, path: &str) -> Result<()> {
        match fs::remove_file(self.path(path)?) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether the node has a file at this path.
    pub fn has(&self, path: &str) -> bool {
        self.path(path).is_ok_and(|path| path.exists())
    }

    fn path(&self, path: &str) -> Result<PathBuf> {
        Ok(self.space()?.root().join(path.trim_start_matches('/')))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.power_off().ok();
    }
}

/// The MAC of a box at the LAN (0) or the crossover (1): its last byte reads like the last number of its address.
pub(crate) fn mac(wire: u8, index: usize) -> Mac {
    Mac([2, 0, 0, 0, wire, [0x10, 0x20, 0x01][index]])
}

/// Writes what the node will see in /etc/ha.d and /etc/sysconfig.
fn lay_out(shelf: &Path, pair: &Pair) -> Result<()> {
    let (ha_d, sysconfig) = (shelf.join("ha.d"), shelf.join("sysconfig"));
    for dir in [&shelf.join("root"), &ha_d.join("resource.d"), &sysconfig] {
        fs::create_dir_all(dir)?;
    }
    write(&ha_d.join("ha.cf"), &pair.ha_cf, 0o644)?;
    write(&ha_d.join("haresources"), &pair.haresources, 0o644)?;
    write(&ha_d.join("authkeys"), &pair.authkeys, pair.authkeys_mode)?;
    write(&sysconfig.join("ipvsadm"), &pair.ipvsadm_rules, 0o644)?;
    for (name, text) in &pair.resource_d {
        write(&ha_d.join("resource.d").join(name), text, 0o755)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Copies the daemon to where every node sees it, with the names that it answers to.
pub(crate) fn install(daemon: &Path, bin: &Path) -> Result<()> {
    fs::create_dir_all(bin)?;
    let file = bin.join("lubdub");
    fs::copy(daemon, &file).context(&format!("copy {}", daemon.display()))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    for name in ["hb_takeover", "hb_standby", "cl_status", "heartbeat"] {
        symlink("lubdub", bin.join(name))?;
    }
    Ok(())
}
