//! One line of the table.

use std::fmt::Write;
use std::time::Duration;

use lubdub_lab::Verdict;

use super::Tale;

/// What became of one fault.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub fault: String,
    /// The longest time without an echo reply.
    pub gap: Duration,
    /// Requests that two answered.
    pub doubles: usize,
    /// From the first of them to the last.
    pub double_time: Duration,
    /// The client itself overslept by so much at most.
    pub late: Duration,
    /// What else is to be said.
    pub note: String,
    /// Why it is not as it should be.
    pub failed: Option<String>,
}

impl Row {
    pub(super) fn new(fault: &str, verdict: &Verdict, tale: Tale, failed: Option<String>) -> Self {
        Self {
            fault: fault.into(),
            gap: verdict.gap(),
            doubles: verdict.doubles.len(),
            double_time: verdict.double_time(),
            late: verdict.late,
            note: tale.note,
            failed,
        }
    }
}

/// The rows as text.
pub fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.fault.len()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}  {:>8}  {:>6}  {:>9}  \n", "fault", "gap s", "double", "client ms");
    for row in rows {
        let _ = write!(
            text,
            "{:width$}  {:8.2}  {:6}  {:9}  {}",
            row.fault,
            row.gap.as_secs_f64(),
            row.doubles,
            row.late.as_millis(),
            row.note,
        );
        if row.doubles > 0 {
            let _ = write!(text, " (two answered for {:?})", row.double_time);
        }
        let _ = match &row.failed {
            Some(why) => writeln!(text, " FAILED: {why}"),
            None => writeln!(text),
        };
    }
    text
}
