//! What `lubdub status --json` tells, as far as design.md promises it.

use serde::Deserialize;

/// One node's view.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// Who says this.
    pub node: String,
    /// The other node.
    pub peer: Peer,
    /// Every link.
    pub links: Vec<Link>,
    /// Every group.
    pub groups: Vec<Group>,
    /// Every `ping` node.
    #[serde(default)]
    pub pings: Vec<Ping>,
}

/// The other node, as this one sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Peer {
    /// Its name.
    pub node: String,
    /// unknown, alive, dead, left, split-suspected or untrusted
    pub state: String,
    /// Why it is not alive.
    pub why: Option<String>,
}

/// One medium.
#[derive(Clone, Debug, Deserialize)]
pub struct Link {
    /// `/dev/ttyS1`, `eth1`
    pub name: String,
    /// serial, bcast, ...
    pub kind: String,
    /// up, one-way or down
    pub state: String,
    /// Why it is not up.
    pub why: Option<String>,
    /// Frames received.
    #[serde(default)]
    pub rx_frames: u64,
    /// Frames sent.
    #[serde(default)]
    pub tx_frames: u64,
    /// What arrived and was no frame.
    #[serde(default)]
    pub rx_errors: u64,
    /// What its modem lines or its carrier show of the other end: unknown, none, strapped, up or lost
    #[serde(default, alias = "carrier")]
    pub lines: String,
}

/// One line of haresources.
#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    /// Its first resource.
    pub key: String,
    /// The node named on its line.
    pub preferred: String,
    /// Who holds it.
    pub owner: Option<String>,
    /// On this node: stopped, starting, held, stopping or failed.
    pub state: String,
    /// The number of its ownership.
    #[serde(default)]
    pub term: u64,
    /// Why this node does not take it from a silent peer: vip-in-use, blind or fencing.
    pub held_off: Option<String>,
}

/// A `ping` node.
#[derive(Clone, Debug, Deserialize)]
pub struct Ping {
    /// Its address.
    pub node: String,
    /// Its `ping_group`.
    pub group: Option<String>,
    /// answering, silent or unknown
    pub state: String,
}

impl Status {
    /// The group with this key.
    pub fn group(&self, key: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.key == key)
    }

    /// The link with this name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Whether this node holds the group.
    pub fn holds(&self, key: &str) -> bool {
        self.group(key).is_some_and(|group| group.state == "held")
    }

    /// Whether this node holds no group at all and is in the middle of nothing.
    pub fn idle(&self) -> bool {
        self.groups.iter().all(|group| group.state == "stopped")
    }

    /// Whether a link is up in both directions.
    pub fn link_up(&self, name: &str) -> bool {
        self.link(name).is_some_and(|link| link.state == "up")
    }

    /// Whether the peer is heard and trusted.
    pub fn peer_alive(&self) -> bool {
        self.peer.state == "alive"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_understood() {
        let text = r#"{ "node": "node1.a.com", "peer": { "node": "node2.a.com", "state": "alive" },
            "links": [ { "name": "/dev/ttyS1", "kind": "serial", "state": "up", "rx_frames": 1, "tx_frames": 1, "rx_errors": 0,
            "lines": "up" }, { "name": "eth1", "kind": "bcast", "state": "down", "carrier": "lost" } ],
            "groups": [ { "key": "192.168.20.100/24/eth0", "preferred": "node1.a.com", "owner": "node1.a.com",
            "state": "held", "term": 1 } ] }"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert!(status.peer_alive() && status.link_up("/dev/ttyS1") && status.holds("192.168.20.100/24/eth0"));
        assert_eq!(status.links.iter().map(|link| link.lines.as_str()).collect::<Vec<_>>(), ["up", "lost"]);
        assert!(!status.holds("192.168.20.101/24/eth0") && !status.idle());
    }
}
