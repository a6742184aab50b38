//! A request of the control socket: bytes to a line, a line to words, words to an order. Pure, so that it can be tried
//! with any bytes (`tests/fuzz`).

use lubdub::time::Duration;

/// Bytes of a request at most, without the line's end.
pub const REQUEST_MAX: usize = 1024;
/// The longest `--wait`: one hour.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// More than [`REQUEST_MAX`] bytes without a line's end.
#[derive(Debug, PartialEq, Eq)]
pub struct Overlong;

/// A line that has not ended yet.
#[derive(Default)]
pub struct Line(Vec<u8>);

impl Line {
    /// Takes what was read: the words once a whole line is there. What follows the line's end is not looked at.
    ///
    /// # Errors
    /// [`Overlong`].
    pub fn take(&mut self, read: &[u8]) -> Result<Option<Vec<String>>, Overlong> {
        let end = read.iter().position(|byte| *byte == b'\n');
        let more = &read[..end.unwrap_or(read.len())];
        if self.0.len() + more.len() > REQUEST_MAX {
            return Err(Overlong);
        }
        self.0.extend_from_slice(more);
        Ok(end.map(|_| words(&self.0)))
    }
}

fn words(line: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(line).split_ascii_whitespace().map(str::to_owned).collect()
}

/// What was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Groups here.
    Takeover,
    /// Groups to the peer.
    Standby,
}

/// The words `takeover|standby [WHAT] [MILLISECONDS]`.
#[derive(Debug, PartialEq, Eq)]
pub struct OrderWords<'a> {
    /// What is ordered.
    pub kind: Kind,
    /// Which groups.
    pub what: &'a str,
    /// How long somebody waits for it; [`WAIT_MAX`] at most.
    pub wait: Duration,
}

impl<'a> OrderWords<'a> {
    /// Reads the words; what is missing is `all` and [`WAIT_MAX`]. Whoever reads them has seen that the first is one of
    /// the two.
    pub fn read(words: &'a [String]) -> Self {
        let kind = if words.first().is_some_and(|word| word == "takeover") { Kind::Takeover } else { Kind::Standby };
        let what = words.get(1).map_or("all", String::as_str);
        let wait = words.get(2).and_then(|millis| millis.parse().ok()).map_or(WAIT_MAX, Duration::from_millis);
        Self { kind, what, wait: wait.min(WAIT_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_come_in_pieces_and_ends_at_its_end() {
        let mut line = Line::default();
        assert_eq!(line.take(b"takeover "), Ok(None));
        assert_eq!(
            line.take(b"all 60000\nclear\n"),
            Ok(Some(["takeover", "all", "60000"].map(str::to_owned).to_vec()))
        );
    }

    #[test]
    fn the_bound_counts_the_line_and_not_what_follows_it() {
        let longest = [b'x'; REQUEST_MAX];
        let mut line = Line::default();
        assert_eq!(line.take(&longest), Ok(None));
        assert_eq!(line.take(b"\nxx"), Ok(Some(vec!["x".repeat(REQUEST_MAX)])));
        let mut line = Line::default();
        assert_eq!(line.take(&longest), Ok(None));
        assert_eq!(line.take(b"x\n"), Err(Overlong));
    }

    #[test]
    fn an_order_waits_an_hour_at_most() {
        let wait = |millis: &str| OrderWords::read(&["standby", "all", millis].map(str::to_owned)).wait;
        assert_eq!(wait("250"), Duration::from_millis(250));
        assert_eq!(wait("18446744073709551615"), WAIT_MAX);
        assert_eq!(wait("soon"), WAIT_MAX);
    }
}
