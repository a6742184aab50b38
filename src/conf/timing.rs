//! The times of ha.cf: how they are written, their defaults, and which go together.

use super::diagnostic::{Place, Reporter};
use super::lexer::Word;
use super::phrase::{Phrase, say};
use crate::lease::{self, Exclusive, Wish};
use crate::time::Duration;

/// Shortest time that is taken: below it the scheduler's own delays are longer.
const TIME_MIN: Duration = Duration::from_millis(1);
/// Longest time that is taken; a day of waiting is a misspelt unit.
const TIME_MAX: Duration = Duration::from_secs(86_400);
/// Below this Heartbeat warns about `initdead`: a booting network can need that long.
const INITDEAD_CALM: Duration = Duration::from_secs(10);
/// Bytes on the cable of a beat at most, delimiters included (MD5, two groups).
const BEAT_BYTES: u64 = 32;
/// Bits on the cable for one byte: start, eight, stop.
const BITS_A_BYTE: u64 = 10;
/// Digits after the decimal point that a microsecond can hold.
const DECIMALS: usize = 6;

/// A value and the words that gave it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a, T> {
    pub value: T,
    pub place: Place<'a>,
}

/// The times as ha.cf gives them, none where it is silent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given<'a> {
    pub keepalive: Option<Setting<'a, Duration>>,
    pub warntime: Option<Setting<'a, Duration>>,
    pub deadtime: Option<Setting<'a, Duration>>,
    pub initdead: Option<Setting<'a, Duration>>,
    pub lease: Option<Setting<'a, Duration>>,
}

/// The times in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub keepalive: Duration,
    pub warntime: Duration,
    pub deadtime: Duration,
    pub initdead: Duration,
}

/// How a unit is written.
enum Unit {
    /// As Heartbeat reads it, in microseconds.
    Heartbeat(u64),
    /// As only lubdub reads it, in microseconds.
    Extension(u64),
}

/// Reads a time: a bare number is seconds, decimals allowed; `ms`, `msec`, `us`, `usec` as in Heartbeat; `s`, `sec`,
/// `min` as an extension, with a warning. None when it is none, which has been reported.
pub(super) fn read_time<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<Duration> {
    let digits = word.text.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = word.text.split_at(digits.len());
    let unit_place = word.place.part(digits.len(), unit.len());
    let Some(unit) = read_unit(unit) else {
        let message = say("`{}` is not a unit of time").with(unit);
        report.error(unit_place, message, say("write seconds without a unit, or `ms`, or `us`"));
        return None;
    };
    let micros = match unit {
        Unit::Heartbeat(micros) => micros,
        Unit::Extension(micros) => {
            let message = say("`{}`: Heartbeat does not know this unit, only lubdub does").with(word.text);
            report.warning(unit_place, message, say("write seconds without a unit, or milliseconds with `ms`"));
            micros
        }
    };
    let Some(time) = scale(number, micros) else {
        let message = say("`{}` is not a time").with(word.text);
        report.error(word.place, message, say("write seconds (`2` or `0.5`) or milliseconds (`500ms`)"));
        return None;
    };
    if time < TIME_MIN || time > TIME_MAX {
        let message = say("`{}` is not between {} and {}").with(word.text).with(TIME_MIN).with(TIME_MAX);
        report.error(word.place, message, say("write seconds (`2` or `0.5`) or milliseconds (`500ms`)"));
        return None;
    }
    Some(time)
}

fn read_unit(unit: &str) -> Option<Unit> {
    let is = |names: &[&str]| names.iter().any(|name| unit.eq_ignore_ascii_case(name));
    match unit {
        "" => Some(Unit::Heartbeat(1_000_000)),
        _ if is(&["ms", "msec"]) => Some(Unit::Heartbeat(1_000)),
        _ if is(&["us", "usec"]) => Some(Unit::Heartbeat(1)),
        _ if is(&["s", "sec"]) => Some(Unit::Extension(1_000_000)),
        _ if is(&["min"]) => Some(Unit::Extension(60_000_000)),
        _ => None,
    }
}

/// `number` times `unit`; digits below a microsecond are cut.
fn scale(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut micros = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes().take(DECIMALS + 2) {
        place /= 10;
        micros = micros.checked_add(u64::from(digit - b'0') * place)?;
    }
    Some(Duration::from_micros(micros))
}

impl Given<'_> {
    /// The times in force, with Heartbeat's defaults: keepalive 1 s, deadtime 30 s, warntime half of deadtime, initdead
    /// deadtime when that is over 10 s, 12 s when it is under 6 s, else twice deadtime.
    pub fn timing(&self) -> Timing {
        let or = |setting: Option<Setting<'_, Duration>>, default| setting.map_or(default, |given| given.value);
        let deadtime = or(self.deadtime, Duration::from_secs(30));
        let initdead = if deadtime > Duration::from_secs(10) {
            deadtime
        } else if deadtime < Duration::from_secs(6) {
            Duration::from_secs(12)
        } else {
            deadtime.times(2)
        };
        Timing {
            keepalive: or(self.keepalive, Duration::from_secs(1)),
            warntime: or(self.warntime, deadtime.part(2)),
            deadtime,
            initdead: or(self.initdead, initdead),
        }
    }
}

/// Reports the times that do not go together. `end` is where a missing one could be written.
pub(super) fn judge<'a>(given: &Given<'a>, end: Place<'a>, report: &mut Reporter<'a, '_>) {
    let timing = given.timing();
    let at = |first: Option<Setting<'a, Duration>>, second: Option<Setting<'a, Duration>>| {
        first.or(second).map_or(end, |setting| setting.place)
    };
    if timing.deadtime <= timing.keepalive.times(2) {
        let message =
            say("deadtime ({}) is not longer than two keepalives ({} each): one lost beat would look like death");
        let message = message.with(timing.deadtime).with(timing.keepalive);
        report.error(at(given.deadtime, given.keepalive), message, say("make deadtime at least three keepalives"));
    }
    if timing.initdead < timing.deadtime {
        let message = say("initdead ({}) is shorter than deadtime ({})");
        let message = message.with(timing.initdead).with(timing.deadtime);
        report.error(
            at(given.initdead, given.deadtime),
            message,
            say("make initdead at least deadtime, better 10 or more"),
        );
    } else if timing.initdead < INITDEAD_CALM {
        let message = say("initdead ({}) is shorter than {}: a node that boots slowly is taken for dead");
        let message = message.with(timing.initdead).with(INITDEAD_CALM);
        let remedy = say("keep it only if both nodes and their network start faster than that");
        report.warning(at(given.initdead, given.deadtime), message, remedy);
    }
    if let Some(warntime) = given.warntime {
        judge_warntime(&timing, warntime.place, report);
    }
}

/// Reads `lease`. None at all is another word's work.
pub(super) fn read_lease<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<Duration> {
    let number = word.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if scale(number, 1_000_000) == Some(Duration::ZERO) && number.bytes().all(|b| matches!(b, b'0' | b'.')) {
        let message = say("`lease {}`: a VIP without a lease outlives its owner for ever").with(word.text);
        report.error(word.place, message, say("remove the line; to wait for deadtime alone write `exclusive off`"));
        return None;
    }
    read_time(word, report)
}

/// Reports a lease that a lost beat would end, and one that a takeover has to wait for.
pub(super) fn judge_lease<'a>(given: &Given<'a>, exclusive: Exclusive, report: &mut Reporter<'a, '_>) {
    let Some(Setting { value: asked, place }) = given.lease else {
        return;
    };
    let Timing { keepalive, deadtime, .. } = given.timing();
    let shortest = lease::shortest(keepalive);
    if asked < shortest {
        let message = say("lease ({}) is shorter than {}: one late beat would end it").with(asked).with(shortest);
        let remedy = say("make it at least {}, or remove the line: the longest that fits is chosen").with(shortest);
        return report.error(place, message, remedy);
    }
    let chosen = lease::choose(&Wish { deadtime, keepalive, asked: Some(asked), exclusive, fine_available: true });
    if chosen.takeover > deadtime {
        let message = say("lease ({}) may last until {}, longer than deadtime ({}): a takeover waits for it");
        let message = message.with(asked).with(chosen.silence).with(deadtime);
        report.warning(place, message, say("remove the line: the longest that fits is chosen"));
    }
}

fn judge_warntime<'a>(timing: &Timing, place: Place<'a>, report: &mut Reporter<'a, '_>) {
    let remedy = say("set warntime between keepalive and deadtime, or leave it out for half of deadtime");
    if timing.warntime >= timing.deadtime {
        let message = say("warntime ({}) is not below deadtime ({}): there will never be a warning before death");
        report.warning(place, message.with(timing.warntime).with(timing.deadtime), remedy);
    } else if timing.warntime <= timing.keepalive {
        let message = say("warntime ({}) is not above keepalive ({}): every beat will look late");
        report.warning(place, message.with(timing.warntime).with(timing.keepalive), remedy);
    }
}

/// Reports a cable that is too slow for `keepalive`.
pub(super) fn judge_cable<'a>(baud: u32, keepalive: Duration, place: Place<'a>, report: &mut Reporter<'a, '_>) {
    let beat = Duration::from_micros(BEAT_BYTES * BITS_A_BYTE * 1_000_000 / u64::from(baud.max(1)));
    let remedy = say("write `baud 115200` on both nodes, or lengthen keepalive");
    if keepalive < beat {
        let message: Phrase<'a> = say("at {} baud a beat takes {} on the cable, longer than keepalive ({})");
        report.error(place, message.with(u64::from(baud)).with(beat).with(keepalive), remedy);
    } else if baud < 115_200 {
        let message = say("at {} baud a beat takes {} on the cable");
        report.warning(place, message.with(u64::from(baud)).with(beat), say("write `baud 115200` on both nodes"));
    }
}

#[cfg(test)]
mod tests {
    use super::scale;
    use crate::time::Duration;

    #[test]
    fn scales_decimals_exactly() {
        let micros = |number, unit| scale(number, unit).map(Duration::as_micros);
        assert_eq!(micros("1.7", 1_000_000), Some(1_700_000));
        assert_eq!(micros(".5", 1_000_000), Some(500_000));
        assert_eq!(micros("2.", 1_000), Some(2_000));
        assert_eq!(micros("0.0000019", 1_000_000), Some(1));
        assert_eq!(micros("1.05", 60_000_000), Some(63_000_000));
        assert_eq!(micros("", 1_000), None);
        assert_eq!(micros(".", 1_000), None);
        assert_eq!(micros("1.2.3", 1_000), None);
        assert_eq!(micros("99999999999999999999", 1), None);
        assert_eq!(micros("18446744073709551615", 1_000), None);
    }
}
