//! Starting a process in namespaces: one intermediate child that enters and creates them, and its child.

use std::ffi::{CString, c_char, c_int, c_uint, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use super::errno;
use super::steps::do_step;
use crate::step::Step;

/// Which namespaces of another process to enter (setns(2) with a pidfd).
#[derive(Clone, Copy)]
pub struct Enter<'a> {
    /// The process whose namespaces they are.
    pub pidfd: BorrowedFd<'a>,
    /// `CLONE_NEW*` flags.
    pub kinds: c_int,
}

/// What a launched process becomes in the end.
pub enum Become<'a> {
    /// Pid 1 of a new set of namespaces: it reaps orphans and ends when the lab's process ends.
    Guard { lab: BorrowedFd<'a> },
    /// A program; the three descriptors become its standard ones.
    Program { image: &'a Image, stdio: [BorrowedFd<'a>; 3] },
}

/// Program, arguments and environment in the form that execve(2) takes.
pub struct Image {
    paths: Vec<CString>,
    argv: Pointers,
    envp: Pointers,
}

struct Pointers {
    _strings: Vec<CString>,
    table: Vec<*const c_char>,
}

impl Pointers {
    fn new(strings: Vec<CString>) -> Self {
        let table = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Self { _strings: strings, table }
    }
}

impl Image {
    /// `paths` are tried in turn, as a shell does with PATH.
    pub fn new(paths: Vec<CString>, argv: Vec<CString>, envp: Vec<CString>) -> Self {
        Self { paths, argv: Pointers::new(argv), envp: Pointers::new(envp) }
    }
}

/// A process to start: enter, create, do the steps, become.
pub struct Launch<'a> {
    /// Entered first.
    pub enter: Option<Enter<'a>>,
    /// `CLONE_NEW*` flags of the namespaces to create after that (unshare(2)).
    pub create: c_int,
    /// Done by the intermediate process, which is not yet in the new pid namespace.
    pub before: &'a [Step],
    /// Done by the new process itself.
    pub steps: &'a [Step],
    /// What it becomes.
    pub then: Become<'a>,
}

/// Why a launch failed: the errno and what was being done.
pub struct LaunchError {
    /// The kernel's answer.
    pub errno: io::Error,
    /// Where: "enter namespaces", a step, or "execute".
    pub what: String,
}

pub(super) const ENTER: i32 = -1;
pub(super) const CREATE: i32 = -2;
const FORK: i32 = -3;
const EXECUTE: i32 = -4;
pub(super) const PID: i32 = -5;
const READY: i32 = -6;
const BEFORE: i32 = 1 << 16;

/// Starts the process and returns its pid, as this process sees it, once it has become what it shall be.
/// It is a child of the caller, who has to wait for it.
pub fn launch(launch: &Launch<'_>) -> Result<i32, LaunchError> {
    let (reader, writer) = report_pipe().map_err(|errno| LaunchError { errno, what: "pipe".into() })?;
    // SAFETY: the child only runs `intermediate`, which makes system calls on prepared memory and never returns.
    let helper = unsafe { duplicate(0) };
    if helper == 0 {
        intermediate(launch, writer.as_raw_fd());
    }
    drop(writer);
    if helper < 0 {
        return Err(LaunchError { errno: io::Error::last_os_error(), what: "fork".into() });
    }
    let outcome = read_report(&reader);
    reap(helper);
    match outcome {
        (Some(pid), None) => Ok(pid),
        (pid, failure) => {
            if let Some(pid) = pid {
                reap(pid);
            }
            let (place, errno) = failure.unwrap_or((FORK, libc::ECHILD));
            Err(LaunchError { errno: io::Error::from_raw_os_error(errno), what: launch.describe(place) })
        }
    }
}

impl Launch<'_> {
    fn describe(&self, place: i32) -> String {
        match place {
            ENTER => "enter namespaces".into(),
            CREATE => "create namespaces".into(),
            EXECUTE => "execute".into(),
            n if n >= BEFORE => format!("{:?}", self.before.get((n - BEFORE) as usize)),
            n if n >= 0 => format!("{:?}", self.steps.get(n as usize)),
            _ => "fork".into(),
        }
    }
}

/// fork(2) without the handlers of the C library, which are not for a process of many threads.
///
/// # Safety
/// The child must confine itself to system calls on memory prepared before, and never return to Rust code.
pub(super) unsafe fn duplicate(flags: c_int) -> i32 {
    let flags = c_ulong::from((flags | libc::SIGCHLD) as c_uint);
    // SAFETY: without CLONE_VM the child has a copy of everything, its stack included.
    unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as i32 }
}

/// Enters and creates namespaces. The grandchild is made with CLONE_PARENT, so that the lab can wait for it.
fn intermediate(launch: &Launch<'_>, report: RawFd) -> ! {
    if let Some(enter) = &launch.enter {
        // SAFETY: setns takes numbers only.
        check(unsafe { libc::setns(enter.pidfd.as_raw_fd(), enter.kinds) }, ENTER, report);
    }
    if launch.create != 0 {
        // SAFETY: unshare takes numbers only.
        check(unsafe { libc::unshare(launch.create) }, CREATE, report);
    }
    run_steps(launch.before, BEFORE, report);
    // SAFETY: setsid takes nothing. A terminal's Ctrl-C is for the lab alone; and a program that opens /dev/ttyS1 is not
    // the leader of its session, so that the port never becomes a controlling terminal, to be hung up when it exits.
    unsafe { libc::setsid() };
    // SAFETY: the child only runs `newborn`, under the same rules as this function.
    let pid = unsafe { duplicate(libc::CLONE_PARENT) };
    if pid == 0 {
        newborn(launch, report);
    }
    check(pid, FORK, report);
    tell(report, PID, pid);
    exit(0)
}

fn newborn(launch: &Launch<'_>, report: RawFd) -> ! {
    run_steps(launch.steps, 0, report);
    match &launch.then {
        Become::Guard { lab } => guard(lab.as_raw_fd(), report),
        Become::Program { image, stdio } => execute(image, stdio, report),
    }
}

fn run_steps(steps: &[Step], base: i32, report: RawFd) {
    for (n, step) in steps.iter().enumerate() {
        check(do_step(step), base + n as i32, report);
    }
}

/// Ends this process with a report unless the system call succeeded.
pub(super) fn check(result: c_int, place: i32, report: RawFd) {
    if result < 0 {
        tell(report, place, errno());
        exit(127);
    }
}

pub(super) fn tell(report: RawFd, place: i32, value: i32) {
    let record = [place, value];
    // SAFETY: eight bytes from a live array; a pipe takes so few at once (PIPE_BUF).
    unsafe { libc::write(report, record.as_ptr().cast(), 8) };
}

pub(super) fn exit(code: c_int) -> ! {
    // SAFETY: ends the child without running handlers of the parent's program.
    unsafe { libc::_exit(code) }
}

/// Pid 1: no descriptors but one, children reaped by the kernel (SIGCHLD ignored), until the lab's process is gone.
fn guard(lab: RawFd, report: RawFd) -> ! {
    // SAFETY: numbers and a static name only.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"lab-guard".as_ptr());
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
    }
    tell(report, READY, 0);
    close_range(0, lab - 1);
    close_range(lab + 1, c_int::MAX);
    let mut wait = libc::pollfd { fd: lab, events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd. A pidfd is readable once its process has ended (pidfd_open(2)).
    while unsafe { libc::poll(&raw mut wait, 1, -1) } < 0 && errno() == libc::EINTR {}
    exit(0)
}

fn close_range(first: c_int, last: c_int) {
    if first <= last {
        // SAFETY: closes descriptors of this process, which uses none of them again.
        unsafe { libc::syscall(libc::SYS_close_range, first as c_uint, last as c_uint, 0) };
    }
}

fn execute(image: &Image, stdio: &[BorrowedFd<'_>; 3], report: RawFd) -> ! {
    // SAFETY: descriptors and signal numbers of this process; the image's tables end with a null pointer.
    unsafe {
        let spare = stdio.each_ref().map(|fd| libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10));
        for (wanted, fd) in spare.into_iter().enumerate() {
            check(libc::dup2(fd, wanted as c_int), EXECUTE, report);
        }
        // Rust ignores SIGPIPE and a test runner may block others; a program expects the defaults.
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::chdir(c"/".as_ptr());
        for path in &image.paths {
            libc::execve(path.as_ptr(), image.argv.table.as_ptr(), image.envp.table.as_ptr());
            if !matches!(errno(), libc::ENOENT | libc::EACCES | libc::ENOTDIR) {
                break;
            }
        }
    }
    check(-1, EXECUTE, report);
    exit(127)
}

pub(super) fn report_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?)
}

/// Reads until every child has closed its end: the pid of the final process, and a failure if there was one.
pub(super) fn read_report(reader: &OwnedFd) -> (Option<i32>, Option<(i32, i32)>) {
    let (mut pid, mut failure) = (None, None);
    let mut record = [0u8; 8];
    while matches!(nix::unistd::read(reader, &mut record), Ok(8)) {
        let half = |at: usize| i32::from_ne_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        match half(0) {
            PID => pid = Some(half(4)),
            READY => {}
            place => failure = Some((place, half(4))),
        }
    }
    (pid, failure)
}

pub(super) fn reap(pid: i32) {
    // SAFETY: waits for a child of this process; no status is asked for.
    while unsafe { libc::waitpid(pid, ptr::null_mut(), 0) } < 0 && errno() == libc::EINTR {}
}
