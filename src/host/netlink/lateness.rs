//! How late the kernel ends an address. The takeover waits for it, so the bound is measured.
//!
//! A few rounds of the usual plans here; the figures of the documentation are of more, every round in a namespace of its own:
//! `LATENESS_ROUNDS=40 cargo test --bin lubdub lateness -- --nocapture`, and for leases of 5, 10 and 20 s besides
//! `LATENESS_LONG=20`.

use std::net::IpAddr;
use std::thread;

use lubdub::time::Duration;

use super::namespace::{Listener, inside, ip};
use super::{Address, Form, Kernel, Lifetime, Renewal};
use crate::host::{clock, sys};

/// What the timing law counts with, g. It holds for leases of up to 8 s: see [`Lifetime`].
const BOUND: Duration = Duration::from_millis(1_350);
/// The kernel takes an age for a second more already when 20 ms are missing (`ADDRCONF_TIMER_FUZZ_MINUS`).
const EARLY: Duration = Duration::from_millis(30);
/// So many rounds at once: the machine must not be what is late.
const AT_ONCE: usize = 16;

/// VIPs and the seconds for which each is renewed, all in one turn.
type Plan = &'static [(&'static str, u32)];

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Renews the VIPs of a plan at an arbitrary moment, once more a little later, and waits for their end. By how many
/// microseconds each was late, and how early; `stranger`: beside an address of somebody else's that ends just before.
fn round(plan: Plan, stranger: bool, phase: Duration) -> Vec<i64> {
    let (told, late) = std::sync::mpsc::channel();
    inside(move || {
        // The kernel's lateness is wanted, not this thread's; where it is not permitted, both are measured.
        let _ = sys::sched_fifo(1);
        ip("link add eth0 type veth peer name lan0");
        ip("link set eth0 up");
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let mut kernel = Kernel::new().unwrap();
        let mut listener = Listener::new();
        let addresses: Vec<IpAddr> = plan.iter().map(|(vip, _)| vip.parse().unwrap()).collect();
        let entries = addresses.iter().map(|a| Address::new(index, *a, if a.is_ipv4() { 24 } else { 64 }, None, None));
        let entries: Vec<_> = entries.collect();
        for entry in &entries {
            kernel.add(&entry.clone().lasting(Lifetime::Seconds(60))).unwrap();
        }
        wait(phase);
        if stranger {
            let other = Address::new(index, IpAddr::from([10, 9, 9, 9]), 24, None, None);
            let seconds = plan.iter().map(|(_, seconds)| *seconds).min().unwrap();
            kernel.add(&other.lasting(Lifetime::Seconds(seconds))).unwrap();
            wait(Duration::from_millis(60));
        }
        let renewed = clock::now();
        for (entry, (_, seconds)) in entries.iter().zip(plan) {
            let mut renewal = Renewal::of(entry, Form::Existing);
            let refused = |_, error| panic!("{error}");
            kernel.renew(std::iter::once(&mut renewal), Lifetime::Seconds(*seconds), refused).unwrap();
        }
        for (ended, (_, seconds)) in listener.removals(&addresses).into_iter().zip(plan) {
            let took = ended.since(renewed).as_micros() as i64;
            told.send(took - i64::from(*seconds) * 1_000_000).unwrap();
        }
    });
    late.try_iter().collect()
}

#[allow(clippy::disallowed_methods, reason = "there is nothing to await: the phase is what is wanted")]
fn wait(phase: Duration) {
    thread::sleep(std::time::Duration::from_micros(phase.as_micros()));
}

fn measure(name: &str, plan: Plan, stranger: bool, rounds: usize) -> Vec<i64> {
    let mut late = Vec::new();
    for batch in (0..rounds).collect::<Vec<_>>().chunks(AT_ONCE) {
        // Spread over the kernel's whole second, to which it rounds.
        let phase = |number: &usize| Duration::from_millis((number * 377 % 1_000) as u64);
        let threads: Vec<_> =
            batch.iter().map(phase).map(|p| thread::spawn(move || round(plan, stranger, p))).collect();
        late.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    }
    late.sort_unstable();
    let millis = |at: usize| late[at] as f64 / 1_000.0;
    let (median, last) = (late.len() / 2, late.len() - 1);
    eprintln!(
        "{name}: {} ends in {rounds} rounds, late by {:.0} ms at least, {:.0} ms in the middle, {:.0} ms at most",
        late.len(),
        millis(0),
        millis(median),
        millis(last)
    );
    late
}

// Each VIP in a network of its own: the first of a network takes the others with it.
const ONE: Plan = &[("10.0.0.1", 1)];
const TWO: Plan = &[("10.0.0.1", 2)];
const THREE: Plan = &[("10.0.0.1", 3)];
const ONE_6: Plan = &[("2001:db8::1", 1)];
const EQUAL: Plan = &[("10.0.0.1", 2), ("10.0.1.1", 2), ("2001:db8::1", 2)];
const MIXED: Plan = &[("10.0.0.1", 1), ("10.0.1.1", 2), ("2001:db8::1", 3)];
const LONG: [(&str, Plan); 3] =
    [("5 s", &[("10.0.0.1", 5)]), ("10 s", &[("10.0.0.1", 10)]), ("20 s", &[("10.0.0.1", 20)])];

#[test]
fn the_kernel_ends_an_address_no_later_than_the_takeover_counts_with() {
    let asked = number("LATENESS_ROUNDS");
    let rounds = asked.unwrap_or(2);
    let plans = [
        ("1 s", ONE, false),
        ("1 s, IPv6", ONE_6, false),
        ("2 s", TWO, false),
        ("3 s", THREE, false),
        ("three of 2 s", EQUAL, false),
        ("1, 2 and 3 s", MIXED, false),
        ("2 s beside another's end", TWO, true),
    ];
    // Another's end uses up all but a third of a second of the bound. What is left is for whoever holds the kernel's lock
    // of the network (RTNL), and the other tests, which make and unmake namespaces, hold it for long.
    let plans = plans.into_iter().filter(|(.., stranger)| asked.is_some() || !stranger);
    // A few rounds all at once; many one plan after the other, so that they do not make each other late.
    let together = asked.is_none();
    let run = |(name, plan, stranger)| thread::spawn(move || measure(name, plan, stranger, rounds));
    let mut threads = Vec::new();
    for plan in plans {
        let thread = run(plan);
        if together {
            threads.push(thread);
        } else {
            check(&thread.join().unwrap());
        }
    }
    threads.into_iter().for_each(|thread| check(&thread.join().unwrap()));
    for (name, plan) in LONG.into_iter().filter(|_| number("LATENESS_LONG").is_some()) {
        measure(name, plan, false, number("LATENESS_LONG").unwrap_or_default());
    }
}

fn check(late: &[i64]) {
    assert!(late[0] > -(EARLY.as_micros() as i64), "{late:?}");
    assert!(late[late.len() - 1] < BOUND.as_micros() as i64, "{late:?}");
}
