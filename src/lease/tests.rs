use super::{Exclusive, Kind, Lease, Wish, choose, shortest, silence, watchdog_silence};
use crate::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn wish(keepalive: u64, deadtime: u64) -> Wish {
    Wish {
        deadtime: ms(deadtime),
        keepalive: ms(keepalive),
        asked: None,
        exclusive: Exclusive::Auto,
        fine_available: true,
    }
}

fn asking(keepalive: u64, deadtime: u64, lease: u64) -> Wish {
    Wish { asked: Some(ms(lease)), ..wish(keepalive, deadtime) }
}

/// Every combination of some times that people write and of their neighbours.
fn each(judge: impl Fn(&Wish, &Lease)) {
    let times = [1, 2, 7, 10, 14, 20, 60, 99, 100, 300, 495, 500, 501, 999, 1_000, 1_001, 1_030, 2_000, 2_381, 2_382];
    let long = [3_000, 5_000, 10_000, 30_000, 60_000, 3_600_000, 86_400_000];
    let times = || times.into_iter().chain(long);
    let asked = || std::iter::once(None).chain(times().map(|lease| Some(ms(lease))));
    for keepalive in times() {
        for deadtime in times().flat_map(|time| [time, time + 17]).filter(|&deadtime| deadtime > 2 * keepalive) {
            for asked in asked().filter(|asked| asked.is_none_or(|asked| asked >= shortest(ms(keepalive)))) {
                for fine_available in [false, true] {
                    for exclusive in [Exclusive::Auto, Exclusive::On, Exclusive::Off] {
                        let wish = Wish { asked, fine_available, exclusive, ..wish(keepalive, deadtime) };
                        judge(&wish, &choose(&wish));
                    }
                }
            }
        }
    }
}

/// The law in rational numbers: 1000 S >= 1001 (L + g) + 1000 (q + w), and less than a microsecond more.
#[test]
fn every_choice_keeps_the_law() {
    each(|wish, lease| {
        let (length, late) = (lease.length.as_micros(), lease.kind.late(lease.length).as_micros());
        let law = u128::from(length + late) * 1_001 + 15_000 * 1_000;
        let silence = u128::from(lease.silence.as_micros()) * 1_000;
        assert!((law..law + 1_000).contains(&silence), "{wish:?}: {lease:?}");
        assert!(lease.length >= shortest(wish.keepalive), "{wish:?}: {lease:?}");
        let takeover = if wish.exclusive == Exclusive::Off { wish.deadtime } else { wish.deadtime.max(lease.silence) };
        assert_eq!(lease.takeover, takeover, "{wish:?}");
        assert_eq!(lease.outlasted(), takeover >= lease.silence, "{wish:?}");
    });
}

#[test]
fn the_length_tells_the_kind_and_the_kernel_has_it() {
    each(|wish, lease| {
        assert_eq!(Kind::of(lease.length), lease.kind, "{wish:?}");
        assert!(lease.length.as_micros().is_multiple_of(1_000), "{wish:?}: {lease:?}");
        assert!(lease.kind == Kind::Address || wish.fine_available, "{wish:?}: {lease:?}");
        assert_eq!(silence(lease.length), lease.silence, "what the peer works out from the length alone");
    });
}

#[test]
fn no_longer_lease_fits() {
    each(|wish, lease| {
        if wish.asked.is_some() {
            return;
        }
        let fits = |length| silence(length) <= wish.deadtime && length >= shortest(wish.keepalive);
        let seconds = |n| Duration::from_secs(n);
        let any_second = (1..=wish.deadtime.as_millis() / 1_000).any(|n| fits(seconds(n)));
        if any_second {
            assert_eq!(lease.kind, Kind::Address, "{wish:?}");
            let longer = lease.length < seconds(8) && fits(lease.length + seconds(1));
            assert!(fits(lease.length) && !longer, "{wish:?}: {lease:?}");
        } else if wish.fine_available && wish.deadtime < seconds(10) {
            let longest = (1..wish.deadtime.as_millis()).rev().map(ms).find(|&length| fits(length));
            assert!(longest.is_none_or(|longest| lease.length == longest), "{wish:?}: {lease:?} {longest:?}");
            assert_eq!(longest.is_some(), fits(lease.length), "{wish:?}: {lease:?}");
        }
    });
}

#[test]
fn the_examples_of_the_rules() {
    let s = |length| silence(ms(length)).as_micros();
    assert_eq!(s(3_000), 4_369_350);
    assert_eq!(s(220), 240_225);
    assert_eq!(s(50), 70_055);
    assert_eq!(s(38), 58_043);
    assert_eq!(shortest(ms(20)), ms(50));
    assert_eq!(shortest(ms(14)), ms(38));
}

#[test]
fn an_ordinary_and_a_fast_pair_are_exclusive() {
    let choice = |keepalive, deadtime| {
        let lease = choose(&wish(keepalive, deadtime));
        (lease.length, lease.kind, lease.takeover)
    };
    assert_eq!(choice(1_000, 10_000), (ms(8_000), Kind::Address, ms(10_000)));
    assert_eq!(choice(1_000, 30_000), (ms(8_000), Kind::Address, ms(30_000)));
    assert_eq!(choice(100, 300), (ms(279), Kind::Fine, ms(300)));
    assert_eq!(choice(14, 60), (ms(39), Kind::Fine, ms(60)));
    assert_eq!(choice(20, 60), (ms(50), Kind::Fine, Duration::from_micros(70_055)));
}

#[test]
fn without_nf_tables_a_fast_pair_waits_for_seconds() {
    let lease = choose(&Wish { fine_available: false, ..wish(100, 300) });
    assert_eq!((lease.length, lease.kind), (ms(1_000), Kind::Address));
    assert_eq!(lease.takeover, Duration::from_micros(2_367_350));
}

#[test]
fn a_lease_asked_for_is_taken_as_it_is() {
    let choice = |wish: Wish| {
        let lease = choose(&wish);
        (lease.length, lease.kind)
    };
    assert_eq!(choice(asking(1_000, 10_000, 3_000)), (ms(3_000), Kind::Address));
    assert_eq!(choice(asking(1_000, 10_000, 2_500)), (ms(2_500), Kind::Fine));
    assert_eq!(choice(asking(100, 300, 220)), (ms(220), Kind::Fine));
    // 9 s and 1.35 s do not fit 10 s; as a fine lease they do, told apart by a millisecond.
    assert_eq!(choice(asking(1_000, 10_000, 9_000)), (ms(8_999), Kind::Fine));
    assert_eq!(choice(asking(495, 1_500, 1_000)), (ms(1_001), Kind::Fine));
    let coarse = |wish| choice(Wish { fine_available: false, ..wish });
    assert_eq!(coarse(asking(1_000, 10_000, 9_000)), (ms(9_000), Kind::Address));
    assert_eq!(coarse(asking(1_000, 10_000, 3_900)), (ms(3_000), Kind::Address));
    assert_eq!(coarse(asking(1_000, 10_000, 2_900)), (ms(3_000), Kind::Address));
    assert_eq!(coarse(asking(100, 300, 220)), (ms(1_000), Kind::Address));
}

#[test]
fn a_watchdog_bites_before_the_takeover() {
    let timeout = |keepalive, deadtime| choose(&wish(keepalive, deadtime)).watchdog(ms(keepalive));
    assert_eq!(timeout(100, 300), None);
    assert_eq!(timeout(100, 2_100), None, "a second of the timer and one of a spinning loop leave none");
    assert_eq!(timeout(1_000, 10_000), Some(ms(6_000)));
    assert_eq!(timeout(1_000, 30_000), Some(ms(6_000)));
    assert_eq!(timeout(2_000, 30_000), Some(ms(5_000)));
    assert_eq!(timeout(2_000, 6_500), None, "a healthy loop needs two keepalives");
    each(|wish, lease| {
        let bites = |timeout: Duration| {
            let spin = ms(wish.keepalive.as_millis().max(1_000).div_ceil(1_000) * 1_000);
            let late = u128::from((timeout + ms(1_000) + spin).as_micros()) * 1_001;
            let vip = u128::from(lease.length.as_micros() + 30_000) * 1_000;
            watchdog_silence(timeout, wish.keepalive) <= lease.takeover + ms(2) && late <= vip + 2_000_000
        };
        if let Some(timeout) = lease.watchdog(wish.keepalive) {
            assert!(timeout.as_millis().is_multiple_of(1_000) && timeout >= ms(1_000));
            assert!(timeout >= wish.keepalive.times(2), "{wish:?}: {lease:?} {timeout:?}");
            assert!(bites(timeout), "{wish:?}: {lease:?} {timeout:?}");
        }
    });
}

#[test]
fn no_time_is_too_long() {
    let far = Duration::from_micros(u64::MAX);
    let wish = Wish { deadtime: far, keepalive: far, asked: Some(far), ..wish(1, 3) };
    assert_eq!(choose(&wish).takeover, far);
    assert_eq!(choose(&wish).watchdog(far), None, "two keepalives are longer");
}
