//! What the node knows by number, people know by name.

use lubdub::conf::{Config, Link};

/// The names behind the numbers.
#[derive(Debug)]
pub struct Names {
    /// This node.
    pub me: String,
    /// The other node.
    pub peer: String,
    /// The groups' keys, in the order of haresources.
    pub groups: Vec<String>,
    /// The links, in the order of the node's numbers.
    pub links: Vec<LinkName>,
}

/// A link as people know it.
#[derive(Debug)]
pub struct LinkName {
    /// `/dev/ttyS1`, `eth1`.
    pub name: String,
    /// `serial`, `bcast`: the word of ha.cf.
    pub kind: &'static str,
}

impl LinkName {
    /// Whether it is a cable with modem lines.
    pub fn is_serial(&self) -> bool {
        self.kind == "serial"
    }
}

impl Names {
    /// The names of a configuration.
    pub fn of(config: &Config<'_>) -> Self {
        let link = |link: &Link<'_>| match link {
            Link::Serial { device, .. } => LinkName { name: (*device).to_owned(), kind: "serial" },
            Link::Broadcast { interface } => LinkName { name: (*interface).to_owned(), kind: "bcast" },
        };
        Self {
            me: config.me.to_ascii_lowercase(),
            peer: config.peer.to_ascii_lowercase(),
            groups: config.groups.iter().map(|group| group.key.to_owned()).collect(),
            links: config.links.iter().map(link).collect(),
        }
    }

    /// A group's key.
    pub fn group(&self, number: u8) -> &str {
        self.groups.get(usize::from(number)).map_or("?", String::as_str)
    }

    /// A link's name.
    pub fn link(&self, number: u8) -> &str {
        self.links.get(usize::from(number)).map_or("?", |link| &link.name)
    }
}
