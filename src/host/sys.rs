//! The system calls that no safe wrapper offers. The only unsafe code of the daemon, each block with its reason.
#![allow(unsafe_code)]

use std::io;
use std::mem::zeroed;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::os::unix::thread::JoinHandleExt;
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;
use std::thread::JoinHandle;

use libc::{c_int, c_long, c_uint, rlimit};
use nix::sys::resource::{Resource, getrlimit};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `ASYNC_CLOSING_WAIT_NONE` of linux/serial.h: close(2) does not wait for output.
const CLOSING_WAIT_NONE: u16 = 65_535;
/// Signals are numbered from 1 to `_NSIG` (asm/signal.h).
const LAST_SIGNAL: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 128 } else { 64 };
/// Bytes of the kernel's signal set, which rt_sigaction(2) wants to be told.
const KERNEL_SIGSET: usize = LAST_SIGNAL as usize / 8;
/// Words that hold the kernel's `struct sigaction` on every architecture: handler, flags, restorer, set of signals.
const KERNEL_SIGACTION: usize = 8;
/// How far descriptors are looked for on kernels before 5.11, which lack `CLOSE_RANGE_CLOEXEC`.
const LAST_DESCRIPTOR: c_int = 1_023;

/// Something that owns a descriptor, in the form that tokio wants it.
#[derive(Debug)]
pub struct Source<T>(T);

impl<T: AsFd> AsRawFd for Source<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T> Deref for Source<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Hands a non-blocking descriptor to the runtime's reactor. To be called within the runtime.
///
/// # Errors
/// No memory, or a descriptor that epoll does not take.
pub fn watch<T: AsFd + 'static>(owner: T, interest: Interest) -> io::Result<AsyncFd<Source<T>>> {
    // SAFETY: the descriptor must stay open and the same while it is registered. `AsFd` says that it is open as long as
    // its owner lives, `Source` owns the owner, and nothing gives out mutable access to it.
    Ok(unsafe { AsyncFd::register_with_interest(Source(owner), interest) }?)
}

/// Names the calling thread, as std asks for; any other thread keeps its name.
///
/// musl's own writes the name of another thread into a file of /proc, whose path it prints: it would bring all of printf
/// into a static binary that prints nothing else with it, ten kilobytes.
#[cfg(target_env = "musl")]
// SAFETY: of this name there is no other function in the binary: a linker takes musl's from its archive only where it
// is missing. The signature is that of pthread_setname_np(3).
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(thread: libc::pthread_t, name: *const libc::c_char) -> c_int {
    // SAFETY: takes nothing and cannot fail (pthread_self(3)).
    if thread != unsafe { libc::pthread_self() } {
        return libc::EINVAL;
    }
    // SAFETY: the caller's string ends with a zero; PR_SET_NAME reads no further, and at most 16 bytes (prctl(2)).
    match unsafe { libc::prctl(libc::PR_SET_NAME, name) } {
        0 => 0,
        _ => libc::EINVAL,
    }
}

/// Puts the calling thread under `SCHED_FIFO` with `priority` (1 to 99, sched(7)); its children start at the default.
///
/// A raw system call: musl's wrapper always answers ENOSYS, because POSIX means the process and Linux the thread.
///
/// # Errors
/// EPERM without CAP_SYS_NICE or RLIMIT_RTPRIO, EINVAL for a priority out of range.
pub fn sched_fifo(priority: c_int) -> io::Result<()> {
    set_scheduler(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority)
}

fn set_scheduler(policy: c_int, priority: c_int) -> io::Result<()> {
    // SAFETY: the kernel's sched_param is one int (linux/sched/types.h), read during the call only.
    done(unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0 as c_int, policy, &raw const priority) })
}

fn done(answer: c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The limits that the daemon lowers for itself, as it found them.
#[derive(Clone, Copy)]
struct Limits {
    rttime: rlimit,
    core: rlimit,
}

static LIMITS: OnceLock<Limits> = OnceLock::new();

/// Notes the resource limits that children are to have. To be called before the daemon changes its own.
pub fn remember_limits() {
    limits();
}

fn limits() -> Limits {
    *LIMITS.get_or_init(|| Limits { rttime: limit(Resource::RLIMIT_RTTIME), core: limit(Resource::RLIMIT_CORE) })
}

fn limit(which: Resource) -> rlimit {
    let (soft, hard) = getrlimit(which).unwrap_or((libc::RLIM_INFINITY, libc::RLIM_INFINITY));
    rlimit { rlim_cur: soft, rlim_max: hard }
}

/// A descriptor that is readable once this child has ended (pidfd_open(2), Linux 5.3).
///
/// # Errors
/// ENOSYS on older kernels.
pub fn pidfd(child: u32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) };
    done(fd)?;
    // SAFETY: the descriptor is new and nobody else's; it fits, since descriptors are ints.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// Makes a child start as if it had never had this daemon for a parent: signals and mask at their defaults,
/// `SCHED_OTHER`, umask 022, oom_score_adj 0, the limits noted by [`remember_limits`], no descriptor above 2.
pub fn clean_child(command: &mut Command) {
    let limits = limits();
    // SAFETY: between fork and exec only async-signal-safe calls are allowed (signal-safety(7)). `wash` makes nothing
    // but system calls and calls of that list, on values copied into the closure, and allocates nothing.
    unsafe { command.pre_exec(move || wash(&limits)) };
}

fn wash(limits: &Limits) -> io::Result<()> {
    default_signals();
    set_scheduler(libc::SCHED_OTHER, 0)?;
    restore(libc::RLIMIT_RTTIME as c_int, &limits.rttime)?;
    restore(libc::RLIMIT_CORE as c_int, &limits.core)?;
    default_oom_score();
    // SAFETY: umask(2) takes a number and cannot fail.
    unsafe { libc::umask(0o022) };
    close_on_exec();
    Ok(())
}

/// By raw system call, because the C libraries hide the signals that they use themselves (32 and up), and a parent that
/// ignored everything left those ignored too.
fn default_signals() {
    // All zero is SIG_DFL (0) with no flags and an empty set.
    let default = [0_usize; KERNEL_SIGACTION];
    let old = ptr::null_mut::<usize>();
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the kernel reads its own structure, which is no longer than `default`. SIGKILL and SIGSTOP are refused.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, KERNEL_SIGSET) };
    }
    // SAFETY: the kernel reads a set of signals, shorter than `default`.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, default.as_ptr(), old, KERNEL_SIGSET) };
}

fn restore(which: c_int, to: &rlimit) -> io::Result<()> {
    // SAFETY: `to` outlives the call. The cast is for the C libraries, which do not agree on the type of the number.
    done(c_long::from(unsafe { libc::setrlimit(which as _, to) }))
}

/// Not permitted in every container; the child then keeps the daemon's score, which is no reason not to start it.
fn default_oom_score() {
    // SAFETY: both strings are static and the path ends in NUL; the descriptor is closed where it was opened.
    unsafe {
        let fd = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, b"0".as_ptr().cast(), 1);
            libc::close(fd);
        }
    }
}

/// What the daemon opened is close-on-exec already; this is for what it was itself started with.
fn close_on_exec() {
    // SAFETY: numbers only. Descriptors that are not open are refused with EBADF.
    unsafe {
        let range = libc::syscall(libc::SYS_close_range, 3 as c_uint, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if range < 0 {
            for fd in 3..=LAST_DESCRIPTOR {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

/// The name of the interface that a socket is bound to, as it is called now (`SO_BINDTODEVICE`, socket(7)), in `buf`.
///
/// # Errors
/// ENODEV when that interface is gone, whatever has its name today.
pub fn bound_interface<'a>(socket: BorrowedFd<'_>, buf: &'a mut [u8; libc::IFNAMSIZ]) -> io::Result<&'a [u8]> {
    let mut length = libc::IFNAMSIZ as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_BINDTODEVICE);
    // SAFETY: the kernel writes no more than `length` bytes to `buf`, and how many to `length`.
    let answer = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, buf.as_mut_ptr().cast(), &raw mut length) };
    done(c_long::from(answer))?;
    Ok(buf.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// The descriptor of a port that was opened, without the rest of it.
pub fn descriptor(port: impl IntoRawFd) -> OwnedFd {
    // SAFETY: `IntoRawFd` hands over an open descriptor and with it the duty to close it, which `OwnedFd` takes.
    unsafe { OwnedFd::from_raw_fd(port.into_raw_fd()) }
}

/// Bytes that a tty has been given and has not sent (`TIOCOUTQ`, ioctl_tty(2)).
///
/// # Errors
/// A driver that does not say.
pub fn unsent(tty: BorrowedFd<'_>) -> io::Result<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: the kernel writes one int.
    done(c_long::from(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCOUTQ as _, &raw mut bytes) }))?;
    Ok(bytes.unsigned_abs())
}

/// Lets others open the tty again (`TIOCNXCL`, ioctl_tty(2)).
pub fn not_exclusive(tty: BorrowedFd<'_>) {
    // SAFETY: no argument. On a line that hung up there is nothing left to open.
    unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCNXCL as _) };
}

/// The modem lines that are up, `TIOCM_` bits (`TIOCMGET`, ioctl_tty(2)).
///
/// # Errors
/// ENOTTY or EINVAL without such lines; EIO or ENODEV when the device is gone.
pub fn modem_lines(tty: BorrowedFd<'_>) -> io::Result<c_int> {
    let mut lines: c_int = 0;
    // SAFETY: the kernel writes one int.
    done(c_long::from(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCMGET as _, &raw mut lines) }))?;
    Ok(lines)
}

/// Raises or lowers these of the lines that are our own (`TIOCMBIS`, `TIOCMBIC`, ioctl_tty(2)).
///
/// # Errors
/// As [`modem_lines`].
pub fn raise_modem_lines(tty: BorrowedFd<'_>, lines: c_int, up: bool) -> io::Result<()> {
    let request = if up { libc::TIOCMBIS } else { libc::TIOCMBIC };
    // SAFETY: the kernel reads one int.
    done(c_long::from(unsafe { libc::ioctl(tty.as_raw_fd(), request as _, &raw const lines) }))
}

/// Waits until one of these lines changes (`TIOCMIWAIT`, ioctl_tty(2)).
///
/// # Errors
/// EINTR after [`interrupt`]; ENOTTY from a driver that cannot wait; EIO or ENODEV when the device is gone.
pub fn await_modem_lines(tty: BorrowedFd<'_>, lines: c_int) -> io::Result<()> {
    let mask = libc::c_ulong::from(lines.unsigned_abs());
    // SAFETY: a number.
    done(c_long::from(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCMIWAIT as _, mask) }))
}

/// The signal that ends a wait in the kernel. Ignored by default, so that a stray one does no harm.
const INTERRUPTION: c_int = libc::SIGURG;

/// Lets [`interrupt`] end system calls of this process: the signal gets a handler that does nothing.
///
/// # Errors
/// None on any Linux.
pub fn make_interruptible() -> io::Result<()> {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: all zero is an empty set and no flags, above all no SA_RESTART; the handler does nothing, which is safe
    // at any moment.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = nothing as extern "C" fn(c_int) as libc::sighandler_t;
        done(c_long::from(libc::sigaction(INTERRUPTION, &raw const action, ptr::null_mut())))
    }
}

/// Ends the system call that this thread waits in, if it does.
pub fn interrupt<T>(thread: &JoinHandle<T>) {
    // SAFETY: the thread is neither joined nor detached as long as its handle is there, so its name is valid even after
    // its end.
    unsafe { libc::pthread_kill(thread.as_pthread_t() as _, INTERRUPTION) };
}

/// `struct serial_struct` of linux/serial.h. Only `closing_wait` is touched; the rest goes back as it came.
#[repr(C)]
struct SerialStruct {
    head: [c_int; 8],
    close_delay: u16,
    io_type: u8,
    reserved: u8,
    hub6: c_int,
    closing_wait: u16,
    closing_wait2: u16,
    iomem_base: *mut u8,
    iomem_reg_shift: u16,
    port_high: c_uint,
    iomap_base: libc::c_ulong,
}

/// Lets close(2) on a UART discard what it has not sent instead of waiting for it, 30 s by default.
///
/// # Errors
/// ENOTTY on a pty and on many USB adapters, EPERM without CAP_SYS_ADMIN: then the caller flushes before it closes.
pub fn no_closing_wait(tty: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all zero is a value of this plain C structure; the kernel writes and reads exactly its size.
    unsafe {
        let mut serial: SerialStruct = zeroed();
        done(c_long::from(libc::ioctl(tty.as_raw_fd(), libc::TIOCGSERIAL as _, &raw mut serial)))?;
        if serial.closing_wait == CLOSING_WAIT_NONE {
            return Ok(());
        }
        serial.closing_wait = CLOSING_WAIT_NONE;
        done(c_long::from(libc::ioctl(tty.as_raw_fd(), libc::TIOCSSERIAL as _, &raw const serial)))
    }
}

/// `struct watchdog_info` of linux/watchdog.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchdogInfo {
    /// `WDIOF_` bits.
    pub options: u32,
    /// The card's firmware.
    pub firmware: u32,
    /// Its name, ended by a zero unless it fills the field.
    pub identity: [u8; 32],
}

/// `WATCHDOG_IOCTL_BASE`.
const WATCHDOG: u8 = b'W';
/// `WDIOC_GETSUPPORT`, and below all that have to do with one int. The numbers depend on the architecture.
const GET_SUPPORT: u64 = nix::request_code_read!(WATCHDOG, 0, size_of::<WatchdogInfo>()) as u64;

/// A number that a watchdog tells or takes (Documentation/watchdog/watchdog-api.rst).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// `WDIOC_GETBOOTSTATUS`: `WDIOF_` bits, why the machine was reset.
    BootStatus,
    /// `WDIOC_GETTIMEOUT`, seconds.
    Timeout,
    /// `WDIOC_SETTIMEOUT`, seconds.
    SetTimeout,
    /// `WDIOC_SETPRETIMEOUT`, seconds before the timeout; 0: none.
    SetPretimeout,
}

impl Dial {
    const fn request(self) -> u64 {
        let int = size_of::<c_int>();
        match self {
            Self::BootStatus => nix::request_code_read!(WATCHDOG, 2, int) as u64,
            Self::SetTimeout => nix::request_code_readwrite!(WATCHDOG, 6, int) as u64,
            Self::Timeout => nix::request_code_read!(WATCHDOG, 7, int) as u64,
            Self::SetPretimeout => nix::request_code_readwrite!(WATCHDOG, 8, int) as u64,
        }
    }
}

/// What a watchdog is and can do (`WDIOC_GETSUPPORT`).
///
/// # Errors
/// ENOTTY: this is no watchdog.
pub fn watchdog_info(device: BorrowedFd<'_>) -> io::Result<WatchdogInfo> {
    let mut info = WatchdogInfo::default();
    // SAFETY: the kernel writes the structure, whose size is in the request.
    done(c_long::from(unsafe { libc::ioctl(device.as_raw_fd(), GET_SUPPORT as _, &raw mut info) }))?;
    Ok(info)
}

/// Hands `value` to a watchdog, where the request takes one, and tells what the driver made of it.
///
/// # Errors
/// ENOTTY or EOPNOTSUPP: the driver does not have it. EINVAL: out of its range.
pub fn watchdog_dial(device: BorrowedFd<'_>, dial: Dial, value: c_int) -> io::Result<c_int> {
    let mut value = value;
    // SAFETY: the kernel reads and writes one int.
    done(c_long::from(unsafe { libc::ioctl(device.as_raw_fd(), dial.request() as _, &raw mut value) }))?;
    Ok(value)
}

/// Restarts the machine at once, as `reboot -nf` does: nothing is stopped, unmounted or synced (reboot(2)). It returns
/// only when that is refused.
pub fn restart_machine() -> io::Error {
    // SAFETY: a number only.
    unsafe { libc::reboot(libc::RB_AUTOBOOT) };
    io::Error::last_os_error()
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
