//! The values of the options that have exactly one, times aside.

use super::diagnostic::Reporter;
use super::lexer::Word;
use super::nearest::nearest;
use super::phrase::say;
use super::{AutoFailback, CLUSTER_NAME_MAX, StopFailure};
use crate::lease::Exclusive;

/// The rates that Heartbeat takes.
const BAUDS: [u32; 7] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];
/// The syslog facilities, each at the place of its number (RFC 5424 table 1).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "",
    "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// Bytes of a path at most (`PATH_MAX` of linux/limits.h, less its NUL).
const PATH_MAX: usize = 4_095;

/// A number in decimal digits without a sign, at most `max`.
fn number(text: &str, max: u32) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number <= max)
}

pub(super) fn read_baud<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<u32> {
    let baud = number(word.text, u32::MAX).filter(|baud| BAUDS.contains(baud));
    if baud.is_none() {
        let message = say("`{}` is not a rate that Heartbeat and lubdub know").with(word.text);
        report.error(word.place, message, say("write 115200; 9600, 19200, 38400, 57600, 230400 and 460800 exist too"));
    }
    baud
}

pub(super) fn read_port<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<u16> {
    let port =
        number(word.text, u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok()).filter(|&port| port > 0);
    if port.is_none() {
        let message = say("`{}` is not a port from 1 to 65535").with(word.text);
        report.error(word.place, message, say("write 694, or remove the line"));
    }
    port
}

pub(super) fn read_auto_failback<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<AutoFailback> {
    match read_bool(word.text) {
        Some(true) => return Some(AutoFailback::On),
        Some(false) => return Some(AutoFailback::Off),
        None if word.text.eq_ignore_ascii_case("legacy") => return Some(AutoFailback::Legacy),
        None => {}
    }
    let message = say("`{}` is none of `on`, `off`, `legacy`").with(word.text);
    report.error(word.place, message, say("write `auto_failback on` or `auto_failback off`"));
    None
}

/// A boolean as Heartbeat spells it.
fn read_bool(text: &str) -> Option<bool> {
    let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    let on = is(&["true", "on", "yes", "y", "1"]);
    (on || is(&["false", "off", "no", "n", "0"])).then_some(on)
}

pub(super) fn read_exclusive<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<Exclusive> {
    match read_bool(word.text) {
        Some(true) => return Some(Exclusive::On),
        Some(false) => return Some(Exclusive::Off),
        None if word.text.eq_ignore_ascii_case("auto") => return Some(Exclusive::Auto),
        None => {}
    }
    let message = say("`{}` is none of `auto`, `on`, `off`").with(word.text);
    report.error(word.place, message, say("write `exclusive on`, or remove the line for `auto`"));
    None
}

pub(super) fn read_stop_failure<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<StopFailure> {
    for (text, meant) in [("hold", StopFailure::Hold), ("reboot", StopFailure::Reboot)] {
        if word.text.eq_ignore_ascii_case(text) {
            return Some(meant);
        }
    }
    let message = say("`{}` is none of `hold`, `reboot`").with(word.text);
    report.error(word.place, message, say("write `stop_failure reboot` to restart a node that cannot stop a resource"));
    None
}

/// Whether `text` is the path of a device below /dev.
pub(super) fn is_device(text: &str) -> bool {
    let mut parts = text.strip_prefix("/dev/").unwrap_or("").split('/');
    !parts.any(|part| matches!(part, "" | "." | ".."))
}

pub(super) fn read_watchdog<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<&'a str> {
    if !is_device(word.text) || word.text.len() > PATH_MAX {
        let message = say("`{}` is not the path of a device below /dev").with(word.text);
        report.error(word.place, message, say("write the watchdog's path, for example /dev/watchdog0"));
        return None;
    }
    Some(word.text)
}

pub(super) fn read_facility<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<Option<u8>> {
    let name = if word.text == "security" { "auth" } else { word.text };
    if name == "none" {
        return Some(None);
    }
    let known = FACILITIES.iter().position(|facility| *facility == name);
    let Some(known) = known.and_then(|index| u8::try_from(index).ok()) else {
        let remedy = match nearest(name, &mut FACILITIES.iter().copied().filter(|facility| !facility.is_empty())) {
            Some(near) => say("did you mean `{}`?").with(near),
            None => say("write `daemon`, one of `local0` to `local7`, or `none`"),
        };
        report.error(word.place, say("`{}` is not a syslog facility").with(word.text), remedy);
        return None;
    };
    Some(Some(known))
}

/// Whether `text` is the absolute path of a file. What exists there is not looked at: the file may be on a disk that is
/// mounted later.
pub(super) fn is_file_path(text: &str) -> bool {
    let name = text.rsplit('/').next();
    text.starts_with('/') && !matches!(name, Some("" | "." | "..")) && text.len() <= PATH_MAX
}

pub(super) fn read_log_path<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<&'a str> {
    if !is_file_path(word.text) {
        let message = say("`{}` is not the absolute path of a file").with(word.text);
        report.error(word.place, message, say("write the whole path, for example /var/log/ha-log"));
        return None;
    }
    Some(word.text)
}

pub(super) fn read_debug<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<u8> {
    let level = number(word.text, u32::from(u8::MAX)).and_then(|level| u8::try_from(level).ok());
    if level.is_none() {
        let message = say("`{}` is not a level from 0 to 255").with(word.text);
        report.error(word.place, message, say("write 0, or remove the line"));
    }
    level
}

pub(super) fn read_cluster<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<&'a str> {
    if word.text.len() > CLUSTER_NAME_MAX {
        let message = say("the cluster's name has {} bytes").with(word.text.len() as u64);
        report.error(word.place, message, say("take a name of at most {} bytes").with(CLUSTER_NAME_MAX as u64));
        return None;
    }
    Some(word.text)
}
