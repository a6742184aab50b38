//! Nothing is left behind: not when a test panics, not when its process is killed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guards;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use lubdub_lab::{Lab, Pair, now};

/// Set for the child that builds a lab and waits to be killed.
const VICTIM: &str = "LUBDUB_LAB_VICTIM";

/// A word on the command line of every process of the lab with this number.
fn marked(number: u32) -> String {
    format!("{}", 1_000_000 + number)
}

/// Processes whose command line has the word, and guards with the given parent.
fn processes_with(word: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.unwrap().path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.starts_with("sleep") && line.contains(word)).collect()
}

fn lab_with_a_process(word: &str) -> Lab {
    let lab = Lab::new(Pair::appliance().with_daemon("/bin/sleep")).unwrap();
    for node in lab.nodes() {
        node.start_as(&["sleep", word]).unwrap();
        node.exec(&["sh", "-c", &format!("sleep {word} < /dev/null > /dev/null 2>&1 &")]).unwrap();
    }
    lab
}

/// Looks again until it is so; the kernel buries processes in its own time.
fn soon(what: impl Fn() -> bool) -> bool {
    let start = now();
    while !what() {
        if now() - start > Duration::from_secs(5) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn a_panic_takes_the_lab_down() {
    let word = marked(std::process::id());
    let panic = std::panic::catch_unwind(|| {
        let _lab = lab_with_a_process(&word);
        assert!(soon(|| processes_with(&word).len() == 4), "{:?}", processes_with(&word));
        panic!("a test fails");
    });
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"a test fails"));
    assert_eq!(processes_with(&word), Vec::<String>::new());
}

#[test]
fn a_killed_test_takes_the_lab_down() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture", "--ignored"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("the lab is up")));
    let word = marked(victim.id());
    assert!(soon(|| processes_with(&word).len() == 4), "{:?}", processes_with(&word));
    let guards = guards::of(victim.id());
    assert_eq!(guards.len(), 4, "room, client and two nodes");
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert!(soon(|| processes_with(&word).is_empty()), "{:?}", processes_with(&word));
    assert!(soon(|| guards.iter().all(|guard| !guard.exists())), "{guards:?}");
}

/// Not a test by itself: the process that `a_killed_test_takes_the_lab_down` kills.
#[test]
#[ignore = "run by a_killed_test_takes_the_lab_down"]
#[allow(clippy::print_stdout, reason = "its parent listens")]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let lab = lab_with_a_process(&marked(std::process::id()));
    println!("the lab is up");
    let never = lab.judge(lubdub_lab::VIP).unwrap().await_verdict(Duration::from_secs(60), |_| false);
    assert_eq!(never, None);
}
