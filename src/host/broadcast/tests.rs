use std::sync::mpsc;
use std::thread;

use super::*;
use crate::host::clock;
use crate::host::port::Port;
use crate::host::port::testing::{self, beat, bytes, lost, opened, quiet};
use crate::host::sys::testing::{allocations, carrier, ip, own_network};

const UDPPORT: u16 = 694;

/// Runs a test in a network of its own: two interfaces without any address, joined by a cable, no more.
fn on_a_crossover_cable(test: impl AsyncFnOnce() + Send + 'static) {
    let thread = thread::spawn(|| {
        own_network();
        plug();
        testing::run(test);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn plug() {
    ip("link add here type veth peer name there");
    ip("link set here up");
    ip("link set there up");
    carrier("here");
    carrier("there");
}

async fn open_on(interface: &str) -> Broadcast {
    let mut port = Broadcast::new(interface.into(), UDPPORT);
    assert_eq!(port.wake_at(), Some(Instant::ZERO), "due at once");
    opened(&mut port).await;
    assert_eq!(port.wake_at(), None);
    port
}

/// What the reactor has not told yet must be there at once: the cable of a veth pair has no length.
async fn crosses(from: &mut Broadcast, to: &mut Broadcast, frame: &[u8]) {
    assert_eq!(from.send(frame), Sent::Yes);
    assert_eq!(bytes(to).await, frame);
}

#[test]
fn crosses_without_addresses_and_never_hears_itself() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        crosses(&mut here, &mut there, b"from here").await;
        crosses(&mut there, &mut here, b"from there").await;
        assert_eq!(here.send(b"alone"), Sent::Yes);
        quiet(&mut here, Duration::from_millis(300)).await;
        assert_eq!(here.sweep(&mut [0; 64]), 0);
        let mut buf = [0; 64];
        assert_eq!(there.sweep(&mut buf), 5);
        quiet(&mut there, Duration::from_millis(300)).await;
        crosses(&mut here, &mut there, b"the reactor still wakes after a sweep").await;
    });
}

/// A second appliance: a network of its own with the far end of the cable, where every datagram is answered with itself,
/// until one says "end".
fn echo_elsewhere() -> thread::JoinHandle<()> {
    let (tell, told) = mpsc::channel();
    let (moved, wait) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        own_network();
        tell.send(nix::unistd::gettid()).unwrap();
        wait.recv().unwrap();
        ip("link set there up");
        carrier("there");
        testing::run(async || {
            let mut there = open_on("there").await;
            ready.send(()).unwrap();
            loop {
                let heard = bytes(&mut there).await;
                assert_eq!(there.send(&heard), Sent::Yes);
                if heard == b"end" {
                    return;
                }
            }
        });
    });
    ip(&format!("link set there netns {}", told.recv().unwrap()));
    moved.send(()).unwrap();
    is_ready.recv().unwrap();
    carrier("here");
    thread
}

#[test]
fn an_address_on_one_end_makes_no_difference() {
    on_a_crossover_cable(async || {
        let echo = echo_elsewhere();
        let mut here = open_on("here").await;
        ip("address add 10.0.0.1/24 dev here");
        for frame in [b"from an address".as_slice(), b"end"] {
            assert_eq!(here.send(frame), Sent::Yes);
            assert_eq!(bytes(&mut here).await, frame);
        }
        echo.join().unwrap();
    });
}

#[test]
fn keeps_to_its_interface() {
    on_a_crossover_cable(async || {
        ip("link add other type veth peer name end");
        ip("link set other up");
        ip("link set end up");
        carrier("other");
        carrier("end");
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        let (mut other, mut end) = (open_on("other").await, open_on("end").await);
        crosses(&mut here, &mut there, b"one").await;
        crosses(&mut other, &mut end, b"two").await;
        for port in [&mut there, &mut end, &mut here, &mut other] {
            quiet(port, Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn one_datagram_is_one_event_and_what_does_not_fit_is_dropped() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        for frame in [[1; 30].as_slice(), &[], &[2; 513], &[3; 512], &[4; 31]] {
            assert_eq!(here.send(frame), Sent::Yes);
        }
        for expected in [[1; 30].as_slice(), &[3; 512], &[4; 31]] {
            assert_eq!(bytes(&mut there).await, expected);
        }
        for frame in [[].as_slice(), &[2; 513], &[5; 8]] {
            here.send(frame);
        }
        assert_eq!(there.sweep(&mut [0; 512]), 8);
        quiet(&mut there, Duration::from_millis(50)).await;
    });
}

#[test]
fn a_flood_of_useless_datagrams_lets_the_loop_breathe_and_a_beat_through() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        for _ in 0..20 {
            assert_eq!(here.send(&[2; 600]), Sent::Yes);
        }
        assert_eq!(here.send(b"beat"), Sent::Yes);
        let (event, polls) = testing::event_within(&mut there, &mut [0; 512], Duration::from_secs(10)).await;
        assert!(matches!(event, Some(PortEvent::Bytes(4))), "{event:?}");
        assert!(polls >= 3, "21 datagrams in {polls} polls");
    });
}

#[test]
fn a_full_queue_is_bounded() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        for _ in 0..5_000 {
            here.send(&[1; 32]);
        }
        let kept = (0..5_000).take_while(|_| there.sweep(&mut [0; 64]) > 0).count();
        assert!((50..1_000).contains(&kept), "{kept} datagrams kept");
    });
}

#[test]
fn down_and_up_is_no_loss() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        ip("link set here down");
        assert_eq!(here.send(b"nowhere"), Sent::Dropped);
        quiet(&mut here, Duration::from_millis(1_200)).await;
        quiet(&mut there, Duration::from_millis(100)).await;
        ip("link set here up");
        carrier("here");
        carrier("there");
        crosses(&mut here, &mut there, b"up again").await;
        crosses(&mut there, &mut here, b"both ways").await;
    });
}

#[test]
fn opens_on_an_interface_that_is_down() {
    on_a_crossover_cable(async || {
        ip("link set here down");
        let mut here = open_on("here").await;
        let mut there = open_on("there").await;
        assert_eq!(here.send(b"nowhere"), Sent::Dropped);
        ip("link set here up");
        carrier("here");
        carrier("there");
        crosses(&mut here, &mut there, b"up at last").await;
    });
}

#[test]
fn an_absent_interface_is_said_once_and_found_when_it_comes() {
    on_a_crossover_cable(async || {
        let mut port = Broadcast::new("later".into(), UDPPORT);
        assert_eq!(lost(&mut port).await.raw_os_error(), Some(libc::ENODEV));
        assert_eq!(port.send(b"x"), Sent::Dropped);
        quiet(&mut port, Duration::from_millis(500)).await;
        ip("link set here name later");
        opened(&mut port).await;
    });
}

#[test]
fn deleted_and_made_anew_is_found_by_the_next_send() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        ip("link delete here");
        plug();
        assert_eq!(here.send(b"into the void"), Sent::Dropped);
        assert_eq!(here.wake_at(), Some(Instant::ZERO), "to be looked at now");
        assert_eq!(lost(&mut here).await.raw_os_error(), Some(libc::ENODEV));
        opened(&mut here).await;
        there.send(b"into the void");
        lost(&mut there).await;
        opened(&mut there).await;
        crosses(&mut here, &mut there, b"the same name").await;
    });
}

#[test]
fn deleted_is_found_within_a_second_without_sending() {
    on_a_crossover_cable(async || {
        let mut here = open_on("here").await;
        ip("link delete here");
        // A loop that beats polls every port each turn; this one turns every 100 ms.
        let end = clock::now() + Duration::from_secs(5);
        loop {
            let (event, _) = testing::event_within(&mut here, &mut [0; 8], Duration::from_millis(100)).await;
            match event {
                Some(PortEvent::Lost(_)) => break,
                other => assert!(other.is_none() && clock::now() < end, "{other:?}"),
            }
        }
        quiet(&mut here, Duration::from_millis(500)).await;
    });
}

#[test]
fn a_beat_costs_no_heap_allocation() {
    on_a_crossover_cable(async || {
        let (mut here, mut there) = (open_on("here").await, open_on("there").await);
        let mut alarm = clock::Alarm::new().unwrap();
        let mut buf = [0; 512];
        let mut counted = 0;
        for round in 0..1_100 {
            let before = allocations();
            assert_eq!(here.send(&[5; 32]), Sent::Yes);
            beat(&mut there, &mut alarm, &mut buf).await;
            // The first hundred warm up: tokio keeps one list that grows once.
            counted += if round < 100 { 0 } else { allocations() - before };
        }
        assert_eq!(counted, 0, "allocations in 1000 beats");
    });
}
