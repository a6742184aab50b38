use std::collections::VecDeque;

use super::*;
use crate::host::cable::verdict::{Kind, Verdict};
use crate::host::cable::word::Out;
use crate::host::lines::Lines;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// A test of one second, for which the other end is waited twenty.
const LASTS: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(1));
const TICK: Duration = Duration::from_millis(1);
const BEGIN: Instant = Instant::from_micros(77_000_000);

/// What happens to the bytes that an end sends.
#[derive(Clone, Copy, Default)]
struct Way {
    cut: bool,
    looped: bool,
    /// One bit in so many is wrong.
    wrong: Option<u64>,
    /// Nothing passes from then on.
    until: Option<Instant>,
}

struct End {
    tester: Tester,
    begins: Instant,
    way: Way,
    /// When a byte arrives at the other end, and at which speed it was sent.
    sent: VecDeque<(Instant, u32, u8)>,
    free_at: Instant,
    report: Report,
    done_at: Option<Instant>,
}

impl End {
    fn new(id: u32, baud: u32, after: u64) -> Self {
        let begins = BEGIN + MS(after);
        let tester = Tester::new(begins, id, baud, LASTS);
        let report = Report::Unknown;
        Self { tester, begins, way: Way::default(), sent: VecDeque::new(), free_at: BEGIN, report, done_at: None }
    }

    fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    fn showing(mut self, report: Report) -> Self {
        self.report = report;
        self
    }

    fn turn(&mut self, now: Instant) {
        if now < self.begins || self.done_at.is_some() {
            return;
        }
        self.tester.see(now, self.report);
        let mut out = Vec::new();
        for _ in 0..100 {
            match self.tester.poll(now, &mut out) {
                Act::Send => self.send(now, &out),
                Act::Speed(_) => {}
                Act::Wait(until) => return assert!(until > now, "a wait for the past: {:?}", self.tester.stage()),
                Act::Done => return self.done_at = Some(now),
            }
        }
        panic!("it never waits: {:?}", self.tester.stage());
    }

    fn send(&mut self, now: Instant, bytes: &[u8]) {
        let speed = self.tester.speed;
        for byte in bytes {
            self.free_at = self.free_at.max(now) + Duration::from_micros(10_000_000 / u64::from(speed));
            self.sent.push_back((self.free_at, speed, *byte));
        }
        assert!(self.sent.len() < 512, "more is sent than the line carries");
    }

    fn arrived(&mut self, now: Instant) -> Vec<(u32, u8)> {
        let mut arrived = Vec::new();
        while self.sent.front().is_some_and(|(at, ..)| *at <= now) {
            arrived.extend(self.sent.pop_front().map(|(_, speed, byte)| (speed, byte)));
        }
        arrived
    }

    fn hear(&mut self, now: Instant, bytes: &[(u32, u8)]) {
        let running = now >= self.begins && self.done_at.is_none();
        let mine = self.tester.speed;
        let heard: Vec<u8> =
            bytes.iter().map(|(speed, byte)| if *speed == mine { *byte } else { byte.rotate_left(3) ^ 0xf8 }).collect();
        if running && !heard.is_empty() {
            self.tester.hear(now, &heard);
        }
    }

    fn kind(&self) -> Kind {
        self.verdict().kind
    }

    fn verdict(&self) -> Verdict<'_> {
        Verdict::new("/dev/ttyS1", &self.tester, Vec::new())
    }

    fn faults(&self) -> Vec<String> {
        self.verdict().remarks.into_iter().filter(|remark| remark.fault).map(|remark| remark.what).collect()
    }
}

/// Both ends of one cable, until both are done. `stray` comes to the first end at its own speed, once a second.
fn run(mut ends: [End; 2], stray: &[u8]) -> [End; 2] {
    let mut random = 0x1234_5678_u64;
    let mut now = BEGIN;
    while ends.iter().any(|end| end.done_at.is_none()) {
        now += TICK;
        assert!(now.since(BEGIN) < Duration::from_secs(120), "it does not end");
        for from in [0, 1] {
            ends[from].turn(now);
            let way = ends[from].way;
            let mut bytes = ends[from].arrived(now);
            for (_, byte) in &mut bytes {
                for bit in 0..8 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    if way.wrong.is_some_and(|one_in| (random >> 33).is_multiple_of(one_in)) {
                        *byte ^= 1 << bit;
                    }
                }
            }
            if way.looped {
                ends[from].hear(now, &bytes);
            } else if !way.cut && way.until.is_none_or(|until| now < until) {
                ends[1 - from].hear(now, &bytes);
            }
        }
        if !stray.is_empty() && now.as_micros().is_multiple_of(200_000) {
            let baud = ends[0].tester.baud;
            let bytes: Vec<_> = stray.iter().map(|byte| (baud, *byte)).collect();
            ends[0].hear(now, &bytes);
        }
    }
    ends
}

fn pair(bauds: (u32, u32), later: u64) -> [End; 2] {
    [End::new(11, bauds.0, 0), End::new(22, bauds.1, later)]
}

/// An end that is not there.
fn nobody() -> End {
    let mut end = End::new(33, 9_600, 0).way(Way { cut: true, ..Way::default() });
    end.done_at = Some(BEGIN);
    end
}

#[test]
fn a_good_cable_is_good_at_both_ends() {
    for end in run(pair((115_200, 115_200), 7_000), b"") {
        let tally = &end.tester.tally;
        assert_eq!((end.kind(), end.faults()), (Kind::Data, vec![]));
        assert!(tally.received > 50 && tally.received == tally.expected() && tally.damaged == 0, "{tally:?}");
        assert!(tally.theirs.is_some_and(|(expected, received)| expected == received && expected > 50), "{tally:?}");
        assert_eq!(end.tester.speed, 115_200);
    }
}

#[test]
fn the_round_trip_is_twice_the_line_and_nothing_of_the_pause() {
    for end in run(pair((19_200, 19_200), 0), b"") {
        let trip = end.tester.tally.round_trip().unwrap();
        // 48 bytes there, 48 back; each end looks every millisecond.
        let line = Duration::from_micros(2 * 48 * 10_000_000 / 19_200);
        assert!(trip.least >= line - MS(3) && trip.most <= line + MS(5), "{trip:?} instead of {line:?}");
    }
}

#[test]
fn two_speeds_meet_whenever_they_begin() {
    for later in (0..4_000).step_by(130) {
        for bauds in [(115_200, 57_600), (1_200, 115_200), (9_600, 38_400)] {
            let ends = run(pair(bauds, later), b"");
            let [one, two] = &ends;
            let fault = format!("the other end is set to {}, this one to {}", bauds.1, bauds.0);
            assert_eq!(one.faults(), [fault], "{later} ms later");
            assert_eq!((one.tester.speed, two.tester.speed), (bauds.0.min(bauds.1), bauds.0.min(bauds.1)));
            let took = two.done_at.unwrap().since(two.begins);
            assert!(took < Duration::from_secs(8), "{took:?} with {bauds:?}, {later} ms later");
        }
    }
}

#[test]
fn wrong_bits_are_counted_at_the_end_that_hears_them_and_told_to_the_other() {
    let [one, two] = pair((115_200, 115_200), 100);
    let noisy = Way { wrong: Some(5_000), ..Way::default() };
    let [one, two] = run([one.way(noisy), two], b"");
    assert!(two.faults()[0].starts_with("bits are wrong on the way here"), "{:?}", two.faults());
    assert!(one.faults()[0].ends_with("frames did not arrive at the other end"), "{:?}", one.faults());
    let tally = &two.tester.tally;
    let bits = u64::from(tally.expected()) * ON_THE_LINE * 8;
    let errors = u64::from(tally.expected() - tally.received);
    assert!((2_500..15_000).contains(&(bits / errors)), "one in {}", bits / errors);
    assert_eq!(one.tester.tally.expected(), one.tester.tally.received);
}

#[test]
fn a_loopback_plug_is_named_and_measured() {
    let looped = Way { looped: true, ..Way::default() };
    let [one, _] = run([End::new(11, 115_200, 0).way(looped), nobody()], b"");
    assert_eq!((one.kind(), one.faults()), (Kind::Loopback, vec![]));
    assert!(one.tester.tally.received > 50 && one.tester.tally.round_trip().is_some());
    assert!(one.done_at.unwrap().since(one.begins) < Duration::from_secs(4));
}

#[test]
fn a_broken_direction_is_told_apart_from_the_other() {
    let [one, two] = pair((115_200, 115_200), 300);
    let [one, two] = run([one.way(Way { cut: true, ..Way::default() }), two], b"");
    assert_eq!((one.kind(), two.kind()), (Kind::Unheard, Kind::Nothing));
    assert!(one.faults()[0].contains("what this end sends does not arrive"));
}

#[test]
fn alone_it_ends_and_says_what_may_be_wrong() {
    let [one, _] = run([End::new(11, 115_200, 0), nobody()], b"");
    assert_eq!((one.kind(), one.faults()), (Kind::Nothing, vec!["nothing was heard from the other end".into()]));
    let took = one.done_at.unwrap().since(one.begins);
    assert!(took < Duration::from_secs(28), "{took:?}");
    let open = End::new(11, 115_200, 0).showing(Report::Known { lines: Lines::ALL, strapped: Lines::NONE });
    let [open, _] = run([open, nobody()], b"");
    let advice = open.verdict().remarks.remove(0).remedy;
    assert!(advice.starts_with("its port is open, as the lines show"), "{advice}");
}

/// Silence with every line down is a straight-through cable or none; a line that is up leaves only the other reasons.
#[test]
fn a_straight_through_cable_is_ruled_out_by_lines_and_by_nothing_else() {
    for (report, possible) in [
        (Report::Unknown, true),
        (Report::Known { lines: Lines::NONE, strapped: Lines::NONE }, true),
        (Report::Known { lines: Lines::ALL, strapped: Lines::ALL }, false),
        (Report::Known { lines: Lines::ALL, strapped: Lines::NONE }, false),
    ] {
        let [one, _] = run([End::new(11, 115_200, 0).showing(report), nobody()], b"");
        assert_eq!(one.kind(), Kind::Nothing);
        let advice = one.verdict().remarks.remove(0).remedy;
        assert_eq!(advice.contains("straight-through"), possible, "{report:?}: {advice}");
    }
}

#[test]
fn a_getty_and_a_daemon_at_the_other_end_are_told_apart() {
    let [getty, _] = run([End::new(11, 115_200, 0), nobody()], b"\r\nnode2 login: ");
    assert_eq!(getty.kind(), Kind::Other);
    assert!(getty.faults()[0].contains("a getty or a console") && getty.faults()[0].contains("node2 login:"));
    let mut beat = Vec::new();
    let Ok(()) = lubdub::wire::frame::encode(&[7; 24], &mut Out(&mut beat));
    let [daemon, _] = run([End::new(11, 115_200, 0), nobody()], &beat);
    assert_eq!(daemon.faults(), ["a heartbeat daemon speaks at the other end"]);
}

#[test]
fn a_daemon_at_another_speed_is_found_by_listening() {
    struct Daemon(u32, VecDeque<u8>);
    let mut beat = Vec::new();
    let Ok(()) = lubdub::wire::frame::encode(&[7; 24], &mut Out(&mut beat));
    let mut daemon = Daemon(57_600, VecDeque::new());
    let mut end = End::new(11, 115_200, 0);
    let mut now = BEGIN;
    while end.done_at.is_none() {
        now += TICK;
        end.turn(now);
        end.arrived(now);
        if now.as_micros().is_multiple_of(100_000) {
            daemon.1.extend(&beat);
        }
        let bytes: Vec<_> = daemon.1.drain(..daemon.1.len().min(5)).map(|byte| (daemon.0, byte)).collect();
        end.hear(now, &bytes);
    }
    assert_eq!(end.faults(), ["a heartbeat daemon speaks at the other end at 57600 (this end is set to 115200)"]);
}

#[test]
fn a_cable_that_is_pulled_in_the_middle_is_noticed() {
    let [one, two] = pair((115_200, 115_200), 0);
    let pulled = Way { until: Some(BEGIN + MS(4_000)), ..Way::default() };
    let long = (LASTS.0, Duration::from_secs(10));
    let [mut one, mut two] = [one.way(pulled), two.way(pulled)];
    (one.tester, two.tester) = (Tester::new(BEGIN, 11, 115_200, long), Tester::new(BEGIN, 22, 115_200, long));
    for end in run([one, two], b"") {
        assert!(end.faults()[0].starts_with("the other end fell silent"), "{:?}", end.faults());
    }
}

#[test]
fn an_end_that_was_lost_is_searched_for_again_however_late_it_was_found() {
    let mut tester = Tester::new(BEGIN, 1, 115_200, (Duration::from_secs(20), Duration::from_secs(10)));
    let lost = BEGIN + Duration::from_secs(22);
    tester.peer = Some(Peer { id: 2, baud: 115_200, hears: true });
    tester.stage = Stage::Measure(BEGIN + Duration::from_secs(19));
    let mut out = Vec::new();
    for millis in 0..4_000 {
        tester.poll(lost + MS(millis), &mut out);
        assert!(matches!(tester.stage(), Stage::Search(_)), "after {millis} ms: {:?}", tester.stage());
    }
    tester.poll(lost + MS(4_000), &mut out);
    assert!(matches!(tester.stage(), Stage::Listen(..)), "{:?}", tester.stage());
}

#[test]
fn the_modem_lines_name_the_kind() {
    let known = |lines, strapped| Report::Known { lines, strapped };
    let carrier = Lines::DSR.or(Lines::DCD);
    for (report, kind) in [
        (Report::Unknown, Kind::Data),
        (known(Lines::NONE, Lines::NONE), Kind::ThreeWire),
        (known(Lines::ALL, Lines::ALL), Kind::Strapped),
        (known(Lines::ALL, Lines::NONE), Kind::NullModem),
        (known(carrier, Lines::NONE), Kind::NullModem),
    ] {
        let ends = pair((115_200, 115_200), 0).map(|end| end.showing(report));
        for end in run(ends, b"") {
            assert_eq!(end.kind(), kind);
            assert!(end.verdict().is_good(), "{:?}", end.faults());
        }
    }
}

#[test]
fn the_verdict_as_json_is_one_object() {
    let [one, _] = run(pair((115_200, 57_600), 0), b"");
    let json = one.verdict().json();
    for part in
        ["\"kind\":\"data\"", "\"good\":false", "\"peer_baud\":57600", "\"measured_baud\":57600", "\"bit_errors\":0"]
    {
        assert!(json.contains(part), "{part} is not in {json}");
    }
    assert_eq!(json.matches(['{', '[']).count(), json.matches(['}', ']']).count(), "{json}");
}
