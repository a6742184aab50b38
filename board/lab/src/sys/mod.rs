//! The lab's only unsafe code: processes that change namespaces, and ioctls that no safe crate has.
//!
//! A test is a process of many threads, and such a process may neither enter a user namespace nor run ordinary code
//! after a fork. So everything that must happen inside a namespace is written down beforehand, as a list of [`Step`](crate::step::Step)s
//! or a program to execute, and the child does nothing but system calls on memory that its parent prepared
//! (signal-safety(7)). Each `unsafe` block relies on that, or on a buffer of the size that the kernel's header states.

mod interface;
mod launch;
mod socket;
mod steps;
mod tty;

use std::ffi::c_int;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

pub use interface::{set_member, set_up};
pub use launch::{Become, Enter, Image, Launch, LaunchError, launch};
pub use socket::{SocketKind, socket_in};
pub use tty::{baud, end_exclusive_use, pty_peer};

fn errno() -> c_int {
    // SAFETY: the C library's errno of this thread.
    unsafe { *libc::__errno_location() }
}

/// The result of a call that returns a negative number when it fails.
fn ioctl_result(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A descriptor that becomes readable when the process ends (pidfd_open(2)). The caller is its parent, or it itself.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only; the kernel returns a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as c_int;
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
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
