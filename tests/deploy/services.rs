//! The boot services: they name what exists, and the scripts do what the LSB asks for.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Folder, help, project, text};

const SERVICES: [&str; 8] = [
    "deploy/service/supervise",
    "deploy/service/heartbeat",
    "deploy/service/busybox/inittab",
    "deploy/service/systemd/lubdub.service",
    "deploy/service/systemd/50-builtin-only.conf",
    "deploy/service/openrc/heartbeat",
    "deploy/service/openwrt/heartbeat",
    "deploy/buildroot/lubdub/S95heartbeat",
];

/// What `deploy/install` puts into a root for these inits.
fn installed(inits: &[&str]) -> Folder {
    let root = Folder::new(&format!("root-{}", inits.join("-")));
    let install = Command::new(project().join("deploy/install"))
        .arg(env!("CARGO_BIN_EXE_lubdub"))
        .arg(&root.0)
        .args(inits)
        .output()
        .unwrap();
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    root
}

#[test]
fn services_name_only_commands_options_and_paths_that_exist() {
    let commands = help::commands();
    let root = installed(&["busybox", "systemd"]);
    for service in SERVICES {
        let text = text(service).replace("$DAEMON", "heartbeat");
        let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        for line in code {
            let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "\"'=:;()".contains(c)).collect();
            for (at, word) in words.iter().enumerate() {
                if word.ends_with("/lubdub") && word.contains("sbin") || *word == "$daemon" {
                    let Some(command) = words[at + 1..].iter().find(|word| !word.is_empty()) else { continue };
                    let Some(options) = commands.get(*command) else { continue };
                    for option in words[at + 1..].iter().filter(|word| word.starts_with("--")) {
                        assert!(options.contains(&(*option).to_owned()), "{service}: {option} of {command}");
                    }
                }
                let ours = ["/usr/sbin/lubdub", "/usr/lib/lubdub", "/etc/init.d/"];
                if ours.iter().any(|ours| word.starts_with(ours)) {
                    let there = root.0.join(word.trim_start_matches('/').trim_end_matches('}'));
                    assert!(there.exists(), "{service}: {word} is not installed");
                }
                if let Some(file) = word.strip_prefix("/etc/ha.d/") {
                    assert!(["ha.cf", "haresources", "authkeys"].contains(&file), "{service}: {word}");
                }
            }
        }
        assert!(text.contains("lubdub"), "{service}");
    }
}

#[test]
fn each_init_gets_its_service() {
    let systemd = installed(&["systemd"]);
    assert_eq!(
        fs::read_link(systemd.0.join("usr/lib/systemd/system/heartbeat.service")).unwrap(),
        Path::new("lubdub.service")
    );
    assert!(systemd.0.join("usr/share/man/man5/lubdub-ha.cf.5").exists());
    for name in ["usr/lib/heartbeat/hb_takeover", "usr/lib/heartbeat/heartbeat", "usr/bin/cl_status"] {
        assert!(systemd.0.join(name).exists(), "{name} is a link to the binary");
    }
    assert!(!systemd.0.join("etc/init.d").exists());
    for init in ["sysv", "openrc", "openwrt"] {
        let root = installed(&[init]);
        assert!(
            root.0.join("etc/init.d/heartbeat").exists() && root.0.join("usr/lib/lubdub/supervise").exists(),
            "{init}"
        );
    }
}

/// What is beside the binary goes with it, into the folder where Debian's package has it.
#[test]
fn the_notices_and_the_sbom_go_where_the_binary_goes() {
    let documents = |name: &str, files: &[&str]| {
        let built = Folder::new(&format!("built-{name}"));
        let binary = built.0.join("lubdub");
        fs::copy("/bin/true", &binary).unwrap();
        files.iter().for_each(|file| built.put(file, "of others\n"));
        let root = Folder::new(&format!("told-{name}"));
        let install = Command::new(project().join("deploy/install")).args([&binary, &root.0]).arg("none").output();
        let said = String::from_utf8(install.unwrap().stderr).unwrap();
        let there = |file: &str| root.0.join(format!("usr/share/doc/lubdub/{file}.gz")).exists();
        (["THIRD-PARTY", "sbom.cdx.json"].map(there), said)
    };
    assert_eq!(documents("both", &["THIRD-PARTY", "sbom.cdx.json"]), ([true, true], String::new()));
    let (there, said) = documents("one", &["THIRD-PARTY"]);
    assert!(there == [true, false] && said.contains("no sbom.cdx.json in "), "{said}");
}

#[test]
fn scripts_are_shell() {
    for service in SERVICES {
        let text = text(service);
        let interpreter = text.lines().next().unwrap();
        if !interpreter.starts_with("#!") {
            continue;
        }
        for shell in ["/bin/sh", "busybox"] {
            let mut command = Command::new(shell);
            if shell == "busybox" {
                command.arg("sh");
            }
            let output = command.arg("-n").arg(project().join(service)).output();
            let output = output.unwrap_or_else(|why| panic!("{shell}: {why}; apt-get install busybox"));
            assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The same neighbours for every init that can name them: before it what serves a VIP all the time, after it what would take
/// its watchdog.
#[test]
fn the_order_is_the_same_under_each_init() {
    let words = |service: &str, key: &str| -> Vec<String> {
        let text = text(service);
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
        lines.flat_map(str::split_whitespace).map(|word| word.trim_end_matches(".service").to_owned()).collect()
    };
    for (service, after, before) in [
        ("deploy/service/systemd/lubdub.service", vec!["After="], "Before="),
        ("deploy/service/heartbeat", vec!["# Should-Start:", "# Should-Stop:"], "# X-Start-Before:"),
        ("deploy/service/openrc/heartbeat", vec!["after "], "before "),
    ] {
        for key in after {
            let after = words(service, key);
            for name in ["ipvsadm", "ldirectord", "keepalived"] {
                assert!(after.iter().any(|word| word == name), "{service}: {name} in {key}{after:?}");
            }
        }
        assert_eq!(words(service, before), ["watchdog"], "{service}");
    }
}

fn number(unit: &str, key: &str) -> u64 {
    let value = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}"));
    value.trim_start_matches('=').trim_end_matches(char::is_alphabetic).parse().unwrap()
}

/// A hung daemon that is killed feeds the hardware watchdog once more, which must not be before the peer's wait is over.
#[test]
fn systemd_kills_a_hung_daemon_after_the_default_deadtime_only() {
    let unit = text("deploy/service/systemd/lubdub.service");
    assert!(number(&unit, "WatchdogSec") > 30, "Heartbeat's deadtime is 30 s");
    for line in
        ["Type=notify", "KillMode=process", "Restart=always", "TimeoutStopSec=infinity", "Alias=heartbeat.service"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn systemd_takes_the_unit_with_and_without_its_drop_in() {
    let root = installed(&["systemd"]);
    let units = root.0.join("usr/lib/systemd/system");
    // The targets that it names are the machine's; here they need only exist.
    for target in ["sysinit", "basic", "shutdown", "network", "local-fs", "multi-user"] {
        fs::write(units.join(format!("{target}.target")), "[Unit]\nDefaultDependencies=no\n").unwrap();
    }
    fs::create_dir_all(root.0.join("bin")).unwrap();
    fs::copy("/bin/true", root.0.join("bin/kill")).unwrap();
    let verify = || {
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(format!("--root={}", root.0.display()))
            .arg("lubdub.service")
            .output()
            .unwrap_or_else(|why| panic!("systemd-analyze: {why}; apt-get install --no-install-recommends systemd"));
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(verify(), (true, String::new()));
    let drop_ins = units.join("lubdub.service.d");
    fs::create_dir(&drop_ins).unwrap();
    let drop_in = project().join("deploy/service/systemd/50-builtin-only.conf");
    fs::copy(drop_in, drop_ins.join("50-builtin-only.conf")).unwrap();
    assert_eq!(verify(), (true, String::new()));
    fs::write(drop_ins.join("60-wrong.conf"), "[Service]\nType=nonsense\nWatchdogSeconds=1\n").unwrap();
    assert_ne!(verify(), (true, String::new()), "a wrong line is not seen");
}

/// Start, a second start, status, kill -9 with adoption, reload, restart, stop, a refused configuration, a dead
/// supervisor, and the same under an init.
#[test]
fn the_scripts_of_system_v_and_busybox_do_what_the_lsb_asks_for() {
    for shell in ["/bin/sh", "/bin/busybox sh"] {
        let output = Command::new(project().join("tests/deploy/service"))
            .arg(env!("CARGO_BIN_EXE_lubdub"))
            .arg(shell)
            .output()
            .unwrap();
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
