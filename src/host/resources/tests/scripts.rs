use std::fs;
use std::os::unix::fs::PermissionsExt;

use lubdub::time::Duration;
use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::unistd::Pid;

use super::bench::{Bench, QUICK, bench};
use crate::host::clock;
use crate::host::netlink::namespace::addresses;
use crate::host::resources::*;

#[test]
fn left_to_right_and_right_to_left_and_nothing_twice() {
    bench(async |directory| {
        directory.service("one");
        directory.service("two");
        let mut node = Bench::new(&directory, &["one::a::b two"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(directory.calls(), ["one a b status", "one a b start", "two status", "two start"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(directory.calls(), ["one a b status", "two status"]);
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["two stop", "one a b stop"]);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["two status", "one a b status"], "nothing runs, nothing is stopped");
    });
}

#[test]
fn resource_d_before_init_d_and_only_executables() {
    bench(async |directory| {
        directory.script("init.d/both", "echo init >> $T/calls");
        directory.script("init.d/plain", "echo plain >> $T/calls");
        directory.script("resource.d/both", "echo resource >> $T/calls");
        fs::write(directory.0.join("resource.d/plain"), "#!/bin/sh\n").unwrap();
        let mut node = Bench::new(&directory, &["both plain"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(directory.calls(), ["resource", "resource", "plain", "plain"]);
    });
}

#[test]
fn groups_move_in_parallel() {
    bench(async |directory| {
        // Each start waits for the other's.
        for (name, other) in [("a", "b"), ("b", "a")] {
            let body = format!(
                "[ $1 = start ] || exit 3; touch $T/{name}.here; until [ -e $T/{other}.here ]; do sleep 0.01; done"
            );
            directory.script(&format!("resource.d/{name}"), &body);
        }
        let mut node = Bench::new(&directory, &["a", "b"]);
        node.resources.run(0, Verb::Start);
        node.resources.run(1, Verb::Start);
        for _ in 0..2 {
            let result = node.wait(|e| if let Event::Done { result, .. } = e { Some(result) } else { None }).await;
            assert_eq!(result, StepResult::Done);
        }
    });
}

#[test]
fn a_failed_start_ends_the_step() {
    bench(async |directory| {
        directory.script("resource.d/bad", "echo \"cannot: no disk\" >&2; [ $1 = start ] && exit 5; exit 3");
        directory.service("after");
        let mut node = Bench::new(&directory, &["bad after"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        assert_eq!(directory.calls(), [""; 0]);
        assert!(node.line("bad: cannot: no disk").is_some());
        assert!(node.line("bad start: exit code 5").is_some());
    });
}

#[test]
fn a_script_that_is_missing_fails_a_start_but_not_an_inventory() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &["nobody"]);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        assert!(node.line("nobody: no executable of that name in").is_some());
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done, "what never started does not hold the group");
    });
}

#[test]
fn a_script_that_cannot_be_run_is_named_and_the_cause_is_said_once() {
    bench(async |directory| {
        let path = directory.0.join("resource.d/web");
        fs::write(&path, "#!/nonexistent/shell\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut node = Bench::with(QUICK, &directory, &["web"]);
        let cause = format!("cannot be run: {}: No such file or directory (os error 2)", path.display());
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        assert!(node.line(&format!("start failed: web start: {cause}")).is_some());
        assert_eq!(node.step(Verb::Stop).await, StepResult::Failed);
        let stop = node.line("2 more tries").unwrap();
        assert_eq!(stop, format!("web: stop failed ({cause}), and its status cannot be asked; 2 more tries"));
    });
}

#[test]
fn a_script_taken_away_while_it_runs_cannot_be_stopped() {
    bench(async |directory| {
        directory.service("one");
        let mut node = Bench::new(&directory, &["one"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        fs::rename(directory.0.join("resource.d/one"), directory.0.join("away")).unwrap();
        assert_eq!(node.step(Verb::Stop).await, StepResult::Failed);
        fs::rename(directory.0.join("away"), directory.0.join("resource.d/one")).unwrap();
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
    });
}

/// A script whose start never ends, in several processes that ignore SIGTERM.
const HANGS: &str = "case $1 in
start) trap '' TERM; echo $$ > $T/group; (trap '' TERM; sleep 60) & sleep 60; wait ;;
stop) echo stop >> $T/calls ;;
*) echo stopped ;;
esac";

/// True once the process group that the script noted has no members left but the dead that nobody has reaped yet.
fn gone(group: &str) -> bool {
    let group: i32 = group.trim().parse().expect("the script noted its process group");
    killpg(Pid::from_raw(group), None) == Err(Errno::ESRCH)
        || fs::read_dir("/proc").unwrap().flatten().all(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
            fields.get(2) != Some(&group.to_string().as_str()) || fields[0] == "Z"
        })
}

#[test]
fn a_start_that_hangs_is_killed_with_its_grandchildren() {
    bench(async |directory| {
        directory.script("resource.d/hangs", HANGS);
        let mut node = Bench::with(QUICK, &directory, &["hangs"]);
        let begun = clock::now();
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        assert!(clock::now().since(begun) < Duration::from_secs(10));
        assert!(node.line("hung").is_some());
        assert!(gone(&directory.read("group")));
    });
}

#[test]
fn a_stop_gives_up_the_start_under_way() {
    bench(async |directory| {
        directory.script("resource.d/hangs", HANGS);
        let mut node = Bench::new(&directory, &["192.168.20.100/24/eth0 hangs"]);
        node.resources.run(0, Verb::Start);
        let events = node.until(|_, _| !directory.read("group").is_empty()).await;
        assert!(!events.iter().any(|e| matches!(e, Event::Done { .. })));
        assert_eq!(addresses("eth0").len(), 1);
        node.resources.run(0, Verb::Stop);
        assert_eq!(node.done(0).await, (Verb::Stop, StepResult::Done));
        assert_eq!(directory.calls(), ["stop"]);
        assert!(gone(&directory.read("group")));
        assert_eq!(addresses("eth0").len(), 0);
        assert!(!node.linger(50).await.iter().any(|e| matches!(e, Event::Done { .. })), "the start is not reported");
    });
}

#[test]
fn a_start_waits_for_the_stop_under_way_and_a_drop_joins_it() {
    bench(async |directory| {
        let body = "echo $1 >> $T/calls; [ $1 = stop ] && until [ -e $T/go ]; do sleep 0.01; done; [ $1 != status ]";
        directory.script("resource.d/slow", body);
        let mut node = Bench::new(&directory, &["slow"]);
        node.resources.run(0, Verb::Stop);
        node.until(|_, _| directory.read("calls") == "stop\n").await;
        node.resources.run(0, Verb::Start);
        fs::write(directory.0.join("go"), "").unwrap();
        assert_eq!(node.done(0).await, (Verb::Stop, StepResult::Done));
        assert_eq!(node.done(0).await, (Verb::Start, StepResult::Done));
        assert_eq!(directory.calls(), ["stop", "status", "start"]);
        fs::remove_file(directory.0.join("go")).unwrap();
        node.resources.run(0, Verb::Stop);
        node.until(|_, _| directory.read("calls") == "stop\n").await;
        node.resources.run(0, Verb::Drop);
        fs::write(directory.0.join("go"), "").unwrap();
        assert_eq!(node.done(0).await, (Verb::Drop, StepResult::Done));
        assert_eq!(directory.calls(), ["stop"], "not interrupted, not done twice");
    });
}

#[test]
fn a_failed_stop_is_taken_as_done_only_when_status_says_so() {
    bench(async |directory| {
        directory.script("resource.d/rude", "echo $1 >> $T/calls; [ $1 = status ] && echo not running; exit 1");
        let mut node = Bench::new(&directory, &["rude"]);
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["stop", "status"]);
    });
}

#[test]
fn a_stop_that_keeps_failing_is_never_reported_as_stopped_and_the_vip_goes_at_once() {
    bench(async |directory| {
        directory.script("resource.d/left", "[ $1 = stop ] && ip -4 -o address show dev eth0 > $T/left; true");
        let body =
            "[ $1 = start ] && exit 0; echo $1 >> $T/calls; [ -e $T/stop ] && echo running; touch $T/stop; exit 1";
        directory.script("resource.d/stuck", body);
        let mut node = Bench::new(&directory, &["192.168.20.100/24/eth0 left stuck"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!((directory.calls().len(), addresses("eth0").len()), (1, 1));
        assert_eq!(node.step(Verb::Stop).await, StepResult::Failed);
        assert_eq!(directory.calls(), ["stop", "status"].repeat(3));
        assert!(directory.0.join("left").exists(), "the others are stopped all the same");
        assert_eq!(directory.read("left"), "", "the VIP is gone before anything else is stopped");
        assert!(node.line("stuck: cannot be stopped").is_some());
    });
}

#[test]
fn a_stop_that_hangs_is_killed_and_the_vip_removed() {
    bench(async |directory| {
        let body = "case $1 in stop) sleep 60 ;; start) ;; *) [ -e $T/asked ] && echo running; touch $T/asked ;; esac";
        directory.script("resource.d/hangs", body);
        let mut node = Bench::with(QUICK, &directory, &["192.168.20.100/24/eth0 hangs"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(node.step(Verb::Stop).await, StepResult::Failed);
        let hung = node.lines.borrow().iter().filter(|(_, line)| line.contains("hung")).count();
        assert_eq!(hung, 1, "the VIP does not wait for more of that");
        assert_eq!(addresses("eth0").len(), 0);
    });
}

#[test]
fn a_flood_of_output_is_counted_not_logged() {
    bench(async |directory| {
        let body = "[ $1 = start ] || exit 3; yes flood | head -n 200000; head -c 3000 /dev/zero; echo; echo end >&2";
        directory.script("resource.d/loud", body);
        let mut node = Bench::new(&directory, &["loud"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        let lines: Vec<_> = node.lines.borrow().iter().map(|(_, l)| l.clone()).collect();
        assert!(lines.len() < 110, "{} lines", lines.len());
        assert_eq!(lines.iter().filter(|l| *l == "loud: flood").count(), 100);
        assert!(node.line("loud: 199901 more lines of output left out").is_some(), "{lines:?}");
        assert!(node.line("loud: end").is_some());
    });
}

#[test]
fn long_lines_are_cut_and_control_characters_shown_harmlessly() {
    bench(async |directory| {
        directory.script(
            "resource.d/odd",
            r#"[ $1 = start ] && { printf 'a\033[2Jb\r\n'; head -c 900 /dev/zero | tr '\0' x; }"#,
        );
        let mut node = Bench::new(&directory, &["odd"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert!(node.line("odd: a?[2Jb").is_some());
        assert!(node.line(&format!("odd: {} ...", "x".repeat(400))).is_some());
    });
}

#[test]
fn a_daemon_may_keep_writing_to_the_pipe_of_its_script() {
    bench(async |directory| {
        let body = "[ $1 = start ] || exit 3; (until [ -e $T/go ]; do sleep 0.01; done; echo late; touch $T/alive) &";
        directory.script("resource.d/daemon", body);
        let mut node = Bench::new(&directory, &["daemon"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(node.line("daemon: late"), None);
        fs::write(directory.0.join("go"), "").unwrap();
        node.until(|node, _| node.line("daemon: late").is_some() && directory.0.join("alive").exists()).await;
    });
}

#[test]
fn a_script_sees_the_stated_environment_and_nothing_of_the_daemon() {
    bench(async |directory| {
        let body = "[ $1 = start ] || exit 3
cat /proc/self/environ | tr '\\0' '\\n' > $T/environment
grep -E '^(SigBlk|SigIgn)' /proc/self/status > $T/signals
(exec ls /proc/self/fd) > $T/descriptors; readlink /proc/$$/fd/0 > $T/input
pwd > $T/where; umask > $T/umask; cut -d ' ' -f 5 /proc/$$/stat > $T/group; echo $$ > $T/pid";
        directory.script("resource.d/nosy", body);
        let mut node = Bench::new(&directory, &["nosy"]);
        // A descriptor that somebody forgot to close on exec.
        let leak = nix::unistd::dup(std::io::stdin()).unwrap();
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        drop(leak);
        let environment = directory.read("environment");
        let mut names: Vec<_> = environment.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
        names.sort_unstable();
        let expected = ["HA_CURHOST", "HA_DIR", "HA_FUNCS", "HA_LOGFACILITY", "HA_NICEFAILBACK", "HA_debug", "LANG"];
        // The shell adds PWD by itself.
        assert_eq!(names, [&expected[..], &["OCF_ROOT", "PATH", "PWD"]].concat());
        assert!(environment.contains("HA_CURHOST=node1.a.com\n"));
        assert!(environment.contains(&format!("HA_DIR={}\n", directory.0.display())));
        assert_eq!(directory.read("signals"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
        // The last is the directory that ls reads.
        assert_eq!(directory.read("descriptors"), "0\n1\n2\n3\n");
        assert_eq!(directory.read("input"), "/dev/null\n");
        assert_eq!((directory.read("where").trim(), directory.read("umask").trim()), ("/", "0022"));
        assert_eq!(directory.read("group").trim(), directory.read("pid").trim());
    });
}

/// An `ipvsadm` that notes its calls and keeps its table in a file.
const IPVSADM: &str = "echo \"$*\" >> $T/calls
case $1 in
-C) rm -f $T/table ;;
-R) cat > $T/table ;;
-S) cat $T/table 2>/dev/null; true ;;
esac";

#[test]
fn ipvsadm_is_built_in() {
    bench(async |directory| {
        directory.script("bin/ipvsadm", IPVSADM);
        fs::write(directory.0.join("rules"), "# saved\nipvsadm -A -t 10.0.0.1:80 -s rr\n").unwrap();
        let mut node = Bench::new(&directory, &["ipvsadm"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(directory.read("table"), "-A -t 10.0.0.1:80 -s rr\n");
        assert_eq!(directory.calls(), ["-S -n", "-C", "-R"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(directory.calls(), ["-S -n"]);
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["-C", "-S -n"]);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["-S -n"]);
    });
}

/// The kernel of this network namespace has no table, so that it is soon empty; a kernel with one is asked in the VMs.
#[test]
fn without_a_working_ipvsadm_the_kernel_is_asked() {
    bench(async |directory| {
        directory.script("bin/ipvsadm", IPVSADM);
        fs::write(directory.0.join("rules"), "-A -t 10.0.0.1:80 -s rr\n").unwrap();
        let mut node = Bench::new(&directory, &["ipvsadm"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        directory.script("bin/ipvsadm", "echo \"$*\" >> $T/calls; kill -9 $$");
        directory.calls();
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["-C"]);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
        assert_eq!(directory.calls(), ["-S -n"]);
        fs::remove_file(directory.0.join("bin/ipvsadm")).unwrap();
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
        assert_eq!(node.step(Verb::Drop).await, StepResult::Done);
    });
}

#[test]
fn ipvsadm_says_what_is_missing() {
    bench(async |directory| {
        directory.script("bin/ipvsadm", IPVSADM);
        let mut node = Bench::new(&directory, &["ipvsadm"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Failed);
        assert!(node.line("no rules in").is_some());
        assert_eq!(node.step(Verb::Stop).await, StepResult::Done);
    });
}

#[test]
fn an_own_ipvsadm_in_resource_d_wins() {
    bench(async |directory| {
        directory.service("ipvsadm");
        let mut node = Bench::new(&directory, &["ipvsadm"]);
        assert_eq!(node.step(Verb::Start).await, StepResult::Done);
        assert_eq!(directory.calls(), ["ipvsadm status", "ipvsadm start"]);
    });
}

#[test]
fn a_group_that_does_not_exist_is_ignored() {
    bench(async |directory| {
        let mut node = Bench::new(&directory, &[]);
        node.resources.run(7, Verb::Drop);
        assert!(!node.linger(20).await.iter().any(|e| matches!(e, Event::Done { .. })));
    });
}
