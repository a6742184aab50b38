use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::{grantpt, posix_openpt, unlockpt};

use super::*;

/// Prints, one a line, what a child could have inherited.
const CHILD: &str = r#"
    sed -n 's/^SigBlk:[[:space:]]*/blocked /p; s/^SigIgn:[[:space:]]*/ignored /p' /proc/self/status
    echo policy $(cut -d' ' -f41 /proc/self/stat)
    echo umask $(umask)
    echo oom $(cat /proc/self/oom_score_adj)
    echo rttime $(sed -n 's/^Max realtime timeout *\([^ ]*\) .*/\1/p' /proc/self/limits)
    for fd in 3 4 5 6 7 8 9 60; do [ -e /proc/$$/fd/$fd ] && echo leaked $fd; done
    true
"#;

fn spawn_and_read() -> String {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(CHILD).stdin(Stdio::null());
    clean_child(&mut command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_child_inherits_nothing() {
    remember_limits();
    let leak = File::open("/dev/null").unwrap();
    fcntl(&leak, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    // A thread of its own, because scheduling and mask belong to the thread.
    let said = thread::spawn(|| {
        testing::ignore_and_block(libc::SIGUSR2);
        testing::ignore_and_block(libc::SIGTTOU);
        sched_fifo(1).expect("this test needs CAP_SYS_NICE (run as root)");
        let which = Resource::RLIMIT_RTTIME;
        let (soft, hard) = getrlimit(which).unwrap();
        nix::sys::resource::setrlimit(which, 5_000_000, hard).unwrap();
        let said = spawn_and_read();
        nix::sys::resource::setrlimit(which, soft, hard).unwrap();
        said
    })
    .join()
    .unwrap();
    let zero = "0000000000000000";
    let expected =
        format!("blocked {zero}\nignored {zero}\npolicy 0\numask 0022\noom 0\nrttime {}\n", shown(limits().rttime));
    assert_eq!(said, expected, "a leaked descriptor may be {}", leak.as_raw_fd());
}

fn shown(limit: rlimit) -> String {
    if limit.rlim_cur == libc::RLIM_INFINITY { "unlimited".into() } else { limit.rlim_cur.to_string() }
}

#[test]
fn the_scheduler_is_set_and_a_bad_priority_refused() {
    let policy = thread::spawn(|| {
        assert_eq!(sched_fifo(100).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        sched_fifo(1).expect("this test needs CAP_SYS_NICE (run as root)");
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit(' ').nth(52 - 41).map(str::to_owned)
    })
    .join()
    .unwrap();
    assert_eq!(policy.as_deref(), Some("1"), "SCHED_FIFO is 1");
}

#[test]
fn a_pty_has_no_closing_wait() {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    assert_eq!(no_closing_wait(master.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
}

#[test]
fn the_serial_structure_has_the_size_of_the_kernels() {
    // linux/serial.h: 72 bytes where a pointer has eight, 60 where it has four.
    assert_eq!(size_of::<SerialStruct>(), if size_of::<usize>() == 8 { 72 } else { 60 });
}

#[test]
fn the_requests_of_a_watchdog_are_the_kernels() {
    assert_eq!(size_of::<WatchdogInfo>(), 40);
    // Other architectures encode the direction otherwise; these are x86's, arm's and most others'.
    if cfg!(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm", target_arch = "aarch64")) {
        assert_eq!(GET_SUPPORT, 0x8028_5700);
        let requests = [Dial::BootStatus, Dial::SetTimeout, Dial::Timeout, Dial::SetPretimeout].map(Dial::request);
        assert_eq!(requests, [0x8004_5702, 0xc004_5706, 0x8004_5707, 0xc004_5708]);
    }
}

#[test]
fn a_pty_is_no_watchdog() {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    assert_eq!(watchdog_info(master.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    assert_eq!(watchdog_dial(master.as_fd(), Dial::SetTimeout, 7).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
}
