//! The wires of Ethernet: the service LAN's switch and the crossover cable.
//!
//! Both live in a network namespace of their own, the machine room. Every interface of a node is one end of a veth pair;
//! the other end is a port here, a member of the bridge `lan` or `crossover`. Two kinds of fault: a port that is no
//! member is silent with its carrier up, a port that is down takes the carrier away. Where the kernel has no bridges (or
//! `LUBDUB_LAB_HUB` is set) a hub of our own repeats the frames.

use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::lock;
use crate::error::{Context, Error, Result};
use crate::hub::Hub;
use crate::space::Space;
use crate::sys::{self, SocketKind};

/// `ip` with a few lines of work.
const SETUP: Duration = Duration::from_secs(20);

/// One wire and its ports, one for each box at it.
#[derive(Debug)]
pub struct Wire {
    name: &'static str,
    medium: Medium,
    control: OwnedFd,
    ports: Mutex<Vec<Port>>,
}

#[derive(Debug)]
enum Medium {
    /// The kernel's, of the wire's name.
    Bridge,
    /// Ours.
    Hub(Hub),
}

#[derive(Clone, Debug)]
struct Port {
    owner: usize,
    name: String,
    /// A cut outlasts the box: a node that boots finds its cable as it was.
    member: bool,
}

/// The interface of a box, to be plugged in.
pub(crate) struct Plug<'a> {
    /// Whose it is.
    pub owner: usize,
    /// The box.
    pub space: &'a Space,
    /// Its name there.
    pub interface: &'a str,
    /// Its MAC address.
    pub mac: String,
}

impl Wire {
    pub(crate) fn new(room: &Space, name: &'static str, hub: bool) -> Result<Self> {
        let script = format!(
            "link add {name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0\n\
             link set {name} addrgenmode none\nlink set {name} up\n"
        );
        let bridged = !hub && std::env::var_os("LUBDUB_LAB_HUB").is_none() && ip(room, &script).is_ok();
        let medium = if bridged { Medium::Bridge } else { Medium::Hub(Hub::new()?) };
        Ok(Self { name, medium, control: room.socket(SocketKind::Control)?, ports: Mutex::new(Vec::new()) })
    }

    /// Gives a box an interface at this wire. An older one of the same owner is pulled out.
    pub(crate) fn plug(&self, room: &Space, plug: &Plug<'_>) -> Result<()> {
        let name = format!("{}{}-{}", &self.name[..1], plug.owner, plug.space.pid());
        let (wire, interface, mac, pid) = (self.name, plug.interface, &plug.mac, plug.space.pid());
        let master = if matches!(self.medium, Medium::Bridge) { format!("master {wire}") } else { String::new() };
        let script = format!(
            "link add {name} type veth peer name {interface} address {mac} netns {pid}\n\
             link set {name} addrgenmode none\nlink set {name} {master} up\n"
        );
        ip(room, &script).context(&format!("plug {interface} into {wire}"))?;
        if let Medium::Hub(hub) = &self.medium {
            hub.plug(plug.owner, room.socket(SocketKind::Tap { interface: &name })?);
        }
        let member = lock(&self.ports).iter().all(|port| port.owner != plug.owner || port.member);
        lock(&self.ports).retain(|port| port.owner != plug.owner);
        lock(&self.ports).push(Port { owner: plug.owner, name, member });
        if member { Ok(()) } else { self.cut(plug.owner) }
    }

    /// Nothing passes between this box and the others; both see a carrier.
    pub fn cut(&self, owner: usize) -> Result<()> {
        self.set_member(owner, false)
    }

    /// What [`Wire::cut`] did is undone.
    pub fn mend(&self, owner: usize) -> Result<()> {
        self.set_member(owner, true)
    }

    /// The box loses its carrier, as when the cable is pulled out.
    pub fn unplug(&self, owner: usize) -> Result<()> {
        self.set_carrier(owner, false)
    }

    /// What [`Wire::unplug`] did is undone.
    pub fn replug(&self, owner: usize) -> Result<()> {
        self.set_carrier(owner, true)
    }

    /// Every frame has this probability to be lost on its way to each of its receivers. Only a hub of the lab's own can
    /// do that, see [`crate::Pair::with_hub`].
    pub fn set_loss(&self, probability: f64, seed: u64) -> Result<()> {
        match &self.medium {
            Medium::Hub(hub) => {
                hub.set_loss(probability, seed);
                Ok(())
            }
            Medium::Bridge => Err(Error::new("the kernel's bridge loses nothing: ask for the hub, Pair::with_hub()")),
        }
    }

    fn set_member(&self, owner: usize, member: bool) -> Result<()> {
        lock(&self.ports).iter_mut().filter(|port| port.owner == owner).for_each(|port| port.member = member);
        if let Medium::Hub(hub) = &self.medium {
            hub.set_member(owner, member);
            return Ok(());
        }
        match sys::set_member(&self.control, self.name, &self.port(owner), member) {
            Err(error) if already(&error) => Ok(()),
            result => result.context(&format!("cut or mend {}", self.name)),
        }
    }

    fn set_carrier(&self, owner: usize, up: bool) -> Result<()> {
        sys::set_up(&self.control, &self.port(owner), up).context(&format!("plug or unplug {}", self.name))
    }

    /// The name of a box's port in the machine room; empty if it has none.
    pub(crate) fn port(&self, owner: usize) -> String {
        lock(&self.ports).iter().find(|port| port.owner == owner).map_or_else(String::new, |port| port.name.clone())
    }
}

/// Joining twice is EBUSY, leaving twice EINVAL; both are where one wanted to be.
fn already(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EINVAL))
}

/// The crossover cable between the two nodes' eth1: a fault hits both ends.
///
/// There is a carrier only while both nodes have power and the cable is plugged in.
#[derive(Debug)]
pub struct Crossover {
    pub(crate) wire: Wire,
    light: Mutex<Light>,
}

#[derive(Debug)]
struct Light {
    powered: [bool; 2],
    plugged: bool,
}

impl Crossover {
    pub(crate) fn new(room: &Space, hub: bool) -> Result<Self> {
        let light = Mutex::new(Light { powered: [false; 2], plugged: true });
        Ok(Self { wire: Wire::new(room, "crossover", hub)?, light })
    }

    /// Silent in both directions; the carrier stays.
    pub fn cut(&self) -> Result<()> {
        self.wire.cut(0).and(self.wire.cut(1))
    }

    /// What [`Crossover::cut`] did is undone.
    pub fn mend(&self) -> Result<()> {
        self.wire.mend(0).and(self.wire.mend(1))
    }

    /// Frames are lost with this probability, see [`Wire::set_loss`].
    pub fn set_loss(&self, probability: f64, seed: u64) -> Result<()> {
        self.wire.set_loss(probability, seed)
    }

    /// Pulled out: both nodes lose the carrier.
    pub fn unplug(&self) {
        self.change(0, |light| light.plugged = false);
    }

    /// What [`Crossover::unplug`] did is undone.
    pub fn replug(&self) {
        self.change(0, |light| light.plugged = true);
    }

    /// A node without power, or whose interface is down, takes the other one's carrier along.
    pub(crate) fn power(&self, owner: usize, on: bool) {
        self.change(owner, |light| light.powered[owner] = on);
    }

    fn change(&self, first: usize, how: impl FnOnce(&mut Light)) {
        let mut light = lock(&self.light);
        how(&mut light);
        let carrier = light.plugged && light.powered == [true; 2];
        for owner in [first, 1 - first] {
            // The port of a node without power may be gone with it: then there is no carrier either.
            self.wire.set_carrier(owner, carrier).ok();
        }
    }
}

/// Runs a batch of ip(8) commands in a box.
pub(crate) fn ip(space: &Space, batch: &str) -> Result<()> {
    space.run(&["ip", "-batch", "-"], batch, SETUP)?.ok().map(drop)
}
