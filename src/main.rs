//! The command line. Called as `hb_takeover`, `hb_standby`, `cl_status` or `heartbeat` the same file speaks those tools'
//! words.

#![deny(unsafe_code)]
// The static binary is built without what `{:?}` prints (deploy/build-static).
#![cfg_attr(not(test), warn(clippy::use_debug))]

mod host;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;

const CONFIG_DIR: &str = "/etc/ha.d";
const RUN_DIR: &str = "/run/lubdub";
/// Exit code: wrong usage (EX_USAGE of sysexits.h).
const USAGE: u8 = 64;

/// The heartbeat for two-node appliances: two boxes, one null-modem cable, one crossover Ethernet.
///
/// Example: lubdub check && lubdub run
#[derive(FromArgs)]
struct Lubdub {
    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Run(Run),
    Check(Check),
    Status(Status),
    Takeover(Takeover),
    Standby(Standby),
    Clear(Clear),
    Fence(Fence),
    Cable(Cable),
}

/// Run the daemon in the foreground. SIGTERM releases everything and says goodbye.
#[derive(FromArgs)]
#[argh(subcommand, name = "run")]
struct Run {
    /// where ha.cf, haresources and authkeys are (/etc/ha.d)
    #[argh(option, default = "CONFIG_DIR.into()", from_str_fn(directory))]
    config_dir: PathBuf,
    /// the one directory that is written to (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
    /// this node's name (uname -n)
    #[argh(option, default = "host::node_name()")]
    node: String,
}

/// Say whether the configuration would run: 0 yes (warnings on stderr), 78 no, 77 not permitted to read it.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
struct Check {
    /// where ha.cf, haresources and authkeys are (/etc/ha.d)
    #[argh(option, default = "CONFIG_DIR.into()", from_str_fn(directory))]
    config_dir: PathBuf,
    /// the name of the node to check for (uname -n)
    #[argh(option, default = "host::node_name()")]
    node: String,
    /// look at the files alone, not at this machine
    #[argh(switch)]
    offline: bool,
    /// one JSON object on stdout
    #[argh(switch)]
    json: bool,
}

/// Show the pair: 0 healthy, 1 degraded, 69 no daemon. With --why: 0, or 65 and 69 where the journal is damaged or missing.
#[derive(FromArgs)]
#[argh(subcommand, name = "status")]
struct Status {
    /// the daemon's run directory (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
    /// one JSON object on stdout
    #[argh(switch)]
    json: bool,
    /// the status and then every event, one JSON object a line, until interrupted
    #[argh(switch)]
    follow: bool,
    /// explain the last change of each group and of the peer, or of GROUP alone: which rule, and what was heard on
    /// which link how long before; also after the daemon's end
    #[argh(switch)]
    why: bool,
    /// with --why: a group's key (all, and the peer)
    #[argh(positional)]
    group: Option<String>,
}

/// Take groups over; returns when it has happened: 0 done, 1 not done.
#[derive(FromArgs)]
#[argh(subcommand, name = "takeover")]
struct Takeover {
    /// all, local, foreign or a group's key (all)
    #[argh(positional, default = "\"all\".into()")]
    what: String,
    /// the daemon's run directory (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
    /// seconds to wait before the order is withdrawn (60)
    #[argh(option, default = "60")]
    wait: u64,
}

/// Give groups to the peer; returns when it has happened: 0 done, 1 not done.
#[derive(FromArgs)]
#[argh(subcommand, name = "standby")]
struct Standby {
    /// all, local, foreign or a group's key (all)
    #[argh(positional, default = "\"all\".into()")]
    what: String,
    /// the daemon's run directory (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
    /// seconds to wait before the order is withdrawn (60)
    #[argh(option, default = "60")]
    wait: u64,
}

/// Let a group that failed be started again.
#[derive(FromArgs)]
#[argh(subcommand, name = "clear")]
struct Clear {
    /// a group's key (all)
    #[argh(positional, default = "\"all\".into()")]
    what: String,
    /// the daemon's run directory (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
}

/// Test the serial cable: which kind it is, speed, bit errors, round trip. Run it on both ends, or with a loopback plug,
/// while no daemon has the tty. 0: good; 1: faults, in words with what to do.
#[derive(FromArgs)]
#[argh(subcommand, name = "cable")]
struct Cable {
    /// the tty (ha.cf's first `serial`)
    #[argh(positional)]
    tty: Option<String>,
    /// the speed of this end (ha.cf's `baud`, 115200 with a tty that is given); the other end's is found
    #[argh(option)]
    baud: Option<u32>,
    /// seconds to measure (10)
    #[argh(option, default = "10")]
    seconds: u64,
    /// seconds to wait for the other end (30)
    #[argh(option, default = "30")]
    wait: u64,
    /// one JSON object on stdout
    #[argh(switch)]
    json: bool,
    /// where ha.cf is (/etc/ha.d)
    #[argh(option, default = "CONFIG_DIR.into()", from_str_fn(directory))]
    config_dir: PathBuf,
    /// the run directory of a daemon that must not run (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
    /// this node's name (uname -n)
    #[argh(option, default = "host::node_name()")]
    node: String,
}

/// Fencing: what makes sure that a silent peer is off.
#[derive(FromArgs)]
#[argh(subcommand, name = "fence")]
struct Fence {
    #[argh(subcommand)]
    command: FenceCommand,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum FenceCommand {
    Confirm(FenceConfirm),
}

/// Vouch that the peer is off: 0 believed, and this node takes over what it held; 1 not.
///
/// Look at the machine first: if it still runs, both nodes own the same groups.
#[derive(FromArgs)]
#[argh(subcommand, name = "confirm")]
struct FenceConfirm {
    /// the peer's name
    #[argh(positional)]
    node: String,
    /// the daemon's run directory (/run/lubdub)
    #[argh(option, default = "RUN_DIR.into()", from_str_fn(directory))]
    run_dir: PathBuf,
}

/// A directory as an option names it, from the root on: scripts run in `/`, where a relative path means another one.
fn directory(word: &str) -> Result<PathBuf, String> {
    std::path::absolute(word).map_err(|why| format!("no directory: {why}"))
}

fn main() -> ExitCode {
    // What is not UTF-8 is refused by name like any other wrong word.
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let name = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = Path::new(&name).file_name().map_or("lubdub".into(), |name| name.to_string_lossy().into_owned());
    ExitCode::from(match name.as_str() {
        "hb_takeover" => heartbeat_tool("takeover", &name, &words),
        "hb_standby" => heartbeat_tool("standby", &name, &words),
        "cl_status" => host::heartbeat::cl_status(&words, Path::new(CONFIG_DIR), Path::new(RUN_DIR)),
        "heartbeat" => host::heartbeat::heartbeat(&words, Path::new(CONFIG_DIR), Path::new(RUN_DIR)),
        _ => lubdub(&words),
    })
}

fn lubdub(words: &[&str]) -> u8 {
    match Lubdub::from_args(&["lubdub"], words) {
        Ok(Lubdub { version: true, .. }) => say(&format!("lubdub {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Lubdub { command: Some(command), .. }) => obey(command),
        Ok(Lubdub { command: None, .. }) => usage("lubdub: one command is needed; lubdub --help lists them\n"),
        Err(exit) if exit.status.is_ok() => say(&exit.output),
        Err(exit) => usage(&exit.output),
    }
}

fn obey(command: Command) -> u8 {
    match command {
        Command::Run(run) => host::run(&run.config_dir, &run.run_dir, &run.node),
        Command::Check(check) => {
            host::check::check(&check.config_dir, &check.node, check.offline, check.json, host::fine_lease)
        }
        Command::Status(status) if status.why && !status.follow => {
            host::why::explain(&status.run_dir, status.group.as_deref(), status.json)
        }
        Command::Status(status) if status.why || status.group.is_some() => {
            usage("lubdub: a group goes with status --why, and --why not with --follow\n")
        }
        Command::Status(status) if status.follow => host::client::follow(&status.run_dir),
        Command::Status(status) => {
            let request = if status.json { "status json" } else { "status" };
            host::client::ask(&status.run_dir, request, Duration::ZERO)
        }
        Command::Takeover(order) => order_to("takeover", &order.what, &order.run_dir, order.wait),
        Command::Standby(order) => order_to("standby", &order.what, &order.run_dir, order.wait),
        Command::Clear(clear) => host::client::ask(&clear.run_dir, &format!("clear {}", clear.what), Duration::ZERO),
        Command::Fence(Fence { command: FenceCommand::Confirm(confirm) }) => fence_confirm(&confirm),
        Command::Cable(cable) => host::cable::test(&host::cable::Wish {
            config_dir: &cable.config_dir,
            run_dir: &cable.run_dir,
            node: &cable.node,
            tty: cable.tty.as_deref(),
            baud: cable.baud,
            seconds: cable.seconds,
            wait: cable.wait,
            json: cable.json,
        }),
    }
}

fn fence_confirm(confirm: &FenceConfirm) -> u8 {
    let node = &confirm.node;
    if node.is_empty() || node.contains(char::is_whitespace) {
        return usage("lubdub: a node's name has no blanks\n");
    }
    host::client::ask(&confirm.run_dir, &format!("fence confirm {node}"), Duration::ZERO)
}

fn order_to(verb: &str, what: &str, run_dir: &Path, seconds: u64) -> u8 {
    if what.is_empty() || what.contains(char::is_whitespace) {
        return usage("lubdub: a group's key has no blanks\n");
    }
    let seconds = seconds.min(host::WAIT_MAX.as_micros() / 1_000_000);
    host::client::ask(run_dir, &format!("{verb} {what} {}", seconds * 1_000), Duration::from_secs(seconds))
}

/// `hb_takeover` and `hb_standby` of Heartbeat: one word, `all` by default, usage and 1 for anything else. Unlike theirs
/// they return when it has happened.
fn heartbeat_tool(verb: &str, name: &str, words: &[&str]) -> u8 {
    let what = match words {
        [] | ["all"] => "all",
        ["local"] => "local",
        ["foreign"] => "foreign",
        // What the preferred node takes back; seen from the other side it is the foreign groups that are given back.
        ["failback"] if verb == "takeover" => "local",
        ["failback"] => "foreign",
        _ => {
            let _ = writeln!(io::stderr(), "usage: {name} [all|foreign|local|failback]");
            return 1;
        }
    };
    order_to(verb, what, Path::new(RUN_DIR), 60)
}

fn say(text: &str) -> u8 {
    host::console::print(text, 0)
}

fn usage(text: &str) -> u8 {
    let _ = io::stderr().write_all(text.as_bytes());
    USAGE
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn fence_confirm_asks_the_daemon_and_ends_with_its_code() {
        let run_dir = std::env::temp_dir().join(format!("lubdub-main-{}", std::process::id()));
        let shown = run_dir.display().to_string();
        let confirm = ["fence", "confirm", "beta", "--run-dir", &shown];
        assert_eq!(lubdub(&confirm), 69, "no daemon");
        std::fs::create_dir_all(&run_dir).unwrap();
        let daemon = UnixListener::bind(run_dir.join("control")).unwrap();
        let daemon = std::thread::spawn(move || {
            let mut asked = String::new();
            for answer in ["0 out\n", "1 err\nrefused: beta is alive\n"] {
                let (stream, _) = daemon.accept().unwrap();
                BufReader::new(&stream).read_line(&mut asked).unwrap();
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
            asked
        });
        let codes = [lubdub(&confirm), lubdub(&confirm)];
        std::fs::remove_dir_all(&run_dir).unwrap();
        assert_eq!((codes, daemon.join().unwrap()), ([0, 1], "fence confirm beta\n".repeat(2)));
    }

    #[test]
    fn a_relative_directory_is_one_of_where_lubdub_was_called() {
        let here = |name: &str| std::env::current_dir().unwrap().join(name);
        let parsed = |words: &[&str]| match Lubdub::from_args(&["lubdub"], words).ok().unwrap().command.unwrap() {
            Command::Run(run) => vec![run.config_dir, run.run_dir],
            Command::Check(check) => vec![check.config_dir],
            Command::Status(status) => vec![status.run_dir],
            Command::Takeover(order) => vec![order.run_dir],
            Command::Standby(order) => vec![order.run_dir],
            Command::Clear(clear) => vec![clear.run_dir],
            Command::Fence(Fence { command: FenceCommand::Confirm(confirm) }) => vec![confirm.run_dir],
            Command::Cable(cable) => vec![cable.config_dir, cable.run_dir],
        };
        let both = ["--config-dir", "ha.d", "--run-dir", "run"];
        for (command, expected) in [
            (&["run", both[0], both[1], both[2], both[3]][..], vec![here("ha.d"), here("run")]),
            (&["cable", both[0], both[1], both[2], both[3]], vec![here("ha.d"), here("run")]),
            (&["check", both[0], both[1]], vec![here("ha.d")]),
            (&["status", both[2], both[3]], vec![here("run")]),
            (&["takeover", both[2], both[3]], vec![here("run")]),
            (&["standby", both[2], both[3]], vec![here("run")]),
            (&["clear", both[2], both[3]], vec![here("run")]),
            (&["fence", "confirm", "beta", both[2], both[3]], vec![here("run")]),
            (&["run"], vec![CONFIG_DIR.into(), RUN_DIR.into()]),
        ] {
            assert_eq!(parsed(command), expected, "{command:?}");
        }
        assert_eq!(lubdub(&["check", "--config-dir", ""]), USAGE);
    }

    #[test]
    fn fence_needs_to_be_told_what_and_whom() {
        for words in [&["fence"][..], &["fence", "confirm"], &["fence", "confirm", "a b"], &["fence", "off", "beta"]] {
            assert_eq!(lubdub(words), USAGE, "{words:?}");
        }
    }
}
