// A process that a test starts tells what became of it on its standard output.
#![allow(clippy::print_stdout)]

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use super::*;

/// Set in a process that a test starts to see what `enter` does to one.
const PART: &str = "LUBDUB_TEST_REALTIME";

/// Runs `test` of this binary again with `part` to play, started by `wrapper` (words before the command).
fn play(test: &str, part: &str, wrapper: &[&str]) -> Output {
    let own = env::current_exe().unwrap();
    let mut words: Vec<&str> = wrapper.to_vec();
    let name = format!("host::realtime::tests::{test}");
    words.extend([own.to_str().unwrap(), "--exact", &name, "--nocapture", "--test-threads=1"]);
    Command::new(words[0]).args(&words[1..]).env(PART, part).output().unwrap()
}

/// In the process that a test started: enters, and prints what was said and what became of it.
fn enter_and_tell() {
    enter(&mut |line| println!("\nsaid {line}"));
    let text = |name| fs::read_to_string(name).unwrap();
    let stat = text("/proc/thread-self/stat");
    println!("\npolicy {}", stat.split(' ').nth(40).unwrap());
    println!("oom {}", text("/proc/self/oom_score_adj").trim());
    let locked = text("/proc/self/status").lines().find(|line| line.starts_with("VmLck")).unwrap().to_owned();
    println!("locked {}", !locked.contains(" 0 kB"));
    println!("rttime {:?}", getrlimit(Resource::RLIMIT_RTTIME).unwrap().0);
    println!("core {:?}", getrlimit(Resource::RLIMIT_CORE).unwrap().0);
}

fn part() -> Option<String> {
    env::var(PART).ok()
}

/// Bit 24 of the effective capabilities (linux/capability.h).
fn has_sys_resource() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    u64::from_str_radix(bits, 16).unwrap() >> 24 & 1 == 1
}

fn lines<'a>(output: &'a str, word: &str) -> Vec<&'a str> {
    output.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

#[test]
fn permitted_takes_all_and_says_nothing() {
    if part().is_some() {
        return enter_and_tell();
    }
    let output = play("permitted_takes_all_and_says_nothing", "enter", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let hint = "this test needs root: CAP_SYS_NICE and CAP_IPC_LOCK";
    // Some machines keep CAP_SYS_RESOURCE even from root; that one thing must be said then, and no other.
    let said = lines(&text, "said");
    assert_eq!(said.len(), usize::from(!has_sys_resource()), "{said:#?}; {hint}");
    assert!(said.iter().all(|line| line.contains("OOM")), "{said:#?}; {hint}");
    assert_eq!(lines(&text, "policy"), ["1"], "SCHED_FIFO is 1; {hint}");
    assert_eq!(lines(&text, "oom") == ["-1000"], has_sys_resource());
    assert_eq!(lines(&text, "locked"), ["true"]);
    assert_eq!(lines(&text, "rttime"), ["1000000"]);
    assert_eq!(lines(&text, "core"), ["0"]);
}

#[test]
fn refused_says_one_line_each_and_goes_on() {
    if part().is_some() {
        return enter_and_tell();
    }
    // A user namespace, as in a container: root by name, without any right over the machine.
    let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c", "ulimit -l 64; exec \"$@\"", "sh"];
    let output = play("refused_says_one_line_each_and_goes_on", "enter", &wrapper);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "needs unshare(1) and user namespaces: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = lines(&text, "said");
    assert_eq!(said.len(), 3, "{said:#?}");
    for (line, words) in said.iter().zip([["SCHED_FIFO", "CAP_SYS_NICE"], ["mlockall", "64 kB"], ["OOM", "-1000"]]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    assert_eq!(lines(&text, "policy"), ["0"]);
    assert_eq!(lines(&text, "locked"), ["false"]);
}

#[test]
fn without_the_right_to_future_memory_the_start_alone_is_locked() {
    if part().is_some() {
        println!("\nsaid {}", lock_memory(false).unwrap_err());
        return;
    }
    let output = play("without_the_right_to_future_memory_the_start_alone_is_locked", "lock", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let said = lines(&text, "said");
    assert_eq!(said.len(), 1, "{text}");
    assert!(said[0].starts_with("only the memory of the start is locked"), "needs CAP_IPC_LOCK (root): {said:?}");
}

#[test]
fn a_spin_is_ended_by_the_kernel() {
    if part().is_some() {
        enter(&mut |line| assert!(!line.contains("SCHED_FIFO"), "this test needs CAP_SYS_NICE (root): {line}"));
        loop {
            std::hint::spin_loop();
        }
    }
    let output = play("a_spin_is_ended_by_the_kernel", "spin", &["timeout", "--foreground", "-s", "KILL", "20"]);
    // timeout(1) ends itself by the signal that ended the command.
    let status = output.status;
    assert!(
        status.signal() == Some(libc::SIGXCPU) || status.code() == Some(128 + libc::SIGXCPU),
        "{status}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_right_to_lock_is_read_from_proc() {
    assert!(has_ipc_lock("Name:\tx\nCapEff:\t0000000000004000\n"));
    assert!(has_ipc_lock("CapEff:\t000001ffffffffff\n"));
    for status in ["CapEff:\t0000000000002000\n", "CapPrm:\t0000000000004000\n", "CapEff:\tlots\n", ""] {
        assert!(!has_ipc_lock(status), "{status}");
    }
    assert!(is_first_user_namespace("         0          0 4294967295\n"));
    for map in ["0 1000 1\n", "0 0 1\n", "", "0 0 4294967295\n1 1 1\n"] {
        assert!(!is_first_user_namespace(map), "{map}");
    }
}
