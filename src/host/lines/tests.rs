use super::*;

const FULL: Lines = Lines::ALL;

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(1_000 + millis)
}

fn known(lines: Lines) -> Report {
    Report::Known { lines, strapped: Lines::NONE }
}

/// What each of these, so many milliseconds after the start, makes of it.
fn story(reports: &[(u64, Report)]) -> Vec<Shown> {
    let mut modem = Modem::default();
    let verdict = |(millis, report): &(u64, Report)| {
        modem.settle(at(*millis));
        modem.see(at(*millis), *report);
        modem.shown()
    };
    reports.iter().map(verdict).collect()
}

#[test]
fn what_was_never_up_is_nothing() {
    assert_eq!(Modem::default().shown(), Shown::Unknown);
    let three_wires = [(0, known(Lines::NONE)), (5_000, known(Lines::NONE)), (9_000, known(Lines::NONE))];
    assert_eq!(story(&three_wires), [Shown::None; 3]);
}

#[test]
fn what_was_up_and_stays_down_is_lost_and_comes_back() {
    let mut modem = Modem::default();
    modem.see(at(0), known(Lines::NONE));
    modem.see(at(10), known(FULL));
    assert_eq!((modem.shown(), modem.wake_at()), (Shown::Up, None));
    modem.see(at(100), known(Lines::NONE));
    assert_eq!((modem.shown(), modem.wake_at()), (Shown::Up, Some(at(100) + DIP)));
    modem.settle(at(119));
    assert_eq!(modem.shown(), Shown::Up);
    modem.settle(at(120));
    assert_eq!((modem.shown(), modem.wake_at()), (Shown::Lost, None));
    modem.see(at(500), known(FULL));
    assert_eq!(modem.shown(), Shown::Up);
}

#[test]
fn a_dip_is_not_missed() {
    let dips: Vec<_> = (0..20).map(|n| (n * 10, known(if n % 2 == 0 { FULL } else { Lines::NONE }))).collect();
    assert_eq!(story(&dips), [Shown::Up; 20]);
}

#[test]
fn own_slowness_makes_no_loss_of_a_dip() {
    // Both are read at once, a second after they happened.
    assert_eq!(story(&[(0, known(FULL)), (1_000, known(Lines::NONE)), (1_000, known(FULL))]), [Shown::Up; 3]);
}

#[test]
fn one_wire_of_several_is_no_loss() {
    for left in [Lines::DSR, Lines::DCD] {
        assert_eq!(story(&[(0, known(FULL)), (10, known(left)), (9_000, known(left))]), [Shown::Up; 3], "{left:?}");
    }
    let clear = known(Lines::CTS);
    let seen_down = [(0, known(Lines::NONE)), (5, known(FULL)), (10, clear), (9_000, clear)];
    assert_eq!(story(&seen_down), [Shown::None, Shown::Up, Shown::Up, Shown::Up]);
}

#[test]
fn a_driver_that_always_says_clear_to_send_hides_no_loss() {
    let clear = known(Lines::CTS);
    assert_eq!(story(&[(0, known(FULL)), (10, clear), (30, clear)]), [Shown::Up, Shown::Up, Shown::Lost]);
}

#[test]
fn clear_to_send_alone_counts_where_nothing_else_is_wired() {
    let clear = known(Lines::CTS);
    let gone = known(Lines::NONE);
    assert_eq!(story(&[(0, clear), (10, gone), (30, gone)]), [Shown::Up, Shown::Up, Shown::Lost]);
}

#[test]
fn straps_are_named_and_prove_nothing() {
    let carrier = Lines::DSR.or(Lines::DCD);
    let strapped = |lines| Report::Known { lines, strapped: carrier };
    assert_eq!(
        story(&[(0, strapped(carrier)), (10, strapped(Lines::NONE)), (99, strapped(Lines::NONE))]),
        [Shown::Strapped; 3]
    );
    // With CTS wired through it is evidence like any other.
    let half = [(0, strapped(FULL)), (10, strapped(carrier)), (30, strapped(carrier))];
    assert_eq!(story(&half), [Shown::Up, Shown::Up, Shown::Lost]);
}

#[test]
fn a_device_that_goes_leaves_nothing_known() {
    let mut modem = Modem::default();
    for report in [known(FULL), known(Lines::NONE), Report::Unknown] {
        modem.see(at(0), report);
    }
    assert_eq!((modem.shown(), modem.wake_at()), (Shown::Unknown, None));
    modem.see(at(1), known(Lines::NONE));
    assert_eq!(modem.shown(), Shown::None, "what the former opening showed does not count");
}
