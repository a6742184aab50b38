//! Whether the watchdog and the fencing devices are there. The watchdog is not touched: to open it is to arm it. The
//! devices are asked for their parameters and hosts, and switch nothing.

use super::{is_program, kept_from_others};
use crate::host::check::Finding;
use crate::host::fence::{Flaw, Setting, examine};
use crate::host::resources::Paths;
use crate::host::watchdog::facts::Facts;
use lubdub::conf::{Params, Stonith};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// The type of the device that is a human.
const MEATWARE: &str = "meatware";
/// The bits of a mode that let others than the owner change a program. cluster-glue refuses such a plug-in.
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub(super) fn probe_watchdog(device: &str, sysfs: &Path) -> Option<Finding> {
    let why = match fs::metadata(device) {
        Ok(metadata) if metadata.file_type().is_char_device() => return probe_way_out(device, sysfs),
        Ok(_) => "not a character device".into(),
        Err(why) => why.to_string(),
    };
    let remedy = "load the driver of its watchdog, or `modprobe softdog`; `wdctl` shows what is there";
    Some(Finding::error(format!("the watchdog {device} is not there: {why}"), remedy))
}

/// A driver that never disarms (`nowayout`) makes of each stop of lubdub a reset.
fn probe_way_out(device: &str, sysfs: &Path) -> Option<Finding> {
    let message = || format!("the watchdog {device} cannot be disarmed (nowayout): a stop of lubdub resets this node");
    let remedy = "load its driver with nowayout=0, or have something else feed it once lubdub has stopped";
    Facts::of(Path::new(device), sysfs).nowayout.then(|| Finding::warning(message(), remedy))
}

/// What the daemon would ask the devices with.
pub(super) fn setting(config_dir: &Path, node: &str) -> Setting {
    Setting::new(Paths::new(config_dir, &node.to_ascii_lowercase()))
}

/// What keeps the devices from switching the peer off; `nodes` are this node and the peer.
///
/// A device that does not know the peer is passed over: where both nodes have the same ha.cf, each has the device of its
/// own among them. It is an error only where no other one knows the peer.
pub(super) fn probe_stonith(devices: &[Stonith<'_>], nodes: [&str; 2], setting: &Setting) -> Vec<Finding> {
    let (mut findings, mut strange, mut known) = (Vec::new(), Vec::new(), false);
    for device in devices {
        findings.extend(probe_file(device));
        if device.plugin == MEATWARE {
            known = true;
        } else if let Some(finding) = probe_plugin(device.plugin, &setting.plugins) {
            findings.push(finding);
        } else {
            match examine(device, nodes, setting) {
                Ok(()) => known = true,
                Err(flaw @ Flaw::Hosts(_)) => strange.push(finding(device.plugin, flaw, nodes[1], &setting.plugins)),
                Err(flaw) => findings.push(finding(device.plugin, flaw, nodes[1], &setting.plugins)),
            }
        }
    }
    findings.extend(strange.into_iter().filter(|_| !known));
    findings
}

/// What is wrong with the devices' files, without asking any device.
pub(super) fn probe_plugins(devices: &[Stonith<'_>], setting: &Setting) -> Vec<Finding> {
    devices
        .iter()
        .flat_map(|device| [probe_file(device), probe_plugin(device.plugin, &setting.plugins)])
        .flatten()
        .collect()
}

/// Whether others can read the passwords in the file with the parameters.
fn probe_file(device: &Stonith<'_>) -> Option<Finding> {
    let Params::File(path) = device.params else { return None };
    let open = fs::metadata(path).is_ok_and(|metadata| !kept_from_others(&metadata));
    let message = format!("{path}, the parameters of the fencing device {}, can be read by others", device.plugin);
    open.then(|| Finding::warning(message, format!("chmod 600 {path}")))
}

/// Whether the plug-in is a program that only its owner can change.
fn probe_plugin(plugin: &str, plugins: &Path) -> Option<Finding> {
    if !plugin.starts_with("external/") {
        return None;
    }
    let path = plugins.join(plugin);
    let shown = path.display();
    if !is_program(&path) {
        let message = format!("{shown} is not there or not executable: nobody takes over without its confirmation");
        return Some(Finding::error(message, "install cluster-glue, or the plug-in there, mode 755"));
    }
    let open = fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0);
    open.then(|| Finding::error(format!("{shown} can be changed by others than root"), format!("chmod 755 {shown}")))
}

fn finding(plugin: &str, flaw: Flaw, peer: &str, plugins: &Path) -> Finding {
    let names = match plugin.starts_with("external/") {
        true => format!("{} getconfignames", plugins.join(plugin).display()),
        false => format!("stonith -t {plugin} -n"),
    };
    let said = |why| format!("the fencing device {plugin}: {why}");
    match flaw {
        Flaw::Unusable(why) => {
            Finding::error(said(why), format!("`{names}` lists its parameters; it needs cluster-glue"))
        }
        Flaw::Silent(why) => {
            Finding::warning(said(why), "see that it can be reached from here; until then it confirms nothing")
        }
        Flaw::Hosts(why) => {
            Finding::error(said(why), format!("write {peer} into its parameter for hosts; `{names}` lists them all"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::path::PathBuf;
    use std::process::Command;

    /// A folder with a plug-in `external/recorder` of one parameter; removed at the end.
    struct Plugins(PathBuf);

    impl Plugins {
        fn new(test: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("lubdub-plugins-{test}-{}", std::process::id()));
            fs::create_dir_all(folder.join("external")).unwrap();
            Self(folder)
        }

        fn install(&self, mode: u32) {
            let draft = self.0.join("draft");
            fs::write(&draft, "#!/bin/sh\ncase $1 in getconfignames) echo hosts;; gethosts) echo $hosts;; esac\n")
                .unwrap();
            // By another process: what this one had open for writing while a thread forks could not be executed.
            let copied = Command::new("install").arg(&draft).arg(self.program()).status().unwrap();
            assert!(copied.success());
            fs::set_permissions(self.program(), Permissions::from_mode(mode)).unwrap();
        }

        fn program(&self) -> PathBuf {
            self.0.join("external/recorder")
        }

        fn probe(&self, params: Params<'_>) -> Vec<String> {
            self.probe_all(&[("external/recorder", params)])
        }

        fn probe_all(&self, devices: &[(&'static str, Params<'_>)]) -> Vec<String> {
            let devices: Vec<_> = devices.iter().map(|&(plugin, params)| Stonith { plugin, params }).collect();
            let setting = Setting { plugins: self.0.clone(), ..setting(Path::new("/etc/ha.d"), "alpha") };
            probe_stonith(&devices, ["alpha", "beta"], &setting).iter().map(Finding::to_string).collect()
        }
    }

    impl Drop for Plugins {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_watchdog_is_a_character_device() {
        let probe = |device| probe_watchdog(device, Path::new("/nonexistent"));
        assert_eq!(probe("/dev/null"), None);
        assert!(probe("/dev/no-such-dog").unwrap().message.contains("No such file"));
        assert!(probe("/dev").unwrap().message.contains("not a character device"));
    }

    #[test]
    fn a_watchdog_that_cannot_be_disarmed_is_told() {
        let sysfs = std::env::temp_dir().join(format!("lubdub-nowayout-{}", std::process::id()));
        // /dev/null is 1:3 (devices.txt).
        let folder = sysfs.join("dev/char/1:3");
        fs::create_dir_all(&folder).unwrap();
        let with = |nowayout: &str| {
            fs::write(folder.join("nowayout"), nowayout).unwrap();
            probe_watchdog("/dev/null", &sysfs)
        };
        let (told, silent) = (with("1\n"), with("0\n"));
        fs::remove_dir_all(&sysfs).unwrap();
        assert!(told.unwrap().message.contains("nowayout"));
        assert_eq!(silent, None);
    }

    #[test]
    fn a_plugin_is_a_program_that_only_its_owner_can_change() {
        let plugins = Plugins::new("program");
        let probe = || plugins.probe(Params::Written("beta")).concat();
        assert!(probe().starts_with("error: ") && probe().contains("not there"));
        plugins.install(0o644);
        assert!(probe().contains("not executable"));
        plugins.install(0o775);
        assert!(probe().contains("can be changed by others"));
        plugins.install(0o755);
        assert_eq!(probe(), "");
    }

    #[test]
    fn a_device_has_its_parameters_and_knows_the_peer() {
        let plugins = Plugins::new("parameters");
        plugins.install(0o755);
        let missing = plugins.probe(Params::Written("")).concat();
        assert!(missing.contains("external/recorder: its parameter hosts is missing"), "{missing}");
        let other = plugins.probe(Params::Written("hunter2")).concat();
        assert!(other.contains("beta is not among its hosts") && !other.contains("hunter2"), "{other}");
        assert_eq!(plugins.probe(Params::Written("alpha,beta")), [""; 0]);
        // The same ha.cf on both nodes.
        let both = ["alpha", "beta"].map(|hosts| ("external/recorder", Params::Written(hosts)));
        assert_eq!(plugins.probe_all(&both), [""; 0]);
        let human = [("external/recorder", Params::Written("alpha")), ("meatware", Params::Written("beta"))];
        assert_eq!(plugins.probe_all(&human), [""; 0]);
    }

    #[test]
    fn a_file_with_passwords_is_there_and_not_for_everybody() {
        let plugins = Plugins::new("file");
        plugins.install(0o755);
        let file = plugins.0.join("params");
        let path = file.display().to_string();
        let probe = || plugins.probe(Params::File(&path)).concat();
        assert!(probe().contains("params cannot be read: No such file"), "{}", probe());
        fs::write(&file, "beta\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(probe().contains("can be read by others") && probe().contains("chmod 600"), "{}", probe());
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(probe(), "");
    }
}
