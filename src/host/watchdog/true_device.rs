//! A real watchdog, on a machine that may be reset: an emulated one.
//!
//! The part to play is in the environment, since most of them end with the machine; whoever started it looks at the
//! clock. For example, in a guest of QEMU with `-device i6300esb -action watchdog=reset`:
//!
//!     LUBDUB_TEST_WATCHDOG="/dev/watchdog0 starve" lubdub-test --ignored --exact host::watchdog::true_device::plays_a_part

#![allow(clippy::print_stdout, reason = "the console is all that is left of a machine that was reset")]

use lubdub::lease::{self, Exclusive, Wish};
use lubdub::time::Duration;
use nix::poll::{PollTimeout, poll};

use super::epitaph::Epitaph;
use super::last_reset::LastReset;
use super::last_words::{LastWords, boot_id};
use super::machine::Linux;
use super::{Timings, Watchdog, reboot_now};
use crate::host::clock;

/// The device and the part.
const PART: &str = "LUBDUB_TEST_WATCHDOG";
/// Longer than any timeout here and all that may make a bite late.
const LONG: Duration = Duration::from_secs(15);

fn open(path: &str) -> Watchdog {
    let (keepalive, deadtime) = (Duration::from_secs(1), Duration::from_secs(8));
    let wish = Wish { deadtime, keepalive, asked: None, exclusive: Exclusive::Auto, fine_available: true };
    let timings = Timings { lease: lease::choose(&wish), keepalive };
    let log = &mut |level: super::Level, text: std::fmt::Arguments<'_>| println!("dog: {}: {text}", level.word());
    Watchdog::open(path, &timings, clock::now(), log).unwrap()
}

/// Lives for so long, in turns of 100 ms.
fn live(span: Duration, mut turn: impl FnMut()) {
    let end = clock::now() + span;
    while clock::now() < end {
        turn();
        poll(&mut [], PollTimeout::from(100_u8)).unwrap();
    }
}

/// Until the machine is gone.
fn wait_for_the_end(since: &str) {
    println!("dog: {since}");
    let start = clock::now();
    live(LONG, || println!("dog: alive {} ms later", clock::now().since(start).as_millis()));
    panic!("this machine was not reset");
}

#[test]
#[ignore = "resets the machine"]
fn plays_a_part() {
    let part = std::env::var(PART).expect("LUBDUB_TEST_WATCHDOG=\"DEVICE PART\"");
    let (path, part) = part.split_once(' ').expect("LUBDUB_TEST_WATCHDOG=\"DEVICE PART\"");
    let mut linux = Linux::new("/run".into());
    let words = LastWords::now(Epitaph::StopFailed, "group a: the stop of apache failed");
    if part == "restart" {
        println!("dog: restarts");
        panic!("{:?}", reboot_now(&words, &mut linux));
    }
    let mut dog = open(path);
    let found = LastReset::find("/run".as_ref(), &boot_id(), dog.boot_status());
    println!(
        "dog: boot status {:?}, last reset {:?}, owed {}",
        dog.boot_status(),
        found.reset.text("node2"),
        found.owed.is_some()
    );
    live(LONG, || dog.feed(clock::now()).unwrap());
    println!("dog: {}, fed {} times", dog.report(), dog.report().fed);
    match part {
        "starve" => wait_for_the_end("is not fed any more"),
        "kill" => {
            println!("dog: the process ends");
            std::process::abort();
        }
        "late-kill" => {
            println!("dog: is not fed any more");
            live(Duration::from_secs(2), || ());
            println!("dog: the process ends");
            std::process::abort();
        }
        "bite" => {
            dog.bite(clock::now(), &words, &mut linux).unwrap();
            wait_for_the_end("bites");
        }
        "disarm" => {
            dog.disarm().unwrap();
            live(LONG, || ());
            println!("dog: disarmed, and the machine lives");
        }
        other => panic!("no part {other:?}: starve, kill, late-kill, bite, disarm, restart"),
    }
}
