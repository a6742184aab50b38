//! The interactive lab, driven by a pipe and by a terminal, with the real daemon.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guards;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use lubdub_lab::now;

/// The daemon may have to be built first.
const START: Duration = Duration::from_secs(300);
/// Anything else, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A lab that is played with, and what it has said that nobody has looked at.
struct Play {
    process: Child,
    keys: Option<Box<dyn Write>>,
    said: Receiver<Vec<u8>>,
    unread: String,
}

impl Play {
    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.env("TERM", "xterm");
        command
    }

    fn through_a_pipe() -> Self {
        let mut process = Self::command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, said) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, keys: Some(Box::new(keys)), said: read(said), unread: String::new() }
    }

    fn at_a_terminal() -> Self {
        let pty = nix::pty::openpty(None, None).unwrap();
        let [keys, screen] = [&pty.master; 2].map(|master| File::from(master.try_clone().unwrap()));
        let output = pty.slave.try_clone().unwrap();
        let process = Self::command().stdin(pty.slave).stdout(output).spawn().unwrap();
        Self { process, keys: Some(Box::new(keys)), said: read(screen), unread: String::new() }
    }

    fn types(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until all the parts have been said, in this order, after what was awaited before.
    fn says(&mut self, parts: &[&str]) {
        self.says_within(SOON, parts);
    }

    fn says_within(&mut self, within: Duration, parts: &[&str]) {
        let deadline = now() + within;
        for part in parts {
            while !self.unread.contains(part) {
                let left = deadline.saturating_duration_since(now());
                let bytes = self.said.recv_timeout(left);
                let bytes = bytes.unwrap_or_else(|error| panic!("no {part:?} ({error}) in:\n{}", self.unread));
                self.unread += &String::from_utf8_lossy(&bytes);
            }
            let after = self.unread.find(part).unwrap() + part.len();
            self.unread.drain(..after);
        }
    }

    fn starts(&mut self) {
        self.says_within(START, &["Virtual address", "client: node1 answers", HEALTHY]);
    }

    /// Its exit status; none of its boxes outlives it.
    fn ends(mut self) -> Option<i32> {
        let status = self.process.wait().unwrap();
        assert_eq!(guards::of(self.process.id()), Vec::<std::path::PathBuf>::new());
        status.code()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn read(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // A terminal whose last user has gone reads as an error.
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

const HEALTHY: &str = "node1: held, peer alive, ttyS1 up, eth1 up | node2: stopped, peer alive, ttyS1 up, eth1 up";

#[test]
fn a_script_sees_a_takeover_and_a_cut_cable() {
    let mut play = Play::through_a_pipe();
    play.starts();
    let boxes = guards::of(play.process.id());
    assert_eq!(boxes.len(), 4, "room, client and two nodes");
    play.types("power off node1\n");
    play.says(&["lubdub> power off node1\n", "client: node2 answers", "node1: no power | node2: held, peer dead"]);
    play.types("status node1\nstatus node2\n");
    play.says(&["node1.a.com has no power", "node2 $ lubdub status", "DEGRADED", "(exit status 1)"]);
    play.types("power on node1\n");
    play.says(&["client: node1 answers", HEALTHY]);
    play.types("cut serial\n");
    play.says(&["client: node1 answers", "node1: held, peer alive, ttyS1 down (silence), eth1 up"]);
    play.types("mend serial\n");
    play.says(&[HEALTHY]);
    play.types("takeover node2\n");
    play.says(&["takeover done", "client: node2 answers"]);
    play.types("quit\n");
    assert_eq!(play.ends(), Some(0));
    assert!(boxes.iter().all(|guard| !guard.exists()), "{boxes:?}");
}

#[test]
fn a_script_with_a_mistake_goes_on_and_fails_in_the_end() {
    let mut play = Play::through_a_pipe();
    play.types("# a comment, an empty line, and two mistakes\n\ncut cereal\nstop node3\nhelp unplug\n");
    play.says_within(
        START,
        &[
            "after \"cut\" \"cereal\" was read; possible: eth1, lan, serial; nearest: serial\n",
            "possible: node1, node2; nearest: node1\n",
            "unplug serial NODE",
            "unplug eth1",
        ],
    );
    play.keys = None;
    assert_eq!(play.ends(), Some(1));
}

#[test]
fn a_person_has_completion_and_history() {
    let mut play = Play::at_a_terminal();
    play.starts();
    play.says(&["lubdub> "]);
    play.types("cut ser\t\r");
    play.says(&["cut serial", "client: node1 answers", "ttyS1 down (silence)"]);
    play.types("mend\r");
    play.says(&[HEALTHY]);
    // Up, up: the cut again.
    play.types("\x1b[A\x1b[A\r");
    play.says(&["cut serial", "ttyS1 down (silence)"]);
    play.types("ct serial\r");
    play.says(&["nearest: cut"]);
    // End of input.
    play.types("\x04");
    assert_eq!(play.ends(), Some(0));
}
