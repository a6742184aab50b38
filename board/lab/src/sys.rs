//! The lab's only unsafe code: processes that change namespaces, and ioctls that no safe crate has.
//!
//! A test is a process of many threads, and such a process may neither enter a user namespace nor run ordinary code
//! after a fork. So everything that must happen inside a namespace is written down beforehand, as a list of [`Step`]s
//! or a program to execute, and the child does nothing but system calls on memory that its parent prepared
//! (signal-safety(7)). Each `unsafe` block relies on that, or on a buffer of the size that the kernel's header states.

use std::ffi::{CString, c_char, c_int, c_uint, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

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

const ENTER: i32 = -1;
const CREATE: i32 = -2;
const FORK: i32 = -3;
const EXECUTE: i32 = -4;
const PID: i32 = -5;
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
unsafe fn duplicate(flags: c_int) -> i32 {
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
fn check(result: c_int, place: i32, report: RawFd) {
    if result < 0 {
        tell(report, place, errno());
        exit(127);
    }
}

fn errno() -> c_int {
    // SAFETY: the C library's errno of this thread.
    unsafe { *libc::__errno_location() }
}

fn tell(report: RawFd, place: i32, value: i32) {
    let record = [place, value];
    // SAFETY: eight bytes from a live array; a pipe takes so few at once (PIPE_BUF).
    unsafe { libc::write(report, record.as_ptr().cast(), 8) };
}

fn exit(code: c_int) -> ! {
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

fn do_step(step: &Step) -> c_int {
    // SAFETY: every pointer is a live NUL-terminated string or null where the call allows it.
    unsafe {
        match step {
            Step::Mount { source, target, kind, flags, data } => libc::mount(
                source.as_ptr(),
                target.as_ptr(),
                kind.as_ptr(),
                *flags,
                if data.is_empty() { ptr::null() } else { data.as_ptr().cast() },
            ),
            Step::ReadOnly { target } => read_only(target.as_ptr()),
            Step::Mkdir { path, mode } => accept(libc::mkdir(path.as_ptr(), *mode), libc::EEXIST),
            Step::Write { path, data } => write_file(path.as_ptr(), data),
            Step::Symlink { to, path } => libc::symlink(to.as_ptr(), path.as_ptr()),
            Step::Hostname { name } => libc::sethostname(name.as_ptr(), name.as_bytes().len()),
            Step::Pivot { root } => pivot(root.as_ptr()),
        }
    }
}

fn accept(result: c_int, allowed: c_int) -> c_int {
    if result < 0 && errno() == allowed { 0 } else { result }
}

/// mount_setattr(2), recursive; a kernel before 5.12 has only the remount of one mount.
unsafe fn read_only(target: *const c_char) -> c_int {
    let attributes = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the caller's string; the structure's size is passed along.
    unsafe {
        let result = libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            target,
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        ) as c_int;
        if result < 0 && errno() == libc::ENOSYS {
            let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
            return libc::mount(ptr::null(), target, ptr::null(), flags, ptr::null());
        }
        result
    }
}

unsafe fn write_file(path: *const c_char, data: &[u8]) -> c_int {
    // SAFETY: the caller's string and slice.
    unsafe {
        let fd = libc::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC, 0o644);
        if fd < 0 {
            return fd;
        }
        let written = if data.is_empty() { 0 } else { libc::write(fd, data.as_ptr().cast(), data.len()) };
        if written == data.len() as isize { libc::close(fd) } else { -1 }
    }
}

/// pivot_root(2)'s idiom without a second directory: the old root ends up above the new one and is detached.
unsafe fn pivot(root: *const c_char) -> c_int {
    // SAFETY: the caller's string and static ones.
    unsafe {
        if libc::chdir(root) < 0 || libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) < 0 {
            return -1;
        }
        if libc::umount2(c".".as_ptr(), libc::MNT_DETACH) < 0 { -1 } else { libc::chdir(c"/".as_ptr()) }
    }
}

fn report_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?)
}

/// Reads until every child has closed its end: the pid of the final process, and a failure if there was one.
fn read_report(reader: &OwnedFd) -> (Option<i32>, Option<(i32, i32)>) {
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

fn reap(pid: i32) {
    // SAFETY: waits for a child of this process; no status is asked for.
    while unsafe { libc::waitpid(pid, ptr::null_mut(), 0) } < 0 && errno() == libc::EINTR {}
}

/// A descriptor that becomes readable when the process ends (pidfd_open(2)). The caller is its parent, or it itself.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only; the kernel returns a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as c_int;
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// A socket to open in somebody's network namespace.
#[derive(Clone, Copy, Debug)]
pub enum SocketKind<'a> {
    /// For interface ioctls.
    Control,
    /// Ethernet frames of one protocol (packet(7)), bound to the interface.
    Packet { interface: &'a str, protocol: u16 },
    /// Raw ICMP, connected to the address: reads and writes ICMP messages of that peer only, but with IP header on input.
    Icmp { peer: std::net::Ipv4Addr },
}

/// Opens a socket in the network namespace of another process.
///
/// A short-lived child that shares this process's table of descriptors goes there and leaves the socket behind.
pub fn socket_in(enter: Enter<'_>, kind: SocketKind<'_>) -> io::Result<OwnedFd> {
    let (reader, writer) = report_pipe()?;
    let name = match kind {
        SocketKind::Packet { interface, .. } => CString::new(interface)?,
        _ => CString::default(),
    };
    // SAFETY: the child makes system calls only. The shared table is why it must not close anything.
    let helper = unsafe { duplicate(libc::CLONE_FILES) };
    if helper == 0 {
        let report = writer.as_raw_fd();
        // SAFETY: numbers only.
        check(unsafe { libc::setns(enter.pidfd.as_raw_fd(), enter.kinds) }, ENTER, report);
        let fd = open_socket(kind, &name);
        check(fd, CREATE, report);
        tell(report, PID, fd);
        exit(0);
    }
    if helper < 0 {
        return Err(io::Error::last_os_error());
    }
    reap(helper);
    drop(writer);
    match read_report(&reader) {
        // SAFETY: the child made this descriptor for us and is gone.
        (Some(fd), None) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        (_, failure) => Err(io::Error::from_raw_os_error(failure.map_or(libc::ECHILD, |f| f.1))),
    }
}

fn open_socket(kind: SocketKind<'_>, name: &CString) -> c_int {
    let nonblocking = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: addresses are live structures passed with their sizes.
    unsafe {
        match kind {
            SocketKind::Control => libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0),
            SocketKind::Packet { protocol, .. } => {
                let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | nonblocking, 0);
                let mut address: libc::sockaddr_ll = std::mem::zeroed();
                address.sll_family = libc::AF_PACKET as u16;
                address.sll_protocol = protocol.to_be();
                address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as c_int;
                bound(fd, libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as u32))
            }
            SocketKind::Icmp { peer } => {
                let fd = libc::socket(libc::AF_INET, libc::SOCK_RAW | nonblocking, libc::IPPROTO_ICMP);
                let mut address: libc::sockaddr_in = std::mem::zeroed();
                address.sin_family = libc::AF_INET as u16;
                address.sin_addr.s_addr = u32::from(peer).to_be();
                bound(fd, libc::connect(fd, (&raw const address).cast(), size_of_val(&address) as u32))
            }
        }
    }
}

fn bound(fd: c_int, result: c_int) -> c_int {
    if result < 0 { result } else { fd }
}

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as c_char;
    }
    request
}

fn ioctl_result(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes an interface of the socket's namespace up or down (netdevice(7)).
pub fn set_up(socket: &OwnedFd, name: &str, up: bool) -> io::Result<()> {
    let mut request = interface_request(name);
    // SAFETY: a live ifreq, as both ioctls expect; the kernel fills the flags in.
    unsafe {
        ioctl_result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        let up_flag = libc::IFF_UP as i16;
        request.ifr_ifru.ifru_flags =
            if up { request.ifr_ifru.ifru_flags | up_flag } else { request.ifr_ifru.ifru_flags & !up_flag };
        ioctl_result(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request))
    }
}

// <linux/sockios.h>
const SIOCBRADDIF: c_ulong = 0x89a2;
const SIOCBRDELIF: c_ulong = 0x89a3;

/// Makes a port a member of a bridge of the socket's namespace, or takes it out.
pub fn set_member(socket: &OwnedFd, bridge: &str, port: &str, member: bool) -> io::Result<()> {
    let mut index = interface_request(port);
    let mut request = interface_request(bridge);
    let code = if member { SIOCBRADDIF } else { SIOCBRDELIF };
    // SAFETY: live ifreqs; the first call fills the index in, the second reads it.
    unsafe {
        ioctl_result(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFINDEX, &raw mut index))?;
        request.ifr_ifru.ifru_ifindex = index.ifr_ifru.ifru_ifindex;
        ioctl_result(libc::ioctl(socket.as_raw_fd(), code as _, &raw mut request))
    }
}

/// The speed of a terminal's sending side in bit/s, whatever number it is (ioctl_tty(2), TCGETS2).
pub fn baud(tty: &OwnedFd) -> io::Result<u32> {
    // SAFETY: an all-zero termios2 is valid, and the kernel fills it in.
    unsafe {
        let mut termios: libc::termios2 = std::mem::zeroed();
        ioctl_result(libc::ioctl(tty.as_raw_fd(), libc::TCGETS2, &raw mut termios))?;
        Ok(termios.c_ospeed)
    }
}

/// Forgets an exclusive use (TIOCEXCL): a serial port does so at its last close, a pty with a second holder does not.
pub fn end_exclusive_use(tty: &OwnedFd) -> io::Result<()> {
    // SAFETY: this ioctl takes no argument.
    ioctl_result(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCNXCL) })
}

/// Asks for the lowest realtime priority and exact timers for the calling thread; without the right, for nothing.
pub fn hurry() {
    // SAFETY: a live sched_param, and numbers.
    unsafe {
        let parameter = libc::sched_param { sched_priority: 1 };
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameter);
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
    }
}
