//! What can be done to an Ethernet interface inside a node.

use crate::error::{Context, Result};
use crate::node::Node;
use crate::switch::ip;

/// An interface of a node that has power, by the name that it has now.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    node: &'a Node,
    name: &'a str,
}

impl<'a> Interface<'a> {
    pub(crate) fn new(node: &'a Node, name: &'a str) -> Self {
        Self { node, name }
    }

    /// As `ip link set NAME down`: its addresses of IPv4 stay, its routes go, and the other end of a crossover loses its
    /// carrier, as with most cards.
    pub fn down(&self) -> Result<()> {
        self.ip(&format!("link set {} down\n", self.name), "take down")?;
        self.light(false)
    }

    /// As `ip link set NAME up`. Routes that [`Interface::down`] took do not come back, but for the network's own.
    pub fn up(&self) -> Result<()> {
        self.ip(&format!("link set {} up\n", self.name), "bring up")?;
        self.light(true)
    }

    /// Another name. The kernel renames only what is down, or what udev may rename: it is taken down for a moment.
    pub fn rename(&self, to: &str) -> Result<()> {
        let from = self.name;
        self.ip(&format!("link set {from} down\nlink set {from} name {to}\nlink set {to} up\n"), "rename")
    }

    /// The interface is gone, as a card that is pulled out.
    pub fn delete(&self) -> Result<()> {
        self.light(false)?;
        self.ip(&format!("link del {}\n", self.name), "delete")
    }

    /// A deleted eth0 or eth1 is there again, up, with the addresses and routes of a fresh boot, under a new number.
    pub fn create(&self) -> Result<()> {
        self.node.plug(&*self.node.space()?, self.name).context(&format!("create {}", self.name))
    }

    fn light(&self, on: bool) -> Result<()> {
        self.node.light(self.name, on)
    }

    fn ip(&self, batch: &str, what: &str) -> Result<()> {
        ip(&*self.node.space()?, batch).context(&format!("{what} {} of {}", self.name, self.node.name()))
    }
}
