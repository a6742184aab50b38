//! The names of Heartbeat's programs that are names of this file: `heartbeat` and `cl_status`, with their words and exit
//! codes. `hb_takeover` and `hb_standby` are orders like lubdub's own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::control::{PID, SOCKET};
use super::{cl_status, client, console, node_name};

/// Exit code of `heartbeat` for wrong usage, and of `heartbeat -r` without a daemon (the LSB's "invalid arguments", and
/// "not configured", which Heartbeat gives).
const WRONG_ARGUMENTS: u8 = 2;
const NOT_CONFIGURED: u8 = 6;
/// Exit code of `heartbeat -s`: the program is not running (LSB).
const STOPPED: u8 = 3;
/// Exit code: not permitted, and a daemon that does not start (the LSB's "generic error").
const FAILED: u8 = 1;
/// How long a daemon that was started may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOKS_A_SECOND: u32 = 20;

const CL_STATUS_USAGE: &str = "\
usage: cl_status SUB-COMMAND [OPTION...] [NAME...]
  hbstatus [-v]             whether a daemon runs here
  listnodes [-p|-n] [-v]    the nodes; -p: `ping` nodes, -n: the pair
  nodestatus NODE           active, init, ping or dead
  nodetype NODE             normal or ping
  nodeweight NODE           100
  nodesite NODE             an empty line
  listhblinks NODE [-v]     the links
  hblinkstatus NODE LINK    up or dead
  rscstatus                 local, foreign, all, none or transition
  clientstatus NODE CLIENT  offline
  hbparameter -p NAME       what ha.cf says
-m: in a sentence
";

const USAGE: &str = "\
usage: heartbeat [-dvf]      start the daemon; -f: in the foreground
       heartbeat -k|-r|-s|-V stop it, reload, status, version
";

/// `cl_status`.
pub fn cl_status(words: &[&str], config_dir: &Path, run_dir: &Path) -> u8 {
    let Some(word) = words.first().filter(|word| **word != "-h") else { return console::print(CL_STATUS_USAGE, 0) };
    let alive = running(run_dir).is_some();
    match *word {
        "hbstatus" if !alive => console::print("Heartbeat is stopped on this machine.\n", 1),
        _ if word.starts_with('-') || !CL_STATUS_USAGE.contains(&format!("\n  {word} ")) => {
            let _ = writeln!(io::stderr(), "ERROR: {word}: invalid sub-command.");
            cl_status::WRONG
        }
        _ if !alive => {
            let why = "REASON: no daemon runs here; start it with: lubdub run";
            let _ = writeln!(io::stderr(), "ERROR: Cannot signon with heartbeat\nERROR: {why}");
            1
        }
        "hbparameter" => parameter(&words[1..], &config_dir.join("ha.cf")),
        _ => client::ask(run_dir, &format!("cl_status {}", words.join(" ")), Duration::ZERO),
    }
}

/// The value of a directive in ha.cf; the last one counts.
fn parameter(words: &[&str], ha_cf: &Path) -> u8 {
    let name = match words {
        ["-p", name] | ["-m", "-p", name] => *name,
        _ => {
            let _ = writeln!(io::stderr(), "Not enough parameters.");
            return cl_status::WRONG;
        }
    };
    let text = fs::read(ha_cf).unwrap_or_default();
    match value(&String::from_utf8_lossy(&text), name) {
        Some(value) => console::print(&format!("{value}\n"), 0),
        None => 1,
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.trim_start().strip_prefix(name));
    let mut values = values.filter(|rest| rest.starts_with([' ', '\t']));
    values.next_back().map(|value| value.split_once('#').map_or(value, |(value, _)| value).trim())
}

/// `heartbeat`.
pub fn heartbeat(words: &[&str], config_dir: &Path, run_dir: &Path) -> u8 {
    let mut options: String = words.iter().filter_map(|word| word.strip_prefix('-')).collect();
    let strange = words.iter().any(|word| word.len() < 2 || !word.starts_with('-'));
    // More talk: ha.cf's `debug` decides.
    options.retain(|option| !"dv".contains(option));
    match options.as_str() {
        _ if strange => usage(),
        "f" => super::run(config_dir, run_dir, &node_name()),
        "" => start(run_dir),
        "k" => stop(run_dir),
        "r" => reload(run_dir),
        "s" => status(run_dir),
        "V" => console::print(concat!("lubdub ", env!("CARGO_PKG_VERSION"), "\n"), 0),
        _ => usage(),
    }
}

fn usage() -> u8 {
    let _ = io::stderr().write_all(USAGE.as_bytes());
    WRONG_ARGUMENTS
}

fn fail(why: &str) -> u8 {
    let _ = writeln!(io::stderr(), "heartbeat: {why}");
    FAILED
}

/// In the background: the daemon is a process group of its own, and nobody reads what it prints; ha.cf says where its log
/// goes. Returns when it answers.
fn start(run_dir: &Path) -> u8 {
    if let Some((pid, _)) = running(run_dir) {
        return console::print(&format!("heartbeat: already running [pid {pid}].\n"), 0);
    }
    let mut command = Command::new("/proc/self/exe");
    // Named as what it is: by the name of this program it would start another one.
    command.arg0("lubdub").arg("run").process_group(0);
    let mut daemon = match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(daemon) => daemon,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    for _ in 0..PATIENCE.as_secs() as u32 * LOOKS_A_SECOND {
        match daemon.try_wait() {
            Ok(None) if UnixStream::connect(run_dir.join(SOCKET)).is_ok() => return 0,
            Ok(None) => pause(),
            _ => return fail("the daemon has ended at once; lubdub check says why"),
        }
    }
    fail("the daemon does not answer yet; see its log")
}

#[allow(clippy::disallowed_methods, reason = "a daemon that is not ready yet gives no event to whoever has started it")]
fn pause() {
    std::thread::sleep(Duration::from_secs(1) / LOOKS_A_SECOND);
}

/// Returns when it has released everything and ended. Without a daemon there is nothing to stop.
fn stop(run_dir: &Path) -> u8 {
    let Some((pid, file)) = running(run_dir) else { return 0 };
    if let Err(errno) = kill(pid, Signal::SIGTERM) {
        return fail(&format!("the daemon (pid {pid}) cannot be stopped: {}", errno.desc()));
    }
    // Its lock goes with it.
    match Flock::lock(file, FlockArg::LockShared) {
        Ok(_) => 0,
        Err((_, errno)) => fail(errno.desc()),
    }
}

fn reload(run_dir: &Path) -> u8 {
    let Some((pid, _)) = running(run_dir) else {
        fail("not running, so nothing is reloaded");
        return NOT_CONFIGURED;
    };
    match kill(pid, Signal::SIGHUP) {
        Ok(()) => 0,
        Err(errno) => fail(&format!("the daemon (pid {pid}) cannot be told: {}", errno.desc())),
    }
}

fn status(run_dir: &Path) -> u8 {
    match running(run_dir) {
        Some((pid, _)) => {
            let node = node_name();
            console::print(&format!("heartbeat OK [pid {pid} et al] is running on {node} [{node}]...\n"), 0)
        }
        None => console::print("heartbeat is stopped. No process\n", STOPPED),
    }
}

/// The daemon's process and the file that it has locked; none when nobody has.
fn running(run_dir: &Path) -> Option<(Pid, File)> {
    let path = run_dir.join(PID);
    match Flock::lock(File::open(&path).ok()?, FlockArg::LockSharedNonblock) {
        Err((file, Errno::EWOULDBLOCK)) => {
            let pid = fs::read_to_string(&path).ok()?.trim().parse().ok().filter(|pid| *pid > 1)?;
            Some((Pid::from_raw(pid), file))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_daemon_the_exit_codes_are_heartbeats() {
        let nowhere = Path::new("/nonexistent");
        let heartbeat = |words: &[&str]| heartbeat(words, nowhere, nowhere);
        assert_eq!([&["-s"][..], &["-k"], &["-r"], &["-x"], &["start"], &["-V"]].map(heartbeat), [3, 0, 6, 2, 2, 0]);
        let cl_status = |words: &[&str]| cl_status(words, nowhere, nowhere);
        let asked =
            [&[][..], &["-h"], &["hbstatus"], &["rscstatus"], &["nodestatus", "n"], &["hbparameter"], &["bogus"]];
        assert_eq!(asked.map(cl_status), [0, 0, 1, 1, 1, 1, 11]);
        for no_word in ["SUB-COMMAND", "NODE", "-m", "hbstatu", "[-v]", "a", "", "NODE "] {
            assert_eq!(cl_status(&[no_word]), 11, "{no_word}");
        }
    }

    #[test]
    fn a_parameter_is_the_text_of_its_last_line() {
        let text = "keepalive 1\n# keepalive 3\n keepalive\t200ms # fast\nkeepalives 7\nnode a b\n";
        assert_eq!(value(text, "keepalive"), Some("200ms"));
        assert_eq!(value(text, "node"), Some("a b"));
        assert_eq!(value(text, "deadtime"), None);
    }

    #[test]
    fn a_run_directory_that_nobody_has_locked_has_no_daemon() {
        let run_dir = std::env::temp_dir().join(format!("lubdub-heartbeat-{}", std::process::id()));
        fs::create_dir_all(&run_dir).unwrap();
        fs::write(run_dir.join(PID), "4194304\n").unwrap();
        let stale = running(&run_dir).is_none();
        let held = super::super::control::RunDir::take(&run_dir).unwrap();
        let found = running(&run_dir).map(|(pid, _)| pid.as_raw());
        drop(held);
        fs::remove_dir_all(&run_dir).unwrap();
        assert_eq!((stale, found), (true, Some(std::process::id() as i32)));
    }
}
