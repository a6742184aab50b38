use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
const ONE: [u8; 4] = [192, 168, 20, 1];
const OTHER: [u8; 4] = [192, 168, 20, 2];

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

/// Plays with stations of which some answer some questions, each after its time.
struct Play {
    pings: Pings,
    now: u64,
    asked: Vec<u64>,
    news: Vec<(u64, PingNews)>,
    underway: Vec<(u64, IpAddr, Echo)>,
    number: u16,
}

impl Play {
    fn new(addresses: &[[u8; 4]], keepalive: u64, warntime: u64, deadtime: u64) -> Self {
        let timing =
            Timing { keepalive: MS(keepalive), warntime: MS(warntime), deadtime: MS(deadtime), initdead: MS(deadtime) };
        let mut pings = Pings::none();
        let node = |address: &[u8; 4]| PingNode { address: (*address).into(), group: None };
        pings.ask(addresses.iter().map(node).collect(), timing, at(0));
        Self { pings, now: 0, asked: Vec::new(), news: Vec::new(), underway: Vec::new(), number: 0 }
    }

    /// Until `end` ms. `answers` tells how long each station takes to answer at that time; the peer is heard until `peer`.
    fn run(&mut self, end: u64, peer: u64, answers: impl Fn([u8; 4], u64) -> Option<u64>) {
        while self.now < end {
            self.pings.peer_heard(at(self.now.min(peer)));
            let due = self.underway.extract_if(.., |(when, ..)| *when <= self.now).collect::<Vec<_>>();
            for (_, from, echo) in due {
                self.news.extend(self.pings.answered(from, echo, at(self.now)).map(|news| (self.now, news)));
            }
            self.news.extend(self.pings.judge(at(self.now)).map(|news| (self.now, news)));
            if self.pings.is_due(at(self.now)) {
                self.number += 1;
                let echo = Echo { id: 7, number: self.number, token: [1; 8] };
                self.pings.asked(Some(echo), at(self.now));
                self.asked.push(self.now);
                for address in self.pings.addresses() {
                    let IpAddr::V4(v4) = address else { unreachable!("they are of IPv4 here") };
                    let took = answers(v4.octets(), self.now);
                    self.underway.extend(took.map(|took| (self.now + took, address, echo)));
                }
            }
            self.now += 1;
        }
    }

    fn told(&self) -> Vec<(u64, bool)> {
        self.news.iter().map(|(when, news)| (*when, news.answers)).collect()
    }
}

#[test]
fn once_a_second_or_a_keepalive_when_all_is_well() {
    for (keepalive, between) in [(100, 1_000), (1_000, 1_000), (2_000, 2_000)] {
        let mut play = Play::new(&[ONE, OTHER], keepalive, 2 * keepalive, 3 * keepalive);
        play.run(60_000, 60_000, |_, _| Some(1));
        let gaps: Vec<u64> = play.asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap == between), "{gaps:?}");
        assert_eq!(play.told(), []);
    }
}

#[test]
fn silent_deadtime_after_the_last_answer_whether_or_not_the_peer_is_heard() {
    // Tutorial timings, and those of a quick pair, whose deadtime is shorter than the pause between two questions.
    for (keepalive, warntime, deadtime) in [(1_000, 5_000, 10_000), (100, 200, 300), (20, 40, 60)] {
        let (mut least, mut most) = (u64::MAX, 0);
        for phase in (0..1_000).step_by(97) {
            for heard in [true, false] {
                let cut = 20_000 + phase;
                let mut play = Play::new(&[ONE, OTHER], keepalive, warntime, deadtime);
                let peer = if heard { u64::MAX } else { cut };
                play.run(cut + 2_000 + 2 * deadtime, peer, |_, now| (now < cut).then_some(1));
                assert!(play.pings.are_silent());
                assert_eq!(play.told().len(), 2, "each is told once: {:?}", play.news);
                let took = play.news[1].0 - cut;
                least = least.min(took);
                most = most.max(took);
                if !heard {
                    assert!(took <= deadtime + 35, "{keepalive}: {took}");
                }
            }
        }
        let quarter = (keepalive / 4).clamp(10, 250);
        assert!(most <= deadtime.max(1_000 + 3 * quarter + 5), "{keepalive}: {least} to {most}");
        assert!(least + 1_000 >= deadtime, "{keepalive}: {least} to {most}");
    }
}

#[test]
fn one_that_answers_is_enough_and_the_silent_one_is_told() {
    let mut play = Play::new(&[ONE, OTHER], 100, 200, 300);
    play.run(10_000, u64::MAX, |who, now| (who == ONE || now < 5_000).then_some(1));
    assert!(!play.pings.are_silent() && play.pings.prove(at(9_000)));
    assert_eq!(play.told().len(), 1);
    assert_eq!(play.news[0].1.node.address, IpAddr::from(OTHER));
    // No hurry while one answers.
    assert!(play.asked.len() <= 12, "{:?}", play.asked);
    play.run(15_000, u64::MAX, |_, _| Some(1));
    assert_eq!(play.told().last().map(|(_, answers)| *answers), Some(true));
}

#[test]
fn a_slow_station_is_not_silent_although_questions_overtake_its_answers() {
    let mut play = Play::new(&[ONE], 100, 200, 300);
    play.run(30_000, 20_000, |_, _| Some(60));
    assert_eq!(play.told(), []);
    assert!(play.pings.prove(at(29_000) - MS(1_100)));
}

#[test]
fn lost_answers_now_and_then_mean_nothing() {
    let mut play = Play::new(&[ONE], 100, 200, 300);
    let mut dice = 1_u64;
    let lost: Vec<bool> = (0..200_000)
        .map(|_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            dice >> 33 & 7 == 0
        })
        .collect();
    play.run(60_000, u64::MAX, |_, now| (!lost[now as usize]).then_some(1));
    assert_eq!(play.told(), [], "one of eight answers is lost");
}

#[test]
fn one_that_never_answered_is_silent_deadtime_after_its_first_question() {
    let mut play = Play::new(&[ONE], 100, 200, 300);
    play.run(300, u64::MAX, |_, _| None);
    assert_eq!(play.pings.report().next().unwrap().answers, None, "too early to tell");
    play.run(310, u64::MAX, |_, _| None);
    assert_eq!(play.told(), [(300, false)]);
    let before = play.asked.len();
    play.run(10_310, u64::MAX, |_, _| None);
    assert!(play.asked.len() - before <= 11, "no hurry for one that is known to be silent");
    play.run(12_000, u64::MAX, |_, _| Some(2));
    assert_eq!(play.told().len(), 2);
    assert!(play.news[1].1.silent > MS(10_000), "{:?}", play.news);
}

#[test]
fn what_was_not_asked_lately_is_no_answer() {
    let mut pings = Pings::none();
    let timing = Play::new(&[], 100, 200, 300).pings.timing;
    pings.ask(vec![PingNode { address: ONE.into(), group: None }], timing, at(0));
    let echo = |number: u16| Echo { id: 7, number, token: [9; 8] };
    for number in 0..20 {
        pings.asked(Some(echo(number)), at(u64::from(number) * 10));
    }
    let other = Echo { token: [8; 8], ..echo(19) };
    for (from, echo) in [(OTHER, echo(19)), (ONE, other), (ONE, echo(3)), (ONE, echo(20))] {
        assert_eq!(pings.answered(from.into(), echo, at(200)), None);
        assert!(!pings.prove(at(0)), "{echo:?}");
    }
    pings.answered(ONE.into(), echo(10), at(200));
    assert!(pings.prove(at(100)) && !pings.prove(at(101)), "as of its question");
    pings.answered(ONE.into(), echo(8), at(200));
    assert!(pings.prove(at(100)), "an older answer takes nothing back");
}

#[test]
fn a_reload_keeps_what_is_known() {
    let mut play = Play::new(&[ONE, OTHER], 100, 200, 300);
    play.run(5_000, u64::MAX, |who, _| (who == ONE).then_some(1));
    let node = |address: [u8; 4]| PingNode { address: address.into(), group: Some("routers".into()) };
    let timing = play.pings.timing;
    play.pings.ask(vec![node(OTHER), node([10, 0, 0, 1])], timing, at(5_000));
    let answers: Vec<_> = play.pings.report().map(|report| report.answers).collect();
    assert_eq!(answers, [Some(false), None]);
}

#[test]
fn stations_that_cannot_be_asked_are_silent_and_do_not_keep_the_loop_awake() {
    let timing = Timing { keepalive: MS(100), warntime: MS(300), deadtime: MS(600), initdead: MS(600) };
    let mut pings = Pings::none();
    pings.ask(vec![PingNode { address: ONE.into(), group: None }], timing, at(0));
    let mut now = at(0);
    for _ in 0..100 {
        if pings.is_due(now) {
            pings.asked(None, now);
        }
        let _ = pings.judge(now).count();
        let wake_at = pings.wake_at().unwrap();
        assert!(wake_at > now, "a wake at {wake_at:?} that is past at {now:?}");
        now = wake_at;
    }
    assert!(pings.are_silent());
}
