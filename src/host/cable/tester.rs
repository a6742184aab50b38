//! One end of a cable under test: bytes and the time in, bytes and a speed out.
//!
//! Both ends do the same, whenever they are started. Each searches for the other: it speaks at its own speed for a
//! while, then at a speed that both know, and so on. The second while is longer than half of the whole, so two ends that
//! search are at the common speed together in every round, whatever their own speeds are and whoever began. When each
//! knows that the other hears it, both go to the slower one's speed and measure. An end that finds nobody at last listens
//! at every usual speed, for what else there may be.

use lubdub::time::{Duration, Instant};
use lubdub::wire::frame::Deframer;

use super::tally::Tally;
use super::word::{ON_THE_LINE, Word};
use crate::host::lines::{Modem, Report};

/// How long an end searches at its own speed.
const HOME: Duration = Duration::from_millis(800);
/// How long at the common one: more than half of a round.
const MEET: Duration = Duration::from_millis(1_200);
/// The speed that every UART has.
pub const MEETING: u32 = 9_600;
/// The speeds that are listened at: those of termios(3) that such cables are used with.
pub const SPEEDS: [u32; 10] = [115_200, 57_600, 38_400, 19_200, 9_600, 4_800, 2_400, 1_200, 230_400, 460_800];
/// How long at each.
const LISTEN: Duration = Duration::from_millis(600);
/// A word is sent so often at most.
const SEARCH_EVERY: Duration = Duration::from_millis(60);
/// See [`SEARCH_EVERY`]; while measuring. As often as fast beats.
const MEASURE_EVERY: Duration = Duration::from_millis(5);
/// An end that hears the other one stays at that speed for so long, to be heard too.
const STAY: Duration = Duration::from_secs(1);
/// Words that tell the other end that it is heard before the speed changes.
const FAREWELLS: u32 = 6;
/// An end that measures and hears nobody for this long searches again.
const ALONE: Duration = Duration::from_secs(3);
/// How often it does so.
const ATTEMPTS: u32 = 3;
/// Words are sent on for so long at the end, since the other end may have begun later.
const TAIL: Duration = Duration::from_millis(800);
/// Own words heard in a row without anybody else's are a loop.
const LOOPED: u32 = 4;
/// Bytes of foreign text that are kept for the person at the console.
const SAMPLE: usize = 48;

/// What the tester wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Hand the bytes to the line.
    Send,
    /// Set this speed and forget what was received.
    Speed(u32),
    /// Call again by then.
    Wait(Instant),
    /// It is over.
    Done,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking for the other end since then.
    Search(Instant),
    /// Both ends hear each other: so many words until the speed changes.
    Agree(u32),
    /// Measuring since then.
    Measure(Instant),
    /// Listening at the speed with this number, since then.
    Listen(usize, Instant),
    /// Over.
    Done,
}

/// The other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it calls itself; this end's own number with a loopback.
    pub id: u32,
    /// The speed that it is to use.
    pub baud: u32,
    /// It hears this end.
    pub hears: bool,
}

/// What came at a speed and was no word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Bytes.
    pub bytes: u64,
    /// Of these, text.
    pub text: u64,
    /// Whole frames: beats of a daemon.
    pub frames: u64,
}

/// One end.
pub struct Tester {
    id: u32,
    /// The speed that this end is to use.
    pub baud: u32,
    /// The speed of the line now.
    pub speed: u32,
    seconds: Duration,
    search_until: Instant,
    stage: Stage,
    attempts: u32,
    /// While searching: until then the speed stays.
    stay_until: Instant,
    deframer: Deframer,
    busy_until: Instant,
    next_at: Instant,
    /// The other end, once it was heard.
    pub peer: Option<Peer>,
    /// Own words that came back.
    pub looped: u32,
    /// What else came while searching, at the own speed, and while listening, with the speed.
    pub foreign: Foreign,
    /// See [`Self::foreign`].
    pub listened: Vec<(u32, Foreign)>,
    /// The beginning of foreign text.
    pub sample: Vec<u8>,
    /// What was measured.
    pub tally: Tally,
    /// The modem lines.
    pub modem: Modem,
    report: Report,
    /// Lines that the other end sees up.
    pub theirs: crate::host::lines::Lines,
    /// When measuring ended, and how long nothing had been heard then.
    pub silent: Duration,
}

impl Tester {
    /// Begins to search, for `wait` at most, to measure for `seconds`. `id` is random.
    pub fn new(now: Instant, id: u32, baud: u32, (wait, seconds): (Duration, Duration)) -> Self {
        Self {
            id: id.max(1),
            baud,
            speed: baud,
            seconds,
            search_until: now + wait,
            stage: Stage::Search(now),
            attempts: 0,
            stay_until: now,
            deframer: Deframer::default(),
            busy_until: now,
            next_at: now,
            peer: None,
            looped: 0,
            foreign: Foreign::default(),
            listened: Vec::new(),
            sample: Vec::new(),
            tally: Tally::default(),
            modem: Modem::default(),
            report: Report::Unknown,
            theirs: Default::default(),
            silent: Duration::ZERO,
        }
    }

    /// What it is about.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether this is what this end calls itself.
    pub const fn is_own(&self, id: u32) -> bool {
        self.id == id
    }

    /// The device says this of its modem lines.
    pub fn see(&mut self, now: Instant, report: Report) {
        self.report = report;
        self.modem.see(now, report);
    }

    /// What the device last said of them.
    pub const fn report(&self) -> Report {
        self.report
    }

    /// Bytes have come.
    pub fn hear(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            match self.deframer.push(*byte) {
                None => {}
                Some(Err(_)) => self.tally.damaged += u32::from(matches!(self.stage, Stage::Measure(_))),
                Some(Ok(body)) => match Word::decode(body) {
                    Some(word) => self.take(now, &word),
                    None => self.count(|foreign| foreign.frames += 1),
                },
            }
        }
        if self.peer.is_none() && self.looped == 0 {
            let is_text = |byte: &&u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
            let text = bytes.iter().filter(is_text).count() as u64;
            self.count(|foreign| {
                (foreign.bytes, foreign.text) = (foreign.bytes + bytes.len() as u64, foreign.text + text)
            });
            let room = SAMPLE.saturating_sub(self.sample.len());
            if self.speed == self.baud {
                self.sample.extend(bytes.iter().filter(|byte| (b' '..=b'~').contains(byte)).take(room));
            }
        }
    }

    fn count(&mut self, how: impl FnOnce(&mut Foreign)) {
        if !matches!(self.stage, Stage::Listen(..)) {
            // At the common speed everything else is garbage.
            if self.speed == self.baud {
                how(&mut self.foreign);
            }
            return;
        }
        if self.listened.last().is_none_or(|(speed, _)| *speed != self.speed) {
            self.listened.push((self.speed, Foreign::default()));
        }
        if let Some((_, foreign)) = self.listened.last_mut() {
            how(foreign);
        }
    }

    /// The device does not have the speed that it is listened at.
    pub fn skip(&mut self, now: Instant) {
        if let Stage::Listen(number, _) = self.stage {
            self.listen(number + 1, now);
        }
    }

    fn listen(&mut self, number: usize, now: Instant) {
        self.stage = if number < SPEEDS.len() { Stage::Listen(number, now) } else { Stage::Done };
    }

    fn take(&mut self, now: Instant, word: &Word) {
        let own = word.from == self.id;
        if own {
            self.looped += 1;
            let alone = self.peer.is_none_or(|peer| peer.id == self.id);
            if alone && self.looped >= LOOPED && matches!(self.stage, Stage::Search(_)) {
                self.peer = Some(Peer { id: self.id, baud: self.baud, hears: true });
                self.stage = Stage::Agree(0);
            }
        } else {
            self.theirs = word.lines;
            self.stay_until = now + STAY;
            let hears = word.to == self.id || self.peer.is_some_and(|peer| peer.id == word.from && peer.hears);
            self.peer = Some(Peer { id: word.from, baud: word.baud, hears });
            if word.to == self.id && matches!(self.stage, Stage::Search(_)) {
                self.stage = Stage::Agree(FAREWELLS);
            }
        }
        let partner = self.peer.is_some_and(|peer| peer.id == word.from);
        if word.measures && partner && matches!(self.stage, Stage::Measure(_)) {
            self.tally.hear(now, word, own);
        }
    }

    /// The next thing to do; what is to be sent is put into `out`.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<u8>) -> Act {
        self.modem.settle(now);
        self.step(now);
        if self.stage == Stage::Done {
            return Act::Done;
        }
        let speed = self.wanted_speed(now);
        if speed != self.speed {
            // What was sent must have left.
            if now < self.busy_until {
                return Act::Wait(self.busy_until);
            }
            self.speed = speed;
            self.deframer = Deframer::default();
            self.next_at = now;
            return Act::Speed(speed);
        }
        let silent = matches!(self.stage, Stage::Listen(..));
        if !silent && now >= self.next_at {
            self.speak(now, out);
            return Act::Send;
        }
        let until = self.stage_until(now);
        Act::Wait(if silent { until } else { until.min(self.next_at) })
    }

    fn speak(&mut self, now: Instant, out: &mut Vec<u8>) {
        let measures = matches!(self.stage, Stage::Measure(_));
        let lines = if let Report::Known { lines, .. } = self.report { lines } else { Default::default() };
        let to = self.peer.map_or(0, |peer| peer.id);
        let mut word = Word { from: self.id, to, baud: self.baud, measures, lines, ..Word::default() };
        if measures {
            self.tally.stamp(now, &mut word);
            let noise = u64::from(word.number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            word.filling.copy_from_slice(&noise[3..]);
        }
        *out = word.encode();
        let wire = Duration::from_micros(ON_THE_LINE * 10_000_000 / u64::from(self.speed));
        self.busy_until = now + wire.times(2);
        self.next_at = now + wire.times(2).max(if measures { MEASURE_EVERY } else { SEARCH_EVERY });
        if let Stage::Agree(left @ 1..) = &mut self.stage {
            *left -= 1;
        }
    }

    fn step(&mut self, now: Instant) {
        match self.stage {
            Stage::Agree(0) => {
                self.tally = Tally::default();
                self.stage = Stage::Measure(now);
            }
            Stage::Search(_) if now >= self.search_until => self.give_up(now),
            Stage::Measure(since) => {
                let silent = self.tally.silent(now).unwrap_or(now.since(since));
                if now >= since + self.seconds + TAIL {
                    self.stage = Stage::Done;
                } else if now < since + self.seconds {
                    self.silent = silent;
                    if self.tally.received == 0 && silent >= ALONE && self.attempts < ATTEMPTS {
                        self.attempts += 1;
                        self.peer = None;
                        self.stage = Stage::Search(now);
                        // However late the first search ended: two whole rounds.
                        self.search_until = self.search_until.max(now + HOME + MEET + HOME + MEET);
                    }
                }
            }
            Stage::Listen(number, since) if now >= since + LISTEN => self.listen(number + 1, now),
            _ => {}
        }
    }

    /// Only what was heard and is not understood is worth listening to at other speeds.
    fn give_up(&mut self, now: Instant) {
        let understood = self.peer.is_some() || self.looped > 0 || self.foreign.frames > 1;
        self.listen(if understood { SPEEDS.len() } else { 0 }, now);
    }

    fn wanted_speed(&self, now: Instant) -> u32 {
        match self.stage {
            Stage::Search(_) if now < self.stay_until => self.speed,
            Stage::Search(since) => {
                let into = now.since(since).as_micros() % (HOME.as_micros() + MEET.as_micros());
                if into < HOME.as_micros() { self.baud } else { MEETING }
            }
            Stage::Measure(_) => self.peer.map_or(self.baud, |peer| peer.baud.min(self.baud)),
            Stage::Listen(number, _) => SPEEDS[number.min(SPEEDS.len() - 1)],
            Stage::Agree(_) | Stage::Done => self.speed,
        }
    }

    fn stage_until(&self, now: Instant) -> Instant {
        match self.stage {
            Stage::Search(since) => {
                let round = HOME.as_micros() + MEET.as_micros();
                let into = now.since(since).as_micros() % round;
                let left = if into < HOME.as_micros() { HOME.as_micros() - into } else { round - into };
                (now + Duration::from_micros(left)).min(self.search_until)
            }
            Stage::Measure(since) if now < since + self.seconds => since + self.seconds,
            Stage::Measure(since) => since + self.seconds + TAIL,
            Stage::Listen(_, since) => since + LISTEN,
            Stage::Agree(_) | Stage::Done => Instant::FAR,
        }
    }
}

#[cfg(test)]
mod tests;
