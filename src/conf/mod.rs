//! The three files of `/etc/ha.d` to a [`Config`], and a [`Diagnostic`] for everything doubtful in them.
//!
//! Pure: text in, values that borrow from that text out. Nothing is opened, probed or allocated.

mod authkeys;
mod diagnostic;
mod directive;
mod excerpt;
mod fencing;
mod guarantee;
mod ha_cf;
mod haresources;
mod lexer;
mod nearest;
mod option;
mod phrase;
mod ping;
mod resource;
mod timing;
mod tokens;
mod vip;

pub use authkeys::{Key, Method};
pub use diagnostic::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Severity};
pub use excerpt::Excerpt;
pub use fencing::{Params, Stonith};
pub use guarantee::{Fault, Guarantee, Guard, Means, Ward, Watchdog};
pub use haresources::Group;
pub use phrase::{Phrase, Value};
pub use ping::PingNode;
pub use resource::{Args, Resource};
pub use vip::Vip;

use crate::lease::Exclusive;
use crate::time::Duration;
use diagnostic::Reporter;
use excerpt::Echo;
use heapless::Vec;

/// Nodes of a cluster: lubdub is for pairs.
pub const NODES: usize = 2;
/// Links at most: a beat has a bit for each.
pub const LINKS_MAX: usize = 8;
/// Groups at most, lines of haresources.
pub const GROUPS_MAX: usize = 32;
/// Resources of a group at most.
pub const RESOURCES_MAX: usize = 256;
/// Bytes of one file at most.
pub const FILE_MAX: usize = 64 * 1024;
/// Keys at most: Heartbeat's ids are 0 to 15.
pub const KEYS_MAX: usize = 16;
/// Bytes of a secret at most: twice the longest digest written in hexadecimal.
pub const SECRET_MAX: usize = 128;
/// Bytes of a node's name at most (`HOST_NAME_MAX`).
pub const NODE_NAME_MAX: usize = 64;
/// Bytes of a cluster's name at most.
pub const CLUSTER_NAME_MAX: usize = 32;
/// Fencing devices of a node at most.
pub const STONITH_MAX: usize = 8;
/// Stations to ping at most.
pub const PINGS_MAX: usize = 16;
/// Bytes of an interface's name at most (`IFNAMSIZ` less its NUL).
pub const INTERFACE_NAME_MAX: usize = 15;

/// One file as it was read: the name that diagnostics show, and its text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The path as the person at the console knows it.
    pub name: &'a str,
    /// The whole text.
    pub text: &'a str,
}

/// The configuration of one node of the pair. Links are in canonical order: serial first, then broadcast, each kind in
/// the order of ha.cf.
#[derive(Clone, Debug)]
pub struct Config<'a> {
    /// This node's name as ha.cf has it (compare without case).
    pub me: &'a str,
    /// The other node's name as ha.cf has it.
    pub peer: &'a str,
    /// `keepalive`.
    pub keepalive: Duration,
    /// `warntime`.
    pub warntime: Duration,
    /// `deadtime`.
    pub deadtime: Duration,
    /// `initdead`.
    pub initdead: Duration,
    /// `auto_failback`.
    pub auto_failback: AutoFailback,
    /// `udpport`.
    pub udpport: u16,
    /// The links in canonical order.
    pub links: Vec<Link<'a>, LINKS_MAX>,
    /// `logfacility`: the syslog facility's number (RFC 5424 table 1), none for `none` or when absent.
    pub logfacility: Option<u8>,
    /// `logfile`: the absolute path of the file that gets every line but those for debugging.
    pub logfile: Option<&'a str>,
    /// `debugfile`: the absolute path of the file that gets every line.
    pub debugfile: Option<&'a str>,
    /// `debug`, 0 to 255.
    pub debug: u8,
    /// `cluster`: two pairs on one LAN may share everything else.
    pub cluster: &'a str,
    /// `lease`, at least [`crate::lease::shortest`]; none: the longest that fits. [`crate::lease::choose`] has the rule.
    pub lease: Option<Duration>,
    /// `exclusive`.
    pub exclusive: Exclusive,
    /// `watchdog`: the path of the device, below /dev.
    pub watchdog: Option<&'a str>,
    /// `stop_failure`; without that line what `watchdog` asks for.
    pub stop_failure: StopFailure,
    /// `stonith` and `stonith_host`: the devices that this node may use, in the order of ha.cf.
    pub stonith: Vec<Stonith<'a>, STONITH_MAX>,
    /// `ping` and `ping_group`, in the order of ha.cf.
    pub pings: Vec<PingNode<'a>, PINGS_MAX>,
    /// The lines of haresources in order.
    pub groups: Vec<Group<'a>, GROUPS_MAX>,
    /// The keys of authkeys.
    pub keys: Vec<Key<'a>, KEYS_MAX>,
    /// The id of the key to send with.
    pub send_key: u8,
}

/// `auto_failback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoFailback {
    /// A returned preferred node takes its groups again.
    On,
    /// Groups stay where they are.
    Off,
    /// Heartbeat before 1.2; lubdub does as for `on` and warns.
    Legacy,
}

/// `stop_failure`: what becomes of a node that cannot stop a resource, once nothing milder has helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopFailure {
    /// It goes on trying, until a person comes.
    Hold,
    /// It restarts: by its watchdog where it has one, by reboot(2) where not. As Heartbeat does.
    Reboot,
}

/// One `serial` or `bcast` word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link<'a> {
    /// A null-modem cable.
    Serial {
        /// Absolute path of the tty.
        device: &'a str,
        /// Bits a second.
        baud: u32,
    },
    /// Ethernet broadcast on an interface.
    Broadcast {
        /// The interface.
        interface: &'a str,
    },
}

/// Reads the three files for the node `this_node`, its name as `uname -n` prints it. Whatever is doubtful is added to
/// `diagnostics`; none is returned when any of it is an error.
pub fn read<'a>(
    ha_cf: Source<'a>,
    haresources: Source<'a>,
    authkeys: Source<'a>,
    this_node: &'a str,
    diagnostics: &mut Diagnostics<'a>,
) -> Option<Config<'a>> {
    let errors = diagnostics.errors();
    let mut report = Reporter::new(ha_cf.name, Echo::UpTo(fencing::shown_len), diagnostics);
    let cluster = report.admits(&ha_cf).then(|| ha_cf::read(&ha_cf, this_node, &mut report));
    let (known, me) = cluster.as_ref().map_or((&[][..], None), |cluster| (&cluster.nodes[..], cluster.me));

    let mut report = Reporter::new(haresources.name, Echo::Plain, diagnostics);
    let pings = cluster.as_ref().map_or(&[][..], |cluster| &cluster.pings[..]);
    let nodes = haresources::Nodes { known, me, pings };
    let groups = report.admits(&haresources).then(|| haresources::read(&haresources, &nodes, &mut report));

    let mut report = Reporter::new(authkeys.name, Echo::UpTo(authkeys::shown_len), diagnostics);
    let keys = report.admits(&authkeys).then(|| authkeys::read(&authkeys, &mut report));

    let (cluster, groups, keys) = (cluster?, groups?, keys?);
    if diagnostics.errors() > errors {
        return None;
    }
    let me = cluster.me?;
    Some(Config {
        me: cluster.nodes.get(me)?.text,
        peer: cluster.nodes.get(NODES - 1 - me)?.text,
        keepalive: cluster.timing.keepalive,
        warntime: cluster.timing.warntime,
        deadtime: cluster.timing.deadtime,
        initdead: cluster.timing.initdead,
        auto_failback: cluster.auto_failback,
        udpport: cluster.udpport,
        links: cluster.links,
        logfacility: cluster.logfacility,
        logfile: cluster.logfile,
        debugfile: cluster.debugfile,
        debug: cluster.debug,
        cluster: cluster.cluster,
        lease: cluster.lease,
        exclusive: cluster.exclusive,
        watchdog: cluster.watchdog,
        stop_failure: cluster.stop_failure,
        stonith: cluster.stonith,
        pings: cluster.pings,
        groups,
        keys: keys.keys,
        send_key: keys.send_key,
    })
}

impl Config<'_> {
    /// Feeds what both nodes must agree on: the groups in order, each with its preferred node in lower case and its
    /// resources as written, and whether `auto_failback` is on. Comments, blanks and continuation lines leave no trace.
    ///
    /// One line a group, words apart by one blank: neither can be part of a word, so equal bytes mean equal files.
    pub fn digest_input(&self, feed: &mut dyn FnMut(&[u8])) {
        for group in &self.groups {
            for byte in group.preferred.bytes() {
                feed(&[byte.to_ascii_lowercase()]);
            }
            for word in group.words() {
                feed(b" ");
                feed(word.as_bytes());
            }
            feed(b"\n");
        }
        feed(match self.auto_failback {
            AutoFailback::On | AutoFailback::Legacy => b"auto_failback on\n",
            AutoFailback::Off => b"auto_failback off\n",
        });
    }
}
