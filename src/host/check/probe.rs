//! What this machine has of what the configuration needs.

use super::Finding;
use lubdub::conf::{Config, Link, Resource, Vip};
use nix::net::if_::if_nametoindex;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

mod tty;

/// Where the rules of `ipvsadm` are looked for, in this order.
const IPVS_RULES: [&str; 2] = ["/etc/sysconfig/ipvsadm", "/etc/ipvsadm.rules"];
/// Where programs are looked for besides PATH: a login shell's PATH often has no sbin.
const SBIN: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
/// The resource that is built in where no script of its name is in resource.d.
const IPVSADM: &str = "ipvsadm";
/// Route flags of linux/route.h: usable; refuses.
const RTF_UP: u32 = 0x0001;
const RTF_REJECT: u32 = 0x0200;

/// Looks for every interface, tty, script, program and route that the configuration names. What is missing is an error
/// where lubdub could not do its work without it, else a warning.
pub fn probe(config: &Config<'_>, config_dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in &config.links {
        match link {
            Link::Serial { device, .. } => findings.extend(tty::probe(device)),
            Link::Broadcast { interface } => findings.extend(probe_interface(interface)),
        }
    }
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    for resource in config.groups.iter().flat_map(|group| group.resources()) {
        let finding = match resource {
            Resource::Vip(vip) => probe_vip(&vip, &routes),
            Resource::Script { name: IPVSADM, .. } => probe_ipvsadm(config_dir),
            Resource::Script { name, .. } => probe_script(name, config_dir),
        };
        findings.extend(finding);
    }
    // One interface of ten addresses, or one script of ten groups, is one finding.
    let mut kept: Vec<Finding> = Vec::new();
    findings.into_iter().for_each(|finding| {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    });
    kept
}

fn probe_interface(name: &str) -> Option<Finding> {
    let why = if_nametoindex(name).err()?;
    let message = format!("interface {name} is not there: {}", why.desc());
    Some(Finding::error(message, "name one that `ip link` shows, or create it before lubdub starts"))
}

fn probe_vip(vip: &Vip<'_>, routes: &str) -> Option<Finding> {
    if let Some(interface) = vip.interface {
        return probe_interface(interface);
    }
    if is_routed(vip.address, routes) {
        return None;
    }
    let address = vip.address;
    let message = format!("{}: no route reaches {address}, so its interface is unknown", vip.word);
    Some(Finding::warning(message, format!("write {address}/PREFIX/INTERFACE, or add the route before lubdub starts")))
}

/// Whether a line of /proc/net/route reaches `address`: its columns are interface, destination, gateway, flags, three
/// counters, mask; addresses are hexadecimal, in memory order.
fn is_routed(address: Ipv4Addr, routes: &str) -> bool {
    let word = u32::from_ne_bytes(address.octets());
    routes.lines().skip(1).any(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let mut hex = |skipped| u32::from_str_radix(columns.nth(skipped)?, 16).ok();
        let (Some(destination), Some(flags), Some(mask)) = (hex(0), hex(1), hex(3)) else {
            return false;
        };
        flags & RTF_UP != 0 && flags & RTF_REJECT == 0 && word & mask == destination
    })
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

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::{is_routed, probe_interface, probe_ipvsadm, probe_script};
    use std::fs::{self, Permissions};
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt;

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

    /// A line of /proc/net/route as a machine of this byte order writes it.
    fn route(destination: [u8; 4], mask: [u8; 4], flags: u32) -> String {
        let [destination, mask] = [destination, mask].map(u32::from_ne_bytes);
        format!("eth0\t{destination:08X}\t00000000\t{flags:04X}\t0\t0\t0\t{mask:08X}\t0\t0\t0\n")
    }

    #[test]
    fn a_route_reaches_its_network_only() {
        let table = format!("Iface Destination\n{}", route([192, 168, 20, 0], [255, 255, 255, 0], 1));
        assert!(is_routed(Ipv4Addr::new(192, 168, 20, 100), &table));
        assert!(!is_routed(Ipv4Addr::new(192, 168, 21, 100), &table));
    }

    #[test]
    fn the_default_route_reaches_all_and_a_rejecting_one_none() {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        assert!(is_routed(address, &format!("head\n{}", route([0; 4], [0; 4], 3))));
        assert!(!is_routed(address, &format!("head\n{}", route([0; 4], [0; 4], 0x201))));
        assert!(!is_routed(address, "head\nshort line\n"));
        assert!(!is_routed(address, ""));
    }
}
