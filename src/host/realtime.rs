//! Makes the loop punctual: realtime scheduling, memory that stays, last in line for the OOM killer.
//!
//! Nothing here is needed to be correct, only to be on time; so each thing that is not permitted is said in one line and
//! done without.

use std::fs;
use std::io;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

use super::sys;

/// Half of 99: above every ordinary process, below the kernel threads that feed the ports (threaded interrupts run at
/// 50 too and take turns with it; sched(7), migration and watchdog at 99).
const PRIORITY: i32 = 50;
/// Microseconds on the CPU without one wait, after which the kernel ends the daemon (`RLIMIT_RTTIME`, getrlimit(2)): a
/// thousand times what a turn of the loop takes, and less than the shortest usual hardware watchdog. A loop that spins
/// at realtime priority would take the whole machine with it; a daemon that is dead frees its VIP for the peer.
const LONGEST_SPIN: rlim_t = 1_000_000;
/// The OOM killer's lowest score: never chosen (proc_pid_oom_score_adj(5)).
const NEVER_CHOSEN: &str = "-1000";
/// The bit of CAP_IPC_LOCK (linux/capability.h).
const CAP_IPC_LOCK: u32 = 14;

/// Notes what children are to get back. To be called before [`enter`].
pub fn prepare() {
    sys::remember_limits();
}

/// Takes what it can get, and says in one line each what it could not.
pub fn enter(log: &mut dyn FnMut(&str)) {
    prepare();
    no_core_dump();
    if let Err(error) = schedule() {
        log(&format!(
            "no realtime scheduling (SCHED_FIFO {PRIORITY}): {error}; beats may be late on a busy machine; \
             needs CAP_SYS_NICE or RLIMIT_RTPRIO"
        ));
    }
    if let Err(what) = lock_memory(may_lock_future()) {
        log(&what);
    }
    if let Err(error) = fs::write("/proc/self/oom_score_adj", NEVER_CHOSEN) {
        log(&format!(
            "the OOM killer may choose this daemon (oom_score_adj {NEVER_CHOSEN}): {error}; needs CAP_SYS_RESOURCE"
        ));
    }
}

/// The keys of the cluster are in memory and shall not get to a disk. The soft limit alone, so that children can have
/// theirs back.
fn no_core_dump() {
    let _ = soft_limit(Resource::RLIMIT_CORE, 0);
}

/// Puts the calling thread under the realtime scheduler. The limit on spinning comes first: without it realtime is not
/// worth its danger.
///
/// # Errors
/// Not permitted.
pub fn schedule() -> io::Result<()> {
    soft_limit(Resource::RLIMIT_RTTIME, LONGEST_SPIN)?;
    sys::sched_fifo(PRIORITY)
}

/// What is there is never raised: a tighter limit is somebody's wish.
fn soft_limit(which: Resource, most: rlim_t) -> io::Result<()> {
    let (soft, hard) = getrlimit(which)?;
    Ok(setrlimit(which, soft.min(most), hard)?)
}

/// Locks what is mapped and, where nothing limits it, whatever will be. Under a limit a later allocation beyond it
/// would fail, which is worse than one that is swapped.
fn lock_memory(future: bool) -> Result<(), String> {
    let now = MlockAllFlags::MCL_CURRENT;
    let wanted = if future { now | MlockAllFlags::MCL_FUTURE } else { now };
    match mlockall(wanted) {
        Ok(()) if future => Ok(()),
        Ok(()) => Err(format!(
            "only the memory of the start is locked: RLIMIT_MEMLOCK is {} without CAP_IPC_LOCK; \
             memory taken later may be swapped out",
            memlock()
        )),
        Err(error) => Err(format!(
            "memory is not locked (mlockall): {}; the daemon may be swapped out; \
             needs CAP_IPC_LOCK, or a greater RLIMIT_MEMLOCK than {}",
            io::Error::from(error),
            memlock()
        )),
    }
}

fn memlock() -> String {
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((RLIM_INFINITY, _)) | Err(_) => "unlimited".into(),
        Ok((soft, _)) => format!("{} kB", soft / 1024),
    }
}

fn may_lock_future() -> bool {
    let unlimited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    let text = |name| fs::read_to_string(name).unwrap_or_default();
    unlimited || (has_ipc_lock(&text("/proc/self/status")) && is_first_user_namespace(&text("/proc/self/uid_map")))
}

/// Whether `CapEff` of /proc/self/status has CAP_IPC_LOCK.
fn has_ipc_lock(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_some_and(|bits| bits >> CAP_IPC_LOCK & 1 == 1)
}

/// A capability counts for memory only in the namespace that the machine booted with, whose map is the identity of all
/// ids (user_namespaces(7)).
fn is_first_user_namespace(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests;
