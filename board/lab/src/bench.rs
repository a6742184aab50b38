//! What the two appliances stand on: the machine room with its switch and cables, and the client.

use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid};

use crate::cable::Cable;
use crate::error::{Context, Result};
use crate::judge::ASKERS_NETWORK;
use crate::node;
use crate::root::{PTY_SHELF, SHELF, port_names};
use crate::space::{Blueprint, Space};
use crate::step::Steps;
use crate::switch::{self, Crossover, Plug, Wire};

/// The client's number at the service LAN; the nodes are 0 and 1.
pub const CLIENT: usize = 2;

/// Everything that a node does not own. The fields are dropped, and so taken down, in this order.
#[derive(Debug)]
pub struct Bench {
    pub cable: Cable,
    pub lan: Wire,
    pub crossover: Crossover,
    pub client: Space,
    pub room: Space,
}

impl Bench {
    /// `hub`: the crossover is a hub of the lab's own, whatever the kernel has.
    pub fn new(hub: bool) -> Result<Self> {
        let room = room().context("make the machine room's namespaces")?;
        let lan = Wire::new(&room, "lan", false)?;
        let crossover = Crossover::new(&room, hub)?;
        let client = client(&room, &lan).context("make the client")?;
        let cable = Cable::new(&shelf(&room)).context("lay the serial cable")?;
        Ok(Self { cable, lan, crossover, client, room })
    }

    /// The lab's files, from outside. They are on a tmpfs in the machine room: nothing is left when the room is gone.
    pub fn shelf(&self) -> PathBuf {
        shelf(&self.room)
    }
}

fn shelf(room: &Space) -> PathBuf {
    room.root().join(SHELF.trim_start_matches('/'))
}

/// The outermost box. For an ordinary user it is a user namespace in which that user is root.
fn room() -> Result<Space> {
    let (mut before, mut steps) = (Steps::default(), Steps::default());
    let mut own = libc::CLONE_NEWNET | libc::CLONE_NEWNS;
    if !geteuid().is_root() {
        own |= libc::CLONE_NEWUSER;
        // user_namespaces(7): without groups of one's own, setgroups has to be given up first.
        before.write("/proc/self/setgroups".as_ref(), "deny")?;
        before.write("/proc/self/uid_map".as_ref(), format!("0 {} 1", geteuid()))?;
        before.write("/proc/self/gid_map".as_ref(), format!("0 {} 1", getegid()))?;
    }
    steps.keep_mounts_private()?.mount("tmpfs", SHELF.as_ref(), libc::MS_NOSUID, "mode=755")?;
    let ptys = Path::new(SHELF).join(PTY_SHELF);
    steps.mkdir(&ptys)?.mount(
        "devpts",
        &ptys,
        libc::MS_NOSUID | libc::MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    )?;
    for index in [0, 1] {
        steps.mkdir(&Path::new(SHELF).join(port_names(index)))?;
    }
    Space::new(&Blueprint { inside: None, own, before, steps })
}

fn client(room: &Space, lan: &Wire) -> Result<Space> {
    let mut steps = Steps::default();
    steps.keep_mounts_private()?.mount("proc", "/proc".as_ref(), libc::MS_NOSUID, "")?.hostname("client")?;
    let space = Space::new(&Blueprint {
        inside: Some((room, libc::CLONE_NEWUSER | libc::CLONE_NEWNS)),
        own: libc::CLONE_NEWNET | libc::CLONE_NEWUTS | libc::CLONE_NEWNS | libc::CLONE_NEWPID,
        before: Steps::default(),
        steps,
    })?;
    let mac = node::mac(0, CLIENT).to_string();
    lan.plug(room, &Plug { owner: CLIENT, space: &space, interface: "eth0", mac })?;
    let batch = format!(
        "link set lo up\naddr add 192.168.20.1/24 brd + dev eth0\nlink set eth0 up\nroute add local {ASKERS_NETWORK} dev lo\n"
    );
    switch::ip(&space, &batch)?;
    Ok(space)
}
