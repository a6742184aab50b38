use std::fs::remove_dir_all;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

use super::*;
use crate::host::clock;
use crate::host::port::Port;
use crate::host::port::testing::{beat, bytes, event_within, lost, opened, quiet, run};
use crate::host::sys::testing::allocations;

/// A device name that leads to a pty whose other end is in the test's hand, and that can be pulled and plugged again.
struct Cable {
    dir: PathBuf,
    peer: Option<PtyMaster>,
}

impl Cable {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("lubdub-serial-{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let mut cable = Self { dir, peer: None };
        cable.plug();
        cable
    }

    fn device(&self) -> String {
        self.dir.join("tty").to_str().unwrap().to_owned()
    }

    fn plug(&mut self) {
        let peer = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        grantpt(&peer).unwrap();
        unlockpt(&peer).unwrap();
        symlink(ptsname_r(&peer).unwrap(), self.device()).unwrap();
        self.peer = Some(peer);
    }

    fn pull(&mut self) {
        std::fs::remove_file(self.device()).unwrap();
        self.peer = None;
    }

    fn peer(&mut self) -> &mut PtyMaster {
        self.peer.as_mut().unwrap()
    }

    /// What has come through the cable so far.
    fn heard(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = [0; 4096];
        while let Ok(length @ 1..) = self.peer().read(&mut buf) {
            all.extend_from_slice(&buf[..length]);
        }
        all
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.dir);
    }
}

async fn open_on(cable: &Cable) -> Serial {
    let mut port = Serial::new(cable.device(), 115_200);
    assert_eq!(port.wake_at(), Some(Instant::ZERO), "due at once");
    opened(&mut port).await;
    assert_eq!(port.wake_at(), None);
    port
}

#[test]
fn carries_bytes_both_ways_raw() {
    run(async || {
        let mut cable = Cable::new("both");
        let mut port = open_on(&cable).await;
        assert_eq!(cable.heard(), [0], "one delimiter at open");
        // Everything that a line discipline could eat: CR, NL, ^C, ^D, ^S, ^Q, DEL, eight bits.
        let all: Vec<u8> = (0..=255).collect();
        cable.peer().write_all(&all).unwrap();
        let mut got = bytes(&mut port).await;
        while got.len() < all.len() {
            got.extend(bytes(&mut port).await);
        }
        assert_eq!(got, all);
        assert_eq!(port.send(&all), Sent::Yes);
        assert_eq!(cable.heard(), all);
        quiet(&mut port, Duration::from_millis(200)).await;
    });
}

#[test]
fn sweeps_what_the_reactor_has_not_seen() {
    run(async || {
        let mut cable = Cable::new("sweep");
        let mut port = open_on(&cable).await;
        let mut buf = [0; 64];
        assert_eq!(port.sweep(&mut buf), 0);
        cable.peer().write_all(b"early").unwrap();
        // No turn of the reactor between the write and this read; the kernel's own worker moves the bytes over.
        let end = clock::now() + Duration::from_secs(5);
        let mut length = 0;
        while length == 0 && clock::now() < end {
            length = port.sweep(&mut buf);
        }
        assert_eq!(&buf[..length], b"early");
        quiet(&mut port, Duration::from_millis(100)).await;
        cable.peer().write_all(b"late").unwrap();
        assert_eq!(bytes(&mut port).await, b"late", "the reactor still wakes after a sweep");
    });
}

#[test]
fn lost_once_and_back_when_the_cable_is() {
    run(async || {
        let mut cable = Cable::new("pull");
        let mut port = open_on(&cable).await;
        cable.pull();
        lost(&mut port).await;
        assert!(port.wake_at().is_some());
        assert_eq!(port.send(b"x"), Sent::Dropped);
        assert_eq!(port.sweep(&mut [0; 8]), 0);
        quiet(&mut port, Duration::from_millis(800)).await;
        cable.plug();
        opened(&mut port).await;
        assert_eq!(cable.heard(), [0]);
        cable.peer().write_all(b"back").unwrap();
        assert_eq!(bytes(&mut port).await, b"back");
    });
}

#[test]
fn a_device_that_is_absent_or_no_tty_is_said_once() {
    run(async || {
        for device in ["/dev/no-such-tty", "/dev/null"] {
            let mut port = Serial::new(device.into(), 9_600);
            lost(&mut port).await;
            quiet(&mut port, Duration::from_millis(500)).await;
        }
    });
}

#[test]
fn a_second_opener_is_locked_out_even_as_root() {
    run(async || {
        let cable = Cable::new("lock");
        let first = open_on(&cable).await;
        let mut second = Serial::new(cable.device(), 115_200);
        let error = lost(&mut second).await.to_string();
        assert!(error.contains("lock") || error.contains("busy"), "{error}");
        drop(first);
        opened(&mut second).await;
    });
}

/// Sends until a frame is dropped; how many went out.
fn fill(port: &mut Serial, frame: &[u8]) -> usize {
    (0..100_000).position(|_| port.send(frame) == Sent::Dropped).expect("a pty that nobody reads fills up")
}

#[test]
fn a_full_line_drops_whole_frames_and_never_blocks() {
    run(async || {
        let mut cable = Cable::new("full");
        let mut port = open_on(&cable).await;
        let frame = [7; 50];
        let start = clock::now();
        fill(&mut port, &frame);
        for _ in 0..1_000 {
            port.send(&frame);
        }
        assert!(clock::now().since(start) < Duration::from_secs(5), "dropping takes no time");
        quiet(&mut port, Duration::from_millis(200)).await;
        while !cable.heard().is_empty() {}
        // Whatever was cut off is closed by a delimiter, so the peer finds the next frame.
        let next = [9; 50];
        assert_eq!(port.send(&next), Sent::Yes);
        let heard = cable.heard();
        let last = heard.rsplit(|byte| *byte == 0).next().unwrap();
        assert!(last.ends_with(&next) && (last.len() == 50 || last.len() % 50 == 0), "{heard:?}");
    });
}

#[test]
fn a_stuck_line_is_emptied_so_that_old_news_stays_at_home() {
    run(async || {
        let mut cable = Cable::new("stuck");
        let mut port = open_on(&cable).await;
        let mut sent = 0;
        // The kernel moves some of it to the reader's side by and by; full is full when nothing fits any more.
        loop {
            let more = fill(&mut port, &[7; 50]) * 50;
            sent += more;
            if more == 0 {
                break;
            }
            quiet(&mut port, Duration::from_millis(20)).await;
        }
        // Longer than 320 bytes take twice at 115200 baud: 56 ms.
        quiet(&mut port, Duration::from_millis(80)).await;
        assert_eq!(port.send(&[7; 50]), Sent::Dropped);
        assert_eq!(port.send(&[9; 50]), Sent::Yes, "emptied");
        let heard = cable.heard();
        assert!(heard.len() < sent, "{} of {sent} old bytes are still heard", heard.len());
        assert_eq!(heard[heard.len() - 51..], [[0].as_slice(), &[9; 50]].concat(), "a delimiter, then the news");
    });
}

#[test]
fn a_flood_is_taken_a_buffer_at_a_time() {
    run(async || {
        let mut cable = Cable::new("flood");
        let mut port = open_on(&cable).await;
        let mut buf = [0; 16];
        cable.peer().write_all(&[1; 1_000]).unwrap();
        let mut got = 0;
        while got < 1_000 {
            match event_within(&mut port, &mut buf, Duration::from_secs(5)).await.0 {
                Some(PortEvent::Bytes(length)) => got += length,
                other => panic!("{other:?} after {got} bytes"),
            }
        }
    });
}

#[test]
fn the_tty_is_non_blocking_and_hangs_up_on_close() {
    run(async || {
        let cable = Cable::new("flags");
        let port = open_on(&cable).await;
        let fd = port.line.as_ref().unwrap().get_ref().as_fd();
        let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL).unwrap());
        assert!(flags.contains(OFlag::O_NONBLOCK));
        let termios = tcgetattr(fd).unwrap();
        assert!(termios.control_flags.contains(ControlFlags::HUPCL | ControlFlags::CLOCAL | ControlFlags::CREAD));
        assert!(!termios.control_flags.contains(ControlFlags::CRTSCTS));
        assert_eq!(termios.control_chars[libc::VMIN], 1);
        assert_eq!(termios.control_chars[libc::VTIME], 0);
    });
}

#[test]
fn a_beat_costs_no_heap_allocation() {
    run(async || {
        let mut cable = Cable::new("heap");
        let mut port = open_on(&cable).await;
        let mut alarm = clock::Alarm::new().unwrap();
        let mut buf = [0; 512];
        let mut counted = 0;
        for round in 0..1_100 {
            let before = allocations();
            assert_eq!(port.send(&[5; 32]), Sent::Yes);
            let mut peer = [0; 64];
            while !matches!(cable.peer().read(&mut peer), Ok(1..)) {}
            cable.peer().write_all(&[6; 32]).unwrap();
            beat(&mut port, &mut alarm, &mut buf).await;
            // The first hundred warm up: tokio keeps one list that grows once.
            counted += if round < 100 { 0 } else { allocations() - before };
        }
        assert_eq!(counted, 0, "allocations in 1000 beats");
    });
}
