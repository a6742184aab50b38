//! The tallies as a table.

use std::io::{self, Write};
use std::time::Duration;

use lubdub_lab::RESOLUTION;

use super::Tally;

/// One line for each tally, below the headings where there are none yet.
pub fn print(tally: &Tally, headings: bool, out: &mut impl Write) -> io::Result<()> {
    if headings {
        let [a, b, c] = ["fault", "lease", "rounds"];
        let [d, e, f, g] = ["questions", "two answers", "longest gap", "median gap"];
        writeln!(out, "{a:<46}{b:<10}{c:>6}{d:>11}{e:>13}{f:>14}{g:>14}")?;
    }
    let (fault, lease, rounds) = (tally.fault.name(), tally.lease.name(), tally.rounds());
    let (asked, doubles) = (tally.asked, tally.doubles);
    let [longest, median] = [tally.longest(), tally.median()].map(shown);
    writeln!(out, "{fault:<46}{lease:<10}{rounds:>6}{asked:>11}{doubles:>13}{longest:>14}{median:>14}")?;
    if tally.doubles > 0 {
        writeln!(out, "    two answers for {} at most", shown(tally.double_time))?;
    }
    out.flush()
}

/// The client lists no gap shorter than its resolution.
fn shown(time: Duration) -> String {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    if time.is_zero() { format!("< {}", ms(RESOLUTION)) } else { ms(time) }
}
