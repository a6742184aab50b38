//! The functions of the C library that QEMU calls for a serial port, in its place: the only unsafe code of the rig.
//!
//! Unsafe is here what a function with a C caller cannot do without: names that replace the library's, pointers that the
//! caller vouches for by the contract of the function of the same name, and, for every descriptor that is not ours, the
//! call that would have been made without us. Descriptors of ours never reach the kernel's tty layer. QEMU calls these
//! functions from several threads; the port is behind a mutex, nothing waits under it, and no other function of this
//! file is called while it is held.

use std::env;
use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_ulong, c_void};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{TIOCM_CAR, TIOCM_CTS, TIOCM_DSR, TIOCM_DTR, TIOCM_RTS, TIOCMGET, TIOCMSET, speed_t, termios};

use crate::lines::{CTS, DCD, DSR, DTR, PATH, RTS};
use crate::port::Port;

/// Bytes that may wait between QEMU and the cable: what the kernel makes of it are about six writes of a byte. More
/// would be a buffer that no UART has.
const SEND_BUFFER: c_int = 1;
/// As the kernel counts the lines.
const LINES: [(u8, c_int); 5] =
    [(DTR, TIOCM_DTR), (RTS, TIOCM_RTS), (CTS, TIOCM_CTS), (DSR, TIOCM_DSR), (DCD, TIOCM_CAR)];
/// As termios counts speeds.
const SPEEDS: [(speed_t, u32); 12] = [
    (libc::B300, 300),
    (libc::B600, 600),
    (libc::B1200, 1_200),
    (libc::B2400, 2_400),
    (libc::B4800, 4_800),
    (libc::B9600, 9_600),
    (libc::B19200, 19_200),
    (libc::B38400, 38_400),
    (libc::B57600, 57_600),
    (libc::B115200, 115_200),
    (libc::B230400, 230_400),
    (libc::B460800, 460_800),
];

struct Open {
    fd: RawFd,
    port: Port,
    termios: termios,
}

static OPEN: Mutex<Option<Open>> = Mutex::new(None);

fn open_port() -> MutexGuard<'static, Option<Open>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `with` does with the port, if this is its descriptor.
fn ours<T>(fd: c_int, with: impl FnOnce(&mut Open) -> T) -> Option<T> {
    open_port().as_mut().filter(|open| open.fd == fd).map(with)
}

fn connect(path: &CStr) -> Option<RawFd> {
    let path = OsStr::from_bytes(path.to_bytes());
    if env::var_os(PATH)? != path {
        return None;
    }
    let (port, bytes) = Port::open(Path::new(path)).ok()?;
    limit(&bytes);
    // SAFETY: a termios is integers and arrays of them; all zero is one.
    let termios = unsafe { std::mem::zeroed() };
    let fd = bytes.into_raw_fd();
    *open_port() = Some(Open { fd, port, termios });
    Some(fd)
}

fn limit(stream: &UnixStream) {
    let value: *const c_int = &SEND_BUFFER;
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to an integer of that length, which outlives the call.
    unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, value.cast(), length) };
}

/// open(2) with large files, which QEMU calls.
///
/// # Safety
/// As open(2): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's promise.
    if let Some(fd) = connect(unsafe { CStr::from_ptr(path) }) {
        return fd;
    }
    // SAFETY: the system call that open64 of the C library is, with the caller's arguments; it sets errno likewise.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags | libc::O_LARGEFILE, mode) as c_int }
}

/// The same where the compiler was told to look for a missing mode.
///
/// # Safety
/// As open(2): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open64(path, flags, 0) }
}

/// ioctl(2): the modem lines of the port, and everything of everything else.
///
/// # Safety
/// As ioctl(2): `argument` is what the request wants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    let of_lines = match request {
        TIOCMGET => ours(fd, |open| {
            let lines = open.port.seen() | open.port.raised();
            // SAFETY: TIOCMGET comes with a pointer to an int.
            unsafe { *argument.cast::<c_int>() = to_kernel(lines) };
        }),
        TIOCMSET => ours(fd, |open| {
            // SAFETY: TIOCMSET comes with a pointer to an int.
            let lines = from_kernel(unsafe { *argument.cast::<c_int>() });
            open.port.raise(lines & (DTR | RTS));
        }),
        _ => None,
    };
    if of_lines.is_some() {
        return 0;
    }
    // SAFETY: the system call that ioctl of the C library is, with the caller's arguments; it sets errno likewise.
    unsafe { libc::syscall(libc::SYS_ioctl, fd as c_long, request, argument) as c_int }
}

fn to_kernel(lines: u8) -> c_int {
    LINES.iter().filter(|(line, _)| lines & line != 0).map(|(_, bit)| bit).sum()
}

fn from_kernel(bits: c_int) -> u8 {
    LINES.iter().filter(|(_, bit)| bits & bit != 0).map(|(line, _)| line).sum()
}

/// tcgetattr(3): what was set last.
///
/// # Safety
/// As tcgetattr(3): `termios` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tcgetattr(fd: c_int, termios: *mut termios) -> c_int {
    // SAFETY: the caller's promise.
    if ours(fd, |open| unsafe { *termios = open.termios }).is_some() {
        return 0;
    }
    // SAFETY: this is the type of that function, and the arguments are the caller's.
    next(c"tcgetattr").map_or(-1, |next| unsafe {
        std::mem::transmute::<*mut c_void, extern "C" fn(c_int, *mut libc::termios) -> c_int>(next)(fd, termios)
    })
}

/// tcsetattr(3): the cable is told the speed.
///
/// # Safety
/// As tcsetattr(3): `termios` can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tcsetattr(fd: c_int, when: c_int, termios: *const termios) -> c_int {
    let set = ours(fd, |open| {
        // SAFETY: the caller's promise.
        open.termios = unsafe { *termios };
        let speed = open.termios.c_cflag & libc::CBAUD;
        open.port.set_baud(SPEEDS.iter().find(|(code, _)| *code == speed).map_or(0, |(_, baud)| *baud));
    });
    if set.is_some() {
        return 0;
    }
    // SAFETY: this is the type of that function, and the arguments are the caller's.
    next(c"tcsetattr").map_or(-1, |next| unsafe {
        std::mem::transmute::<*mut c_void, extern "C" fn(c_int, c_int, *const libc::termios) -> c_int>(next)(
            fd, when, termios,
        )
    })
}

/// tcsendbreak(3): the cable carries no break.
///
/// # Safety
/// Nothing is asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tcsendbreak(fd: c_int, duration: c_int) -> c_int {
    if ours(fd, |_| ()).is_some() {
        return 0;
    }
    // SAFETY: this is the type of that function, and the arguments are the caller's.
    next(c"tcsendbreak").map_or(-1, |next| unsafe {
        std::mem::transmute::<*mut c_void, extern "C" fn(c_int, c_int) -> c_int>(next)(fd, duration)
    })
}

/// The function of this name that would have been called without us.
fn next(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name is a C string, and RTLD_NEXT is meant for a library that was preloaded.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
