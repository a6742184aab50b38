//! What this machine has of what the configuration needs.

use super::Finding;
use crate::host::vip::route;
use crate::host::watchdog::facts::SYSFS;
use lubdub::conf::{Config, Link, Resource, Vip};
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::if_nametoindex;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

mod fencing;
mod tty;

/// Where the rules of `ipvsadm` are looked for, in this order.
const IPVS_RULES: [&str; 2] = ["/etc/sysconfig/ipvsadm", "/etc/ipvsadm.rules"];
/// Where programs are looked for besides PATH: a login shell's PATH often has no sbin.
const SBIN: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
/// The resource that is built in where no script of its name is in resource.d.
const IPVSADM: &str = "ipvsadm";

/// What keeps a tty from being the cable's.
pub fn tty(device: &str) -> Option<Finding> {
    tty::probe(device)
}

/// Looks for every interface, tty, script, program and route that the configuration names. What is missing is an error
/// where lubdub could not do its work without it, else a warning.
pub fn probe(config: &Config<'_>, config_dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in &config.links {
        match link {
            Link::Serial { device, .. } => findings.extend(tty::probe(device)),
            Link::Broadcast { interface } => {
                findings.extend(probe_interface(interface).or_else(|| probe_reverse_path(interface)));
            }
        }
    }
    for resource in config.groups.iter().flat_map(|group| group.resources()) {
        findings.extend(match resource {
            Resource::Vip(vip) => probe_vip(&vip),
            Resource::Script { name, .. } => probe_program(name, config_dir),
        });
    }
    findings.extend(config.pings.iter().filter_map(|node| probe_ping(node.address)));
    findings.extend(config.watchdog.and_then(|device| fencing::probe_watchdog(device, Path::new(SYSFS))));
    let setting = fencing::setting(config_dir, config.me);
    findings.extend(fencing::probe_stonith(&config.stonith, [config.me, config.peer], &setting));
    once(findings)
}

/// The scripts and the plug-ins, as files.
pub fn programs(config: &Config<'_>, config_dir: &Path) -> Vec<Finding> {
    let script = |resource| match resource {
        Resource::Vip(_) => None,
        Resource::Script { name, .. } => probe_program(name, config_dir),
    };
    let mut findings: Vec<_> = config.groups.iter().flat_map(|group| group.resources()).filter_map(script).collect();
    findings.extend(fencing::probe_plugins(&config.stonith, &fencing::setting(config_dir, config.me)));
    once(findings)
}

fn probe_program(name: &str, config_dir: &Path) -> Option<Finding> {
    if name == IPVSADM { probe_ipvsadm(config_dir) } else { probe_script(name, config_dir) }
}

/// One interface of ten addresses, or one script of ten groups, is one finding.
fn once(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    findings.into_iter().for_each(|finding| {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    });
    kept
}

/// Whether a station to ask is this node itself, whose kernel answers whatever becomes of the LAN.
fn probe_ping(address: IpAddr) -> Option<Finding> {
    let is_it = |entry: InterfaceAddress| {
        entry.address.is_some_and(|own| match address {
            IpAddr::V4(address) => own.as_sockaddr_in().is_some_and(|own| own.ip() == address),
            IpAddr::V6(address) => own.as_sockaddr_in6().is_some_and(|own| own.ip() == address),
        })
    };
    if !getifaddrs().ok()?.any(is_it) {
        return None;
    }
    let message = format!("ping {address} is this node's own address: what it answers itself does not count");
    Some(Finding::warning(message, "leave it out here, and ask a station that is always on, for example the router"))
}

fn probe_interface(name: &str) -> Option<Finding> {
    let why = if_nametoindex(name).err()?;
    let message = format!("interface {name} is not there: {}", why.desc());
    Some(Finding::error(message, "name one that `ip link` shows, or create it before lubdub starts"))
}

fn probe_vip(vip: &Vip<'_>) -> Option<Finding> {
    if let Some(interface) = vip.interface {
        return probe_interface(interface).or_else(|| probe_ipv6(vip, interface));
    }
    let route = route::to(vip.address, None).ok().flatten();
    if let Some(route) = route {
        return probe_ipv6(vip, &route.interface);
    }
    let address = vip.address;
    let message = format!("{}: no route reaches {address}, so its interface is unknown", vip.word);
    Some(Finding::warning(message, format!("write {address}/PREFIX/INTERFACE, or add the route before lubdub starts")))
}

/// Whether the kernel would take an IPv6 address there (ip-sysctl, `disable_ipv6`; without IPv6 there is no such file).
fn probe_ipv6(vip: &Vip<'_>, interface: &str) -> Option<Finding> {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    if vip.address.is_ipv4() || fs::read(&path).is_ok_and(|text| text.starts_with(b"0")) {
        return None;
    }
    let message = format!("IPv6 is switched off on {interface}, which {} is for", vip.word);
    Some(Finding::error(message, format!("sysctl -w net.ipv6.conf.{interface}.disable_ipv6=0")))
}

/// Whether the kernel would drop beats there: an interface without an address has no route back to the peer's address,
/// and with either kind of reverse path filtering a packet without one is dropped (ip-sysctl, `rp_filter`: the higher
/// one of `all` and the interface's own counts).
fn probe_reverse_path(interface: &str) -> Option<Finding> {
    let setting = |of: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter")).ok()?;
        text.trim().parse::<u8>().ok()
    };
    let (all, own) = (setting("all")?, setting(interface)?);
    let mut entries = getifaddrs().ok()?;
    let has_address = |entry: &InterfaceAddress| {
        entry.interface_name == interface && entry.address.as_ref().is_some_and(|a| a.as_sockaddr_in().is_some())
    };
    if all.max(own) == 0 || entries.any(|entry| has_address(&entry)) {
        return None;
    }
    let message = format!(
        "{interface} has no address and rp_filter {}: beats from a peer that has one there are dropped",
        all.max(own)
    );
    let of = if all > 0 { "all" } else { interface };
    let both = if all > 0 && own > 0 { format!(" net.ipv4.conf.{interface}.rp_filter=0") } else { String::new() };
    let remedy = format!("sysctl -w net.ipv4.conf.{of}.rp_filter=0{both}, or give both nodes an address there");
    Some(Finding::warning(message, remedy))
}

fn probe_script(name: &str, config_dir: &Path) -> Option<Finding> {
    let places = [config_dir.join("resource.d").join(name), Path::new("/etc/init.d").join(name)];
    if places.iter().any(|place| is_program(place)) {
        return None;
    }
    let [first, second] = places.map(|place| place.display().to_string());
    if let Some(there) = [&first, &second].into_iter().find(|place| Path::new(place).is_file()) {
        return Some(Finding::error(format!("{there} is not executable"), format!("chmod 755 {there}")));
    }
    let message = format!("no script for the resource {name}: neither {first} nor {second}");
    Some(Finding::error(message, format!("install it as {first}, mode 755")))
}

fn probe_ipvsadm(config_dir: &Path) -> Option<Finding> {
    if is_program(&config_dir.join("resource.d").join(IPVSADM)) {
        return None;
    }
    if !has_program(IPVSADM) {
        let message = "the program ipvsadm is not there, which the resource ipvsadm runs";
        return Some(Finding::warning(message, "install the package ipvsadm"));
    }
    if !IPVS_RULES.iter().any(|path| Path::new(path).is_file()) {
        let message = format!("no rules for the resource ipvsadm: neither {} nor {}", IPVS_RULES[0], IPVS_RULES[1]);
        return Some(Finding::warning(message, format!("ipvsadm-save -n > {}", IPVS_RULES[0])));
    }
    None
}

/// Whether `name` is a program in PATH or where programs of root usually are.
fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(std::env::split_paths(SBIN)).collect();
    folders.iter().any(|folder| is_program(&folder.join(name)))
}

/// Whether nobody but its owner may read a file.
fn kept_from_others(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o077 == 0
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::{probe_interface, probe_ipvsadm, probe_ping, probe_reverse_path, probe_script, probe_vip};
    use crate::host::netlink::namespace::{ethernet, inside, ip};
    use lubdub::conf::Vip;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_node_that_would_ask_itself_is_told() {
        inside(|| {
            ethernet();
            ip("address add 192.168.20.10/24 dev eth0");
            ip("address add 2001:db8::10/64 dev eth0 nodad");
            for own in ["192.168.20.10", "2001:db8::10"] {
                let finding = probe_ping(own.parse().unwrap()).unwrap();
                assert!(
                    finding.message.contains(own) && finding.message.contains("own address"),
                    "{}",
                    finding.message
                );
            }
            for other in ["192.168.20.1", "2001:db8::1"] {
                assert_eq!(probe_ping(other.parse().unwrap()), None);
            }
        });
    }

    #[test]
    fn a_script_is_found_when_it_is_executable() {
        const NAME: &str = "lubdub-probe-web";
        let folder = std::env::temp_dir().join(format!("lubdub-probe-{}", std::process::id()));
        let script = folder.join("resource.d").join(NAME);
        fs::create_dir_all(folder.join("resource.d")).unwrap();
        let missing = probe_script(NAME, &folder);
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o644)).unwrap();
        let plain = probe_script(NAME, &folder);
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        fs::copy(&script, folder.join("resource.d/ipvsadm")).unwrap();
        let found = (probe_script(NAME, &folder), probe_ipvsadm(&folder));
        fs::remove_dir_all(&folder).unwrap();
        let (script, missing, plain) = (script.display(), missing.unwrap(), plain.unwrap());
        assert_eq!(
            missing.message,
            format!("no script for the resource {NAME}: neither {script} nor /etc/init.d/{NAME}")
        );
        assert_eq!(plain.message, format!("{script} is not executable"));
        assert_eq!(plain.remedy, format!("chmod 755 {script}"));
        assert_eq!(found, (None, None));
    }

    #[test]
    fn an_interface_is_there_or_not() {
        assert_eq!(probe_interface("lo"), None);
        assert!(probe_interface("no-such-if").unwrap().message.starts_with("interface no-such-if is not there"));
    }

    #[test]
    fn a_vip_needs_an_interface_or_a_route_and_ipv6() {
        fn vip<'a>(address: &'a str, interface: Option<&'a str>) -> Vip<'a> {
            let parsed = address.parse().unwrap();
            Vip { word: address, address: parsed, prefix: None, interface, broadcast: None, label: None }
        }
        let why = |finding: Option<super::Finding>| finding.map_or(String::new(), |finding| finding.message);
        inside(move || {
            ethernet();
            for address in ["192.168.20.100", "2001:db8::100"] {
                assert!(why(probe_vip(&vip(address, None))).contains("no route reaches"));
                assert!(why(probe_vip(&vip(address, Some("eth7")))).contains("eth7 is not there"));
                assert_eq!(probe_vip(&vip(address, Some("eth0"))), None);
            }
            ip("address add 192.168.20.10/24 dev eth0");
            ip("address add 2001:db8::10/64 dev eth0 nodad");
            assert_eq!(probe_vip(&vip("192.168.20.100", None)), None);
            assert_eq!(probe_vip(&vip("2001:db8::100", None)), None);
            std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1").unwrap();
            assert!(why(probe_vip(&vip("2001:db8::100", Some("eth0")))).contains("IPv6 is switched off on eth0"));
            assert_eq!(probe_vip(&vip("192.168.20.100", Some("eth0"))), None);
        });
    }

    #[test]
    fn reverse_path_filtering_without_an_address_is_warned_of() {
        inside(|| {
            ethernet();
            let set = |of: &str, value: &str| {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"), value).unwrap();
            };
            set("all", "0");
            set("eth0", "0");
            assert_eq!(probe_reverse_path("eth0"), None);
            for (all, own, fix) in
                [("0", "1", "eth0.rp_filter=0"), ("2", "0", "all.rp_filter=0"), ("1", "2", "rp_filter=0 net")]
            {
                set("all", all);
                set("eth0", own);
                let finding = probe_reverse_path("eth0").unwrap();
                assert!(finding.message.contains("eth0 has no address"), "{finding}");
                assert!(finding.remedy.contains(fix), "{finding}");
            }
            ip("address add 10.0.0.1/30 dev eth0");
            assert_eq!(probe_reverse_path("eth0"), None);
        });
    }
}
