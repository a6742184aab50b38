use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use lubdub::lease::{self, Exclusive, Wish};

use super::epitaph::Epitaph;
use super::facts::testing::facts_in;
use super::report::State;
use super::testing::{ALARMONLY, Driver, Folder, MAGICCLOSE, Noted, PRETIMEOUT, Recorded, SETTIMEOUT};
use super::*;

const PATH: &str = "/dev/watchdog0";

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// Of a node with these times, in milliseconds.
fn timings(keepalive: u64, deadtime: u64) -> Timings {
    let (keepalive, deadtime) = (Duration::from_millis(keepalive), Duration::from_millis(deadtime));
    // A second more than what would be chosen, so that the timeout differs from that of a usual configuration.
    let asked = (deadtime == Duration::from_secs(11)).then(|| Duration::from_secs(9));
    let wish = Wish { deadtime, keepalive, asked, exclusive: Exclusive::Auto, fine_available: true };
    Timings { lease: lease::choose(&wish), keepalive }
}

/// A device under test, and what was said of it.
struct Bench {
    driver: Rc<RefCell<Driver>>,
    facts: Facts,
    said: Vec<String>,
}

impl Bench {
    fn new(driver: Driver) -> Self {
        Self { driver: Rc::new(RefCell::new(driver)), facts: Facts::default(), said: Vec::new() }
    }

    fn arm(&mut self, timings: &Timings) -> Result<Watchdog, String> {
        let said = &mut self.said;
        let log: Say<'_> = &mut |level: Level, text: fmt::Arguments<'_>| said.push(format!("{}: {text}", level.word()));
        let device = Box::new(Recorded(self.driver.clone()));
        Watchdog::arm(PATH, device, self.facts.clone(), timings, at(0), log)
    }

    fn armed(&mut self) -> Watchdog {
        self.arm(&timings(1_000, 11_000)).unwrap()
    }

    /// What was done to the device since the last call.
    fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.driver.borrow_mut().done)
    }
}

fn words() -> LastWords {
    LastWords::now(Epitaph::StopFailed, "group a: the stop of apache failed")
}

#[test]
fn the_timeout_is_the_longest_that_bites_before_the_takeover() {
    let mut bench = Bench::new(Driver::usual());
    let dog = bench.armed();
    assert_eq!(bench.done(), ["timeout 7"]);
    assert_eq!(bench.said, ["notice: watchdog /dev/watchdog0 (recorder): armed, 7 s"]);
    assert!(dog.report().in_time);
    assert!(dog.report().json().contains("\"state\":\"armed\",\"timeout_ms\":7000,\"in_time\":true"));
}

#[test]
fn a_daemon_that_dies_just_before_its_next_beat_has_been_reset_before_the_takeover() {
    let times = [(1_000, 10_000), (1_000, 11_000), (100, 5_000), (3_000, 20_000), (200, 60_000), (2_000, 5_000)];
    for (keepalive, deadtime) in times {
        let timings = timings(keepalive, deadtime);
        // The kernel feeds it when the process ends.
        let bitten = |seconds| lease::watchdog_silence(secs(seconds), timings.keepalive);
        for seconds in (1..60).filter(|seconds| timings.in_time(*seconds)) {
            assert!(bitten(seconds) <= timings.lease.takeover, "{keepalive}/{deadtime}: {seconds} s");
        }
    }
    assert_eq!(timings(1_000, 10_000).fitting(), Some(6));
    assert_eq!(timings(100, 5_000).fitting(), Some(1));
    assert_eq!(timings(2_000, 5_000).fitting(), None, "3 s fit the wait, but not the keepalive");
    assert_eq!(timings(100, 2_100).fitting(), None, "1 s fits the wait, but not a daemon that spins");
}

#[test]
fn what_the_driver_took_is_read_back_and_said() {
    let mut bench = Bench::new(Driver { takes: vec![1, 4, 16, 64], rounds: true, ..Driver::usual() });
    let dog = bench.armed();
    assert_eq!(dog.report().timeout, secs(16), "asked for 7, echoed 7, took 16");
    assert!(!dog.report().in_time);
    assert!(bench.said[0].ends_with("armed, 16 s instead of 7 s"), "{:?}", bench.said);
    assert!(bench.said[1].starts_with("warning: ") && bench.said[1].contains("bites after 16 s"), "{:?}", bench.said);
}

#[test]
fn a_timeout_that_is_refused_is_halved_and_then_doubled() {
    let mut bench = Bench::new(Driver { takes: vec![1, 3], ..Driver::usual() });
    assert_eq!(bench.armed().report().timeout, secs(3));
    assert_eq!(bench.done(), ["refused 7", "timeout 3", "closed"]);
    // One second is less than two keepalives: better late than at any moment.
    let mut bench = Bench::new(Driver { takes: vec![1, 28], ..Driver::usual() });
    assert_eq!(bench.armed().report().timeout, secs(28));
    assert_eq!(bench.done(), ["refused 7", "refused 3", "refused 14", "timeout 28", "closed"]);
    // One whose timeout is fixed.
    let mut bench = Bench::new(Driver { options: Some(MAGICCLOSE), ..Driver::usual() });
    assert_eq!(bench.armed().report().timeout, secs(30));
    assert_eq!(bench.done(), ["closed"], "nothing is set that cannot be");
    let mut bench = Bench::new(Driver { takes: vec![], ..Driver::usual() });
    assert_eq!(bench.armed().report().timeout, secs(30), "one that refuses all keeps its own");
    assert_eq!(bench.done().len(), 9 + 1, "and there is an end to trying");
}

#[test]
fn the_bounds_of_sysfs_are_kept() {
    let folder = Folder::new("bounds");
    for (least, most, set) in [("10", "60", "timeout 10"), ("0", "5", "timeout 5"), ("9", "3", "timeout 9")] {
        fs::write(folder.path().join("min_timeout"), least).unwrap();
        fs::write(folder.path().join("max_timeout"), most).unwrap();
        let mut bench = Bench::new(Driver::usual());
        bench.facts = facts_in(folder.path());
        let _dog = bench.armed();
        assert_eq!(bench.done(), [set]);
    }
}

#[test]
fn a_fast_node_has_the_shortest_watchdog_and_is_told_that_it_is_late() {
    let mut bench = Bench::new(Driver::usual());
    let dog = bench.arm(&timings(100, 300)).unwrap();
    assert_eq!((dog.report().timeout, dog.report().in_time), (secs(1), false));
    assert!(bench.said[1].contains("does not guarantee one owner"), "{:?}", bench.said);
}

#[test]
fn a_healthy_loop_is_never_bitten() {
    for (keepalive, deadtime) in [(2_000, 5_000), (1_000, 11_000), (100, 300), (1_500, 4_500), (10_000, 30_000)] {
        let timings = timings(keepalive, deadtime);
        let mut bench = Bench::new(Driver::usual());
        let mut dog = bench.arm(&timings).unwrap();
        let timeout = dog.report().timeout;
        let (mut fed_at, mut worst) = (at(0), Duration::ZERO);
        bench.done();
        for turn in 0..200 {
            let now = at(turn * keepalive);
            dog.feed(now).unwrap();
            if bench.done() == ["fed"] {
                worst = worst.max(now.since(fed_at));
                fed_at = now;
            }
        }
        assert!(fed_at > at(0));
        assert!(worst <= timeout - timeout.part(4), "{keepalive}/{deadtime}: {worst:?} of {timeout:?}");
    }
}

#[test]
fn it_is_fed_four_times_a_timeout_at_most() {
    let mut bench = Bench::new(Driver::usual());
    let mut dog = bench.armed();
    bench.done();
    let mut fed = Vec::new();
    for millis in 0..7_000 {
        dog.feed(at(millis)).unwrap();
        if bench.done() == ["fed"] {
            fed.push(millis);
        }
    }
    assert_eq!(fed, [1_750, 3_500, 5_250]);
    assert_eq!(dog.report().fed, 3);
    assert_eq!(dog.wake_at(), None, "nobody is woken to feed it: a beat is due sooner");
}

#[test]
fn a_feed_allocates_nothing() {
    let (mut bench, mut noted) = (Bench::new(Driver::usual()), 0);
    let mut dog = bench.armed();
    bench.driver.borrow_mut().done = Vec::with_capacity(200);
    let before = crate::host::sys::testing::allocations();
    for millis in 0..200_000 {
        dog.feed(at(millis)).unwrap();
        noted += 1;
    }
    let fed = dog.report().fed;
    // The recording device makes a word of each feed.
    assert_eq!(crate::host::sys::testing::allocations() - before, fed);
    assert_eq!((noted, fed), (200_000, 114));
}

#[test]
fn a_feed_that_fails_is_said_once_and_tried_at_every_beat() {
    let mut bench = Bench::new(Driver::usual());
    let mut dog = bench.armed();
    bench.driver.borrow_mut().broken = true;
    let said = dog.feed(at(2_000)).unwrap_err();
    assert!(said.contains("cannot be fed: No such device") && said.contains("within 7 s"), "{said}");
    assert_eq!(dog.feed(at(2_100)), Ok(()));
    assert_eq!(dog.report().failed, 2);
    bench.done();
    bench.driver.borrow_mut().broken = false;
    dog.feed(at(2_200)).unwrap();
    assert_eq!(bench.done(), ["fed"]);
    bench.driver.borrow_mut().broken = true;
    assert!(dog.feed(at(4_200)).is_err(), "another streak is said again");
}

#[test]
fn disarmed_it_has_its_former_timeout_and_the_magic_is_the_last_write() {
    let mut bench = Bench::new(Driver::usual());
    let mut dog = bench.armed();
    dog.feed(at(3_000)).unwrap();
    bench.done();
    dog.disarm().unwrap();
    assert_eq!(bench.done(), ["timeout 30", "magic", "closed"]);
    assert_eq!((dog.disarm(), dog.feed(at(9_000)), bench.done()), (Ok(()), Ok(()), vec![]));
    assert_eq!(dog.report().state, State::Disarmed);
}

#[test]
fn dropped_in_any_other_way_it_stays_armed() {
    let mut bench = Bench::new(Driver::usual());
    drop(bench.armed());
    assert_eq!(bench.done(), ["timeout 7", "closed"]);
}

#[test]
fn nowayout_is_said_at_the_start_and_at_the_end() {
    let folder = Folder::new("nowayout");
    fs::write(folder.path().join("nowayout"), "1").unwrap();
    fs::write(folder.path().join("state"), "active").unwrap();
    let mut bench = Bench::new(Driver::usual());
    bench.facts = facts_in(folder.path());
    let mut dog = bench.armed();
    assert!(bench.said.iter().any(|line| line.contains("running already")), "{:?}", bench.said);
    assert!(bench.said.iter().any(|line| line.contains("nowayout")), "{:?}", bench.said);
    let said = dog.disarm().unwrap_err();
    assert!(said.contains("nowayout") && said.contains("in 30 s unless"), "{said}");
    assert_eq!(dog.report().state, State::LeftRunning);
    assert!(dog.report().degraded().is_some());
}

#[test]
fn one_that_runs_on_or_cannot_be_written_is_said() {
    let folder = Folder::new("runs-on");
    fs::write(folder.path().join("state"), "active").unwrap();
    let mut bench = Bench::new(Driver::usual());
    bench.facts = facts_in(folder.path());
    assert!(bench.armed().disarm().unwrap_err().contains("runs on"));
    bench.facts = Facts::default();
    let mut dog = bench.armed();
    bench.driver.borrow_mut().broken = true;
    assert!(dog.disarm().unwrap_err().contains("cannot be disarmed: No such device"));
    assert_eq!(bench.done().last().unwrap(), "closed");
}

#[test]
fn one_that_any_close_disarms_is_said() {
    let mut bench = Bench::new(Driver { options: Some(SETTIMEOUT), ..Driver::usual() });
    bench.armed();
    assert!(bench.said[1].contains("a kill included; load its driver with nowayout=1"), "{:?}", bench.said);
}

#[test]
fn the_kernel_is_told_beforehand_where_that_leaves_time() {
    let driver = || Driver { options: Some(SETTIMEOUT | MAGICCLOSE | PRETIMEOUT), ..Driver::usual() };
    let mut bench = Bench::new(driver());
    let dog = bench.armed();
    assert_eq!(bench.done(), ["timeout 7", "pretimeout 1"]);
    assert!(dog.report().to_string().ends_with("armed, 7 s, the kernel is told 1 s before"));
    let mut bench = Bench::new(driver());
    let _dog = bench.arm(&timings(100, 300)).unwrap();
    assert_eq!(bench.done(), ["timeout 1"]);
}

#[test]
fn what_cannot_guard_is_refused_and_given_back() {
    let refused = |driver: Driver, timings: &Timings| {
        let mut bench = Bench::new(driver);
        let why = bench.arm(timings).err().unwrap();
        assert!(bench.said.is_empty(), "{:?}", bench.said);
        (why, bench.done().join(", "))
    };
    let usual = timings(1_000, 11_000);
    let (why, done) = refused(Driver { options: None, timeout: None, ..Driver::usual() }, &usual);
    assert!(why.contains("/dev/watchdog0 is no watchdog of Linux: Inappropriate ioctl"), "{why}");
    assert_eq!(done, "closed", "nothing is written to what may be anything");
    let (why, done) = refused(Driver { options: Some(SETTIMEOUT | ALARMONLY), ..Driver::usual() }, &usual);
    assert!(why.contains("resets nothing"), "{why}");
    assert_eq!(done, "timeout 30, magic, closed");
    let (why, done) = refused(Driver { takes: vec![], timeout: None, ..Driver::usual() }, &usual);
    assert!(why.contains("does not tell its timeout"), "{why}");
    assert!(done.ends_with("magic, closed"), "{done}");
    let (why, done) = refused(Driver { takes: vec![1], ..Driver { timeout: Some(1), ..Driver::usual() } }, &usual);
    assert!(why.contains("a timeout of 1 s and takes none of 2 s or more") && why.contains("1000 ms"), "{why}");
    assert!(done.ends_with("timeout 1, magic, closed"), "{done}");
}

#[test]
fn one_that_ran_before_and_is_refused_stays_armed() {
    let folder = Folder::new("stays-armed");
    fs::write(folder.path().join("state"), "active").unwrap();
    let mut bench = Bench::new(Driver { options: Some(SETTIMEOUT | ALARMONLY), ..Driver::usual() });
    bench.facts = facts_in(folder.path());
    assert!(bench.arm(&timings(1_000, 11_000)).err().unwrap().ends_with("stays armed"));
    assert_eq!(bench.done(), ["timeout 30", "closed"]);
}

#[test]
fn to_bite_it_is_hastened_and_never_fed_again_and_the_reason_is_left_behind() {
    let (mut bench, mut machine) = (Bench::new(Driver::usual()), Noted::default());
    let mut dog = bench.armed();
    dog.feed(at(5_000)).unwrap();
    bench.done();
    dog.bite(at(5_100), &words(), &mut machine).unwrap();
    assert_eq!(bench.done(), ["timeout 1"]);
    let log = "kernel: resets this node: group a: the stop of apache failed (stop-failed)";
    assert_eq!(machine.done, [log, "kept: group a: the stop of apache failed"]);
    assert_eq!(dog.report().state, State::Biting);
    assert!(dog.disarm().is_err(), "that is not called off");
    dog.feed(at(9_000)).unwrap();
    dog.bite(at(9_000), &words(), &mut machine).unwrap();
    assert_eq!((bench.done(), machine.done.len()), (vec![], 2));
}

#[test]
fn a_watchdog_that_does_not_bite_is_not_waited_for() {
    let (mut bench, mut machine) = (Bench::new(Driver::usual()), Noted::default());
    let mut dog = bench.armed();
    dog.bite(at(1_000), &words(), &mut machine).unwrap();
    machine.done.clear();
    let due = dog.wake_at().unwrap();
    assert_eq!(due, at(1_000) + secs(1) + secs(2));
    assert_eq!((dog.wake(at(1_500), &mut machine), machine.done.len()), (Ok(()), 0));
    let said = dog.wake(due, &mut machine).unwrap_err();
    assert!(said.contains("did not reset this node") && said.contains("CAP_SYS_BOOT"), "{said}");
    assert_eq!(machine.done, ["restart"]);
    assert_eq!(dog.wake_at(), Some(due + AGAIN), "again, but not at once");
}

#[test]
fn what_would_bite_sooner_by_itself_is_left_alone() {
    let (mut bench, mut machine) = (Bench::new(Driver::usual()), Noted::default());
    let mut dog = bench.armed();
    bench.done();
    dog.bite(at(6_400), &words(), &mut machine).unwrap();
    assert_eq!((bench.done(), dog.wake_at()), (vec![], Some(at(6_400) + Duration::from_millis(600) + secs(2))));
    // A driver with nothing shorter.
    let mut bench = Bench::new(Driver { takes: vec![7], ..Driver::usual() });
    let mut dog = bench.armed();
    dog.bite(at(0), &words(), &mut machine).unwrap();
    assert_eq!(dog.wake_at(), Some(at(0) + secs(7) + secs(2)));
}

#[test]
fn a_reset_that_nothing_can_be_written_of_comes_all_the_same() {
    let (mut bench, mut machine) = (Bench::new(Driver::usual()), Noted { full: true, ..Noted::default() });
    let mut dog = bench.armed();
    let said = dog.bite(at(0), &words(), &mut machine).unwrap_err();
    assert!(said.contains("the kernel's log: No space left") && said.contains("nor to the run directory"), "{said}");
    assert_eq!(dog.report().state, State::Biting);
    assert!(reboot_now(&words(), &mut machine).unwrap_err().contains("No space left"));
    assert_eq!(machine.done.last().unwrap(), "restart");
}

#[test]
fn without_a_watchdog_the_machine_is_restarted() {
    let mut machine = Noted::default();
    let said = reboot_now(&words(), &mut machine).unwrap_err();
    assert!(said.starts_with("this node cannot be restarted: Operation not permitted"), "{said}");
    assert_eq!(machine.done.len(), 3);
    assert_eq!(machine.done[2], "restart", "said before it is done");
    // The same where it was disarmed.
    let mut bench = Bench::new(Driver::usual());
    let mut dog = bench.armed();
    dog.disarm().unwrap();
    assert!(dog.bite(at(0), &words(), &mut machine).is_err());
    assert_eq!(machine.done.len(), 6);
}

#[test]
fn why_the_machine_started_is_kept() {
    let mut bench = Bench::new(Driver { boot_status: 0x20, ..Driver::usual() });
    assert_eq!(bench.armed().boot_status(), Some(0x20));
}

#[test]
fn a_path_that_is_no_watchdog_is_refused() {
    let said = Watchdog::open("/dev/null", &timings(1_000, 11_000), at(0), &mut |_, _| {}).err().unwrap();
    assert!(said.contains("/dev/null is no watchdog of Linux"), "{said}");
}
