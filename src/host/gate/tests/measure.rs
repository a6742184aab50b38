//! How late the silence comes, and what a renewal costs.

use super::lan::Lan;
use super::*;
use crate::host::sys::testing::allocations;

/// The longest there is, at 100 Hz.
const JIFFY: i64 = 10_000;
/// g of the fine lease: a jiffy at 250 Hz and a millisecond.
const MARGIN: i64 = 5_000;

/// Microseconds from the end of a lease to the start of the last question that was answered, and to the start and the
/// end of the first one that was not; negative when it was before.
fn silence(lan: &Lan, gate: &mut Gate, address: IpAddr, millis: u64, way: impl Fn(&Lan, IpAddr) -> bool) -> [i64; 3] {
    let until = in_millis(millis);
    gate.admit(address, until).unwrap();
    let after = |at: Instant| at.as_micros() as i64 - until.as_micros() as i64;
    let mut last = None;
    loop {
        let asked = clock::now();
        if !way(lan, address) {
            return [after(last.expect("it answered at first")), after(asked), after(clock::now())];
        }
        last = Some(asked);
    }
}

fn lateness(lan: &Lan, rounds: usize, millis: u64) -> Vec<[i64; 3]> {
    let mut gate = open();
    let ways = [Lan::claims, Lan::hears];
    (0..rounds).map(|round| silence(lan, &mut gate, vip(round % 4), millis, ways[round / 4 % 2])).collect()
}

#[test]
fn silent_on_time_by_itself() {
    with_lan(|lan| {
        let mut rounds = lateness(lan, 9, 50);
        assert!(rounds.iter().all(|[_, _, silent]| *silent >= -2 * JIFFY), "silent before its time: {rounds:?}");
        // A jiffy that an emulated or crowded machine counts late is that machine's; the median is the gate's.
        rounds.sort_unstable();
        assert!(rounds[4][0] <= MARGIN, "answered after its time: {rounds:?}");
    });
}

#[test]
#[ignore = "half a minute, for the figures: run with --ignored --nocapture"]
fn figures() {
    with_lan(|lan| {
        for millis in [50, 220, 300] {
            let mut rounds = lateness(lan, 24, millis);
            for (which, name) in ["last answered", "first silent", "silence known"].iter().enumerate() {
                rounds.sort_by_key(|round| round[which]);
                let at = |place: usize| rounds[place][which];
                eprintln!("{millis} ms, {name}: min {} median {} max {} us after the end", at(0), at(12), at(23));
            }
        }
        for count in [1, 2, 4] {
            let mut gate = open();
            admit_all(&mut gate, long());
            let (vips, until) = (&all()[..count], long());
            let mut times: Vec<u64> = (0..2_000)
                .map(|_| {
                    let begun = clock::now();
                    gate.renew(vips, until).unwrap();
                    clock::now().since(begun).as_micros()
                })
                .collect();
            times.sort_unstable();
            eprintln!("renewal of {count}: min {} median {} 99 % {} us", times[0], times[1_000], times[1_980]);
        }
    });
}

#[test]
fn a_renewal_allocates_nothing() {
    with_lan(|_| {
        let mut gate = open();
        admit_all(&mut gate, long());
        let (vips, until) = (all(), long());
        gate.renew(&vips, until).unwrap();
        let before = allocations();
        for _ in 0..100 {
            assert!(gate.renew(&vips, until).unwrap().lapsed.is_empty());
        }
        assert_eq!(allocations(), before);
    });
}
