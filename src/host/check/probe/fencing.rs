//! Whether the watchdog and the fencing devices are there. Neither is touched: to open a watchdog is to arm it.

use super::{has_program, is_program};
use crate::host::check::Finding;
use lubdub::conf::{Params, Stonith};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// Where cluster-glue has the plug-ins that are programs.
pub(super) const PLUGINS: &str = "/usr/lib/stonith/plugins";
/// The program of cluster-glue that runs every other plug-in.
const STONITH: &str = "stonith";
/// The bits of a mode that let others than the owner change a program. cluster-glue refuses such a plug-in.
const WRITABLE_BY_OTHERS: u32 = 0o022;

pub(super) fn probe_watchdog(device: &str) -> Option<Finding> {
    let why = match fs::metadata(device) {
        Ok(metadata) if metadata.file_type().is_char_device() => return None,
        Ok(_) => "not a character device".into(),
        Err(why) => why.to_string(),
    };
    let remedy = "load the driver of its watchdog, or `modprobe softdog`; `wdctl` shows what is there";
    Some(Finding::error(format!("the watchdog {device} is not there: {why}"), remedy))
}

pub(super) fn probe_stonith(device: &Stonith<'_>, plugins: &Path) -> Option<Finding> {
    let plugin = device.plugin;
    if let Params::File(path) = device.params
        && !Path::new(path).is_file()
    {
        let message = format!("{path}, the parameters of the fencing device {plugin}, is not there");
        return Some(Finding::error(message, "write the file, or the parameters into a `stonith_host` line"));
    }
    if !plugin.starts_with("external/") {
        let message = format!("the program {STONITH} is not there, which the fencing device {plugin} needs");
        return (!has_program(STONITH)).then(|| Finding::warning(message, "install cluster-glue"));
    }
    let path = plugins.join(plugin);
    let shown = path.display();
    if !is_program(&path) {
        let message = format!("{shown} is not there or not executable");
        return Some(Finding::warning(message, "install cluster-glue, or the plug-in there, mode 755"));
    }
    let open = fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0);
    open.then(|| Finding::error(format!("{shown} can be changed by others than root"), format!("chmod 755 {shown}")))
}

#[cfg(test)]
mod tests {
    use super::{probe_stonith, probe_watchdog};
    use lubdub::conf::{Params, Stonith};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_watchdog_is_a_character_device() {
        assert_eq!(probe_watchdog("/dev/null"), None);
        assert!(probe_watchdog("/dev/no-such-dog").unwrap().message.contains("No such file"));
        assert!(probe_watchdog("/dev").unwrap().message.contains("not a character device"));
    }

    #[test]
    fn a_plugin_is_a_program_that_only_its_owner_can_change() {
        let folder = std::env::temp_dir().join(format!("lubdub-plugins-{}", std::process::id()));
        let program = folder.join("external/recorder");
        let device = |params| Stonith { plugin: "external/recorder", params };
        let probe = || probe_stonith(&device(Params::Written("")), &folder).map(|finding| finding.message);
        fs::create_dir_all(folder.join("external")).unwrap();
        let missing = probe();
        fs::write(&program, "#!/bin/sh\n").unwrap();
        let with_mode = |mode| {
            fs::set_permissions(&program, Permissions::from_mode(mode)).unwrap();
            probe()
        };
        let (plain, open, good) = (with_mode(0o644), with_mode(0o775), with_mode(0o755));
        let no_file = probe_stonith(&device(Params::File("/no/such/file")), &folder);
        let file = probe_stonith(&device(Params::File(&program.display().to_string())), &folder);
        fs::remove_dir_all(&folder).unwrap();
        assert!(missing.unwrap().contains("not there") && plain.unwrap().contains("not executable"));
        assert!(open.unwrap().contains("can be changed by others"));
        assert_eq!((good, file), (None, None));
        assert!(no_file.unwrap().message.contains("/no/such/file"));
    }
}
