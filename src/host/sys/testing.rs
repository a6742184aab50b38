//! What tests need of the kernel and of the allocator, and no safe wrapper offers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::process::Command;

use lubdub::time::Duration;

use crate::host::clock;

/// Moves the calling thread into a network namespace of its own, which goes when the thread and its sockets go.
pub fn own_network() {
    // SAFETY: a number only.
    let answer = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(answer, 0, "unshare(CLONE_NEWNET) needs root or CAP_SYS_ADMIN: {}", io::Error::last_os_error());
}

/// Runs ip(8) in the calling thread's network.
pub fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments}");
}

/// Waits for the kernel to have noticed the cable; until then an interface that is up silently drops what it is given.
pub fn carrier(interface: &str) {
    let end = clock::now() + Duration::from_secs(10);
    loop {
        let output = Command::new("ip").args(["-o", "link", "show", interface]).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains(" state UP ") {
            return;
        }
        assert!(clock::now() < end, "{interface} has no carrier");
    }
}

/// Ignores `signal` in this process and blocks it in this thread, as a careless parent would have left it.
pub fn ignore_and_block(signal: libc::c_int) {
    // SAFETY: the set is a local that sigemptyset fills before it is read.
    unsafe {
        libc::signal(signal, libc::SIG_IGN);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// How often the calling thread has asked the heap for memory so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of the thread, which neither
// allocates nor has a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the one that System asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
