//! Doing a [`Step`]: one or two system calls on its prepared strings.

use std::ffi::{c_char, c_int};
use std::ptr;

use super::errno;
use crate::step::Step;

/// Does a step; negative, with errno set, if it could not be done.
pub(super) fn do_step(step: &Step) -> c_int {
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
