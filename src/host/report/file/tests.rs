use std::fs::{self, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lubdub::time::Instant;

use super::*;
use crate::host::report::Log;
use crate::host::sys::testing::allocations;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lubdub-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The lines of a file without their stamps and pids, which are checked here.
fn lines(path: impl AsRef<Path>) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let strip = |line: &str| {
        let (stamp, rest) = line.split_at(24);
        assert!(stamp.starts_with("20") && stamp.ends_with('Z') && stamp.as_bytes()[10] == b'T', "{line}");
        rest.strip_prefix(&format!(" lubdub[{}]: ", std::process::id())).unwrap_or(line).to_owned()
    };
    text.lines().map(strip).collect()
}

fn appender(path: &str) -> Appender {
    Appender::new(path.into(), Level::Info, Arc::default())
}

fn second(seconds: u64) -> Instant {
    Instant::from_micros(1_000_000 * seconds)
}

/// A record as the loop makes it.
fn record(text: &str) -> Vec<u8> {
    format!("4{} lubdub[{}]: {text}\n", Stamp::now(), std::process::id()).into_bytes()
}

#[test]
fn the_debugfile_has_every_level_and_the_logfile_all_but_debug() {
    let dir = Dir::new("levels");
    let (logfile, debugfile) = (dir.path("ha-log"), dir.path("ha-debug"));
    fs::write(&logfile, "").unwrap();
    let mut files = Files::open(Some(&logfile), Some(&debugfile)).unwrap().unwrap();
    assert!(files.write(Level::Crit, format_args!("one\ntwo")));
    assert!(files.write(Level::Info, format_args!("three")));
    assert!(files.write(Level::Debug, format_args!("four")));
    drop(files);
    assert_eq!(lines(&logfile), ["alarm: one?two", "info: three"]);
    assert_eq!(lines(&debugfile), ["alarm: one?two", "info: three", "debug: four"]);
}

#[test]
fn one_path_for_both_has_every_line_once() {
    let dir = Dir::new("same");
    let path = dir.path("log");
    let mut files = Files::open(Some(&path), Some(&path)).unwrap().unwrap();
    files.write(Level::Info, format_args!("one"));
    drop(files);
    assert_eq!(lines(&path), ["info: one"]);
}

#[test]
fn without_a_file_there_is_no_thread() {
    assert!(Files::open(None, None).unwrap().is_none());
}

#[test]
fn a_renamed_or_removed_file_is_made_anew_within_a_second() {
    let dir = Dir::new("rotate");
    let (path, old) = (dir.path("log"), dir.path("log.1"));
    let mut file = appender(&path);
    file.take(second(10), &record("one"));
    fs::rename(&path, &old).unwrap();
    file.take(second(10), &record("two"));
    file.take(second(11), &record("three"));
    assert_eq!((lines(&old), lines(&path)), (vec!["one".into(), "two".into()], vec!["three".into()]));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    file.take(second(12), &record("four"));
    assert_eq!(lines(&path), ["four"]);
}

#[test]
fn a_truncated_file_goes_on_at_its_beginning() {
    let dir = Dir::new("truncate");
    let path = dir.path("log");
    let mut file = appender(&path);
    file.take(second(10), &record("one"));
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    file.take(second(10), &record("two"));
    assert_eq!(lines(&path), ["two"]);
}

#[test]
fn lines_lost_for_want_of_a_directory_are_counted_in_the_file() {
    let dir = Dir::new("missing");
    let path = dir.path("not/yet/log");
    let trouble = Arc::<AtomicI32>::default();
    let mut file = Appender::new(path.clone().into(), Level::Info, trouble.clone());
    file.take(second(10), &record("one"));
    file.take(second(10), &record("two"));
    assert_eq!(trouble.load(Relaxed), libc::ENOENT);
    fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
    file.take(second(10), &record("three"));
    file.take(second(11), &record("four"));
    assert_eq!(lines(&path), ["warning: 3 lines of this file were lost: it could not be written", "four"]);
    assert_eq!(trouble.load(Relaxed), 0);
}

#[test]
fn a_full_disk_loses_lines_and_is_tried_again() {
    let trouble = Arc::<AtomicI32>::default();
    let mut file = Appender::new("/dev/full".into(), Level::Info, trouble.clone());
    file.take(second(10), &record("one"));
    assert_eq!(trouble.load(Relaxed), libc::ENOSPC);
}

#[test]
fn a_thread_that_does_not_write_loses_lines_and_holds_up_nobody() {
    let (read, ring) = io::pipe().unwrap();
    fcntl(ring.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let (done, alive) = io::pipe().unwrap();
    let files = vec![Known::new(("/nowhere", Level::Info))];
    let mut files = Files { ring: Some(ring), files, pid: 1, lost: 0, done };
    let before = allocations();
    let handed = (0..2_000).take_while(|n| files.write(Level::Info, format_args!("{n:100}"))).count();
    assert!((100..2_000).contains(&handed), "64 KiB hold {handed} lines");
    assert!(!files.write(Level::Info, format_args!("lost")));
    assert_eq!((files.lost, allocations() - before), (2, 0));
    let mut buf = vec![0; 1 << 16];
    nix::unistd::read(&read, &mut buf).unwrap();
    assert!(files.write(Level::Info, format_args!("again")));
    let length = nix::unistd::read(&read, &mut buf).unwrap();
    let text = String::from_utf8_lossy(&buf[..length]).into_owned();
    let ends: Vec<_> = text.lines().map(|line| line.split_once("]: ").unwrap().1).collect();
    let told = "warning: 2 lines of this file were lost: the disk did not keep up";
    assert_eq!(ends[ends.len() - 2..], [told, "info: again"]);
    drop(alive);
}

#[test]
fn trouble_is_told_once_and_the_lines_go_elsewhere() {
    let dir = Dir::new("trouble");
    let path = dir.path("no/log");
    let (read, write) = io::pipe().unwrap();
    let mut log = Log::to(None, Path::new("/nonexistent/log"), &OwnedFd::from(write));
    log.open_files(Some(&path), None);
    // The thread finds out by itself; a line that it still takes for written is told by its own count.
    while log.files.as_ref().is_some_and(|files| files.files[0].trouble.load(Relaxed) == 0) {
        thread::yield_now();
    }
    log.line(Level::Notice, format_args!("one"));
    log.flush_due(second(1));
    log.flush_due(second(2));
    drop(log);
    let text = io::read_to_string(read).unwrap();
    let why = "No such file or directory (os error 2)";
    assert_eq!(text, format!("notice: one\nwarning: log file {path}: {why}; tried again every second\n"));
}

#[test]
fn with_a_file_and_no_syslog_standard_error_is_silent() {
    let dir = Dir::new("silent");
    let path = dir.path("log");
    let (read, write) = io::pipe().unwrap();
    let mut log = Log::to(None, Path::new("/nonexistent/log"), &OwnedFd::from(write));
    log.open_files(Some(&path), None);
    log.line(Level::Notice, format_args!("one"));
    drop(log);
    assert_eq!(io::read_to_string(read).unwrap(), "");
    assert_eq!(lines(&path), ["notice: one"]);
}
