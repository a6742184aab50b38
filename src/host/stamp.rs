//! The date and time on a line that people read: ISO 8601, UTC, milliseconds.

use std::fmt;

use super::clock;

const DAY: u64 = 86_400;
/// From 0000-03-01 to 1970-01-01, in days of the Gregorian calendar counted backwards.
const MARCH_OF_YEAR_0: u64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const ERA: u64 = 146_097;

/// A moment, displayed as `2026-11-22T18:04:05.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    micros: u64,
}

impl Stamp {
    /// The present by the wall clock, which may be set at any time: for the eye alone.
    pub fn now() -> Self {
        Self { micros: clock::wall() }
    }

    /// A moment in microseconds since 1970.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.micros / 1_000_000, self.micros / 1_000 % 1_000);
        let (year, month, day) = date(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month and day of a day since 1970. The year is counted from March, so that a leap day is its last and the
/// months before it have lengths that five months repeat (31 30 31 30 31): month m begins with day (153 m + 2) / 5.
const fn date(since_1970: u64) -> (u64, u64, u64) {
    let days = since_1970 + MARCH_OF_YEAR_0;
    let (era, day) = (days / ERA, days % ERA);
    // The leap days before `day` within the era: one in 4 years, none in 100, one in 400.
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let shown = |seconds: u64| Stamp::from_micros(seconds * 1_000_000 + 123_999).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00.123Z");
        assert_eq!(shown(951_782_400), "2000-02-29T00:00:00.123Z");
        assert_eq!(shown(1_000_000_000), "2001-09-09T01:46:40.123Z");
        assert_eq!(shown(u64::from(u32::MAX)), "2106-02-07T06:28:15.123Z");
        assert_eq!(shown(4_107_542_399), "2100-02-28T23:59:59.123Z");
        assert_eq!(shown(4_107_542_400), "2100-03-01T00:00:00.123Z");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..ERA {
            assert_eq!(date(number), (year, month, day), "day {number}");
            let length = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
