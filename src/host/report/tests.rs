use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use lubdub::time::Duration;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use super::*;
use crate::host::sys::testing::allocations;

const NOWHERE: &str = "/nonexistent/log";

fn pipe() -> (File, OwnedFd) {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    (read.into(), write)
}

fn drain(mut from: impl Read) -> String {
    let mut all = Vec::new();
    let mut buf = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buf) {
        all.extend_from_slice(&buf[..length]);
    }
    String::from_utf8(all).unwrap()
}

fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("lubdub-log-{name}-{}", std::process::id()))
}

fn heard(syslog: &UnixDatagram) -> String {
    syslog.set_nonblocking(true).unwrap();
    let mut buf = [0; 2_048];
    let length = syslog.recv(&mut buf).unwrap();
    String::from_utf8(buf[..length].to_vec()).unwrap()
}

#[test]
fn a_line_has_its_level_in_words() {
    let (read, write) = pipe();
    let mut log = Log::to(None, Path::new(NOWHERE), &write);
    for level in [Level::Crit, Level::Err, Level::Warning, Level::Notice, Level::Info, Level::Debug] {
        log.line(level, format_args!("{} of {}", 1, 2));
    }
    log.set_debug(true);
    log.line(Level::Debug, format_args!("now"));
    assert_eq!(
        drain(read),
        "alarm: 1 of 2\nerror: 1 of 2\nwarning: 1 of 2\nnotice: 1 of 2\ninfo: 1 of 2\ndebug: now\n"
    );
}

#[test]
fn syslog_gets_datagrams_and_is_found_again() {
    let path = socket_path("syslog");
    let (read, write) = pipe();
    let mut log = Log::to(Some(16), &path, &write);
    log.line(Level::Warning, format_args!("nobody listens"));
    let pid = std::process::id();
    for _ in 0..2 {
        let syslog = UnixDatagram::bind(&path).unwrap();
        log.line(Level::Warning, format_args!("one\ntwo"));
        // local0 is 16, warning 4: 16 * 8 + 4.
        assert_eq!(heard(&syslog), format!("<132>lubdub[{pid}]: one?two"));
        drop(syslog);
        log.line(Level::Crit, format_args!("stopped"));
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(drain(read), "warning: nobody listens\nalarm: stopped\nalarm: stopped\n");
}

#[test]
fn a_syslog_that_does_not_read_loses_lines_and_hears_how_many() {
    let path = socket_path("deaf");
    let syslog = UnixDatagram::bind(&path).unwrap();
    let (read, write) = pipe();
    let mut log = Log::to(Some(3), &path, &write);
    for n in 0..5_000 {
        log.line(Level::Info, format_args!("{n}"));
    }
    assert!(log.lost > 0, "net.unix.max_dgram_qlen is no more than 5000");
    let lost = log.lost;
    syslog.set_nonblocking(true).unwrap();
    while syslog.recv(&mut [0; 2_048]).is_ok() {}
    log.line(Level::Info, format_args!("again"));
    assert!(
        heard(&syslog).ends_with(&format!("]: {lost} lines of this log were lost: whoever reads it did not keep up"))
    );
    assert!(heard(&syslog).ends_with("]: again"));
    assert_eq!(drain(read), "", "a slow syslog is no reason to write elsewhere");
    std::fs::remove_file(path).unwrap();
}

/// Writes numbered lines until some are lost, reads, writes again: everything is there or counted.
fn overflows_and_recovers(mut read: impl Read, write: &impl AsFd) {
    let mut log = Log::to(None, Path::new(NOWHERE), write);
    let most = 100_000;
    let mut said = 0;
    while said < most && log.lost < 10 {
        log.line(Level::Info, format_args!("line {said} {:60}", ""));
        said += 1;
    }
    assert_eq!(log.lost, 10, "the reader's buffer is smaller than {most} lines");
    let first = drain(&mut read);
    log.line(Level::Notice, format_args!("the last"));
    let text = first + &drain(&mut read);
    let whole = text.lines().filter(|line| line.starts_with("info: line ") && line.len() > 66).count();
    assert_eq!(whole, said - 10);
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(last, ["notice: the last", "warning: 10 lines of this log were lost: whoever reads it did not keep up"]);
    assert!(text.ends_with('\n'));
}

#[test]
fn a_full_pipe_never_blocks_and_is_told_what_it_missed() {
    let (read, write) = pipe();
    overflows_and_recovers(read, &write);
    let flags = OFlag::from_bits_truncate(fcntl(&write, FcntlArg::F_GETFL).unwrap());
    assert!(!flags.contains(OFlag::O_NONBLOCK), "the pipe as others have it is what it was");
}

#[test]
fn a_full_socket_never_blocks_either() {
    let (read, write) = UnixStream::pair().unwrap();
    read.set_nonblocking(true).unwrap();
    overflows_and_recovers(read, &write);
}

#[test]
fn a_stopped_terminal_never_blocks_either() {
    let master =
        nix::pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
    nix::pty::grantpt(&master).unwrap();
    nix::pty::unlockpt(&master).unwrap();
    let options = nix::fcntl::OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let name = nix::pty::ptsname_r(&master).unwrap();
    let terminal = nix::fcntl::open(name.as_str(), options, nix::sys::stat::Mode::empty()).unwrap();
    let mut log = Log::to(None, Path::new(NOWHERE), &terminal);
    while log.lost < 10 {
        log.line(Level::Info, format_args!("{:100}", "x"));
    }
    while let Ok(1..) = nix::unistd::read(&master, &mut [0; 4_096]) {}
    log.line(Level::Info, format_args!("again"));
    // The kernel hands over what was written in its own time, and in pieces.
    let mut text = String::new();
    while !text.ends_with("info: again\r\n") {
        let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, PollTimeout::from(5_000u16)), Ok(1), "{text:?}");
        let mut buf = [0; 4_096];
        let length = nix::unistd::read(&master, &mut buf).unwrap();
        text += &String::from_utf8_lossy(&buf[..length]);
    }
    assert!(text.contains("\r\nwarning: 10 lines") || text.starts_with("warning: 10 lines"), "{text:?}");
}

#[test]
fn a_file_keeps_the_position_that_it_shares() {
    let path = socket_path("file");
    let mut file = File::create(&path).unwrap();
    writeln!(file, "before").unwrap();
    Log::to(None, Path::new(NOWHERE), &file).line(Level::Info, format_args!("between"));
    writeln!(file, "after").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\ninfo: between\nafter\n");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_long_line_is_cut() {
    let (read, write) = pipe();
    Log::to(None, Path::new(NOWHERE), &write).line(Level::Info, format_args!("{:2000}", "x"));
    let text = drain(read);
    assert_eq!(text.len(), LONGEST_LINE + 1);
    assert!(text.ends_with("...\n"));
}

#[test]
fn repetitions_are_counted_and_said_after_a_minute() {
    let (mut read, write) = pipe();
    let mut log = Log::to(None, Path::new(NOWHERE), &write);
    let start = Instant::from_micros(1);
    let at = |seconds| start + Duration::from_secs(seconds);
    for second in 0..30 {
        log.repeated(7, at(second), Level::Warning, format_args!("noise on the line"));
        log.repeated(8, at(second), Level::Info, format_args!("other, {second}"));
    }
    assert_eq!(drain(&mut read), "warning: noise on the line\ninfo: other, 0\n");
    assert_eq!(log.wake_at(), Some(at(60)));
    log.flush_due(at(59));
    assert_eq!(drain(&mut read), "");
    log.flush_due(at(60));
    let said = "warning: noise on the line (29 times in the last 60 s)\ninfo: other, 29 (29 times in the last 60 s)\n";
    assert_eq!(drain(&mut read), said);
    assert_eq!(log.wake_at(), None, "nothing to say");
    log.repeated(7, at(100), Level::Warning, format_args!("noise on the line"));
    assert_eq!(drain(&mut read), "", "still going on");
    assert_eq!(log.wake_at(), Some(at(120)));
    log.flush_due(at(120));
    assert_eq!(drain(&mut read), "warning: noise on the line (once in the last 60 s)\n");
    log.flush_due(at(180));
    log.repeated(7, at(181), Level::Warning, format_args!("noise anew"));
    assert_eq!(drain(&mut read), "warning: noise anew\n");
}

#[test]
fn many_kinds_of_repetitions_stay_bounded_and_uncounted_none() {
    let (read, write) = pipe();
    let mut log = Log::to(None, Path::new(NOWHERE), &write);
    let now = Instant::from_micros(1);
    for key in 0..100 {
        for _ in 0..3 {
            log.repeated(key, now + Duration::from_micros(u64::from(key)), Level::Info, format_args!("kind {key}"));
        }
    }
    let text = drain(read);
    assert_eq!(text.lines().filter(|line| line.contains("(2 times more)")).count(), 68, "100 kinds, 32 places");
    assert_eq!(text.lines().count(), 168);
}

#[test]
fn a_line_costs_no_heap_allocation() {
    let (read, write) = pipe();
    let path = socket_path("heap");
    let syslog = UnixDatagram::bind(&path).unwrap();
    syslog.set_nonblocking(true).unwrap();
    for facility in [None, Some(1)] {
        let mut log = Log::to(facility, &path, &write);
        let before = allocations();
        for n in 0..1_000 {
            log.line(Level::Info, format_args!("{n} {}", "text"));
            log.repeated(n % 40, Instant::from_micros(u64::from(n) * 1_000_000), Level::Info, format_args!("again"));
        }
        assert_eq!(allocations() - before, 0);
        assert!(log.lost > 0 || facility.is_none(), "the lost ones cost nothing either");
    }
    drop(read);
    std::fs::remove_file(path).unwrap();
}
