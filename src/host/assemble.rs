//! From a configuration to what the node and the resources are told.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use lubdub::conf::{AutoFailback, Config, Guarantee, Link, Method, Resource};
use lubdub::node::{GroupSetup, LinkKind, Setup, Timing};
use lubdub::wire::auth;
use sha2::{Digest, Sha256};

use super::eyes::PingNode;
use super::leases;
use super::resources::{GroupPlan, Item};
use super::vip::{VipSpec, route};

/// The timings.
pub fn timing(config: &Config<'_>) -> Timing {
    Timing {
        keepalive: config.keepalive,
        warntime: config.warntime,
        deadtime: config.deadtime,
        initdead: config.initdead,
    }
}

/// What the node is told. Draws the run's name and its seed.
///
/// # Errors
/// No random numbers; a name or secret longer than the wire has room for.
pub fn setup(config: &Config<'_>, guarantee: &Guarantee) -> io::Result<Setup> {
    let mut random = [0; 40];
    // Waits, once after boot, until the kernel's generator is seeded (random(4)): a nonce must not be guessed.
    File::open("/dev/random")?.read_exact(&mut random)?;
    let (seed, run) = random.split_at(32);
    let long = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} is too long"));
    let name = |name: &str| name.to_ascii_lowercase().as_str().try_into().map_err(|_| long("a node's name"));
    let group =
        |group: &lubdub::conf::Group<'_>| GroupSetup { preferred: group.preferred_me, has_vip: group.has_vip() };
    Ok(Setup {
        name: name(config.me)?,
        peer: name(config.peer)?,
        cluster: config.cluster.try_into().map_err(|_| long("the cluster's name"))?,
        timing: timing(config),
        auto_failback: config.auto_failback != AutoFailback::Off,
        links: config.links.iter().map(link).collect(),
        groups: config.groups.iter().map(group).collect(),
        macs: macs(config).collect(),
        guard: leases::guard(config, guarantee),
        digest: digest(config),
        keys: keyring(config).ok_or_else(|| long("a secret of authkeys"))?,
        run: u64::from_le_bytes(run.try_into().expect("eight of forty bytes")),
        seed: seed.try_into().expect("thirty-two of forty bytes"),
    })
}

fn link(link: &Link<'_>) -> LinkKind {
    match link {
        Link::Serial { baud, .. } => LinkKind::Serial { baud: *baud },
        Link::Broadcast { .. } => LinkKind::Broadcast,
    }
}

fn digest(config: &Config<'_>) -> [u8; 8] {
    let mut hash = Sha256::new();
    config.digest_input(&mut |bytes| hash.update(bytes));
    *hash.finalize().first_chunk().expect("SHA-256 has 32 bytes")
}

fn keyring(config: &Config<'_>) -> Option<auth::Keyring> {
    let key = |key: &lubdub::conf::Key<'_>| {
        let method = match key.method {
            Method::Crc => auth::Method::Crc,
            Method::Md5 => auth::Method::Md5,
            Method::Sha1 => auth::Method::Sha1,
            Method::Sha256 => auth::Method::Sha256,
        };
        auth::Key::new(key.id, method, key.secret.as_bytes())
    };
    let keys = config.keys.iter().map(key).collect::<Option<Vec<_>>>()?;
    auth::Keyring::new(config.send_key, keys)
}

/// The MACs of the interfaces that VIPs are for, as the file says or the routes do, as far as they are there now.
fn macs(config: &Config<'_>) -> impl Iterator<Item = [u8; 6]> {
    let plans = plans(config);
    let mut interfaces: Vec<String> = plans.iter().flat_map(|plan| &plan.items).filter_map(interface).collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    interfaces.into_iter().filter_map(|name| mac(&name)).take(lubdub::wire::hello::MACS_MAX)
}

fn interface(item: &Item) -> Option<String> {
    let Item::Vip(vip) = item else { return None };
    vip.interface.clone().or_else(|| route::to(vip.address, None).ok()?.map(|route| route.interface))
}

fn mac(interface: &str) -> Option<[u8; 6]> {
    let text = fs::read_to_string(Path::new("/sys/class/net").join(interface).join("address")).ok()?;
    let bytes: Option<Vec<u8>> = text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// Whom to ping.
pub fn pings(config: &Config<'_>) -> Vec<PingNode> {
    let node =
        |node: &lubdub::conf::PingNode<'_>| PingNode { address: node.address, group: node.group.map(str::to_owned) };
    config.pings.iter().map(node).collect()
}

/// The VIPs of every group.
pub fn vips(config: &Config<'_>) -> Vec<VipSpec> {
    let items = plans(config).into_iter().flat_map(|plan| plan.items);
    items.filter_map(|item| if let Item::Vip(vip) = item { Some(vip) } else { None }).collect()
}

/// What each group runs.
pub fn plans(config: &Config<'_>) -> Vec<GroupPlan> {
    let item = |resource: Resource<'_>| match resource {
        Resource::Vip(vip) => Item::Vip(VipSpec {
            address: vip.address,
            prefix: vip.prefix,
            interface: vip.interface.map(str::to_owned),
            broadcast: vip.broadcast,
            label: vip.label.and_then(|label| label.split_once(':')).map(|(_, tail)| tail.to_owned()),
        }),
        Resource::Script { name: "ipvsadm", args } if args.clone().next().is_none() => Item::Ipvs,
        Resource::Script { name, args } => {
            Item::Script { name: name.to_owned(), args: args.map(str::to_owned).collect() }
        }
    };
    let plan = |group: &lubdub::conf::Group<'_>| GroupPlan {
        key: group.key.to_owned(),
        items: group.resources().map(item).collect(),
    };
    config.groups.iter().map(plan).collect()
}
