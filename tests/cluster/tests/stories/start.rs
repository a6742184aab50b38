//! Starting: both at once, one after the other, one alone.

use std::time::Duration;

use lubdub_cluster_tests::{
    GROUP, SECOND, SERVICE, SOON, appliance, await_state, exit_code, nothing_moved, settled, verdict_with,
};
use lubdub_lab::{Lab, Result, VIP, now};

/// Half a second, and what a busy machine adds.
const SERVED: Duration = Duration::from_millis(1500);

#[test]
fn both_at_once() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let judge = lab.judge(VIP)?;
    let before = now();
    lab.boot()?;
    judge.await_owner(lab.node1().mac(), SOON)?;
    let took = now() - before;
    eprintln!("both started: service after {took:?}");
    assert!(took < SERVED, "{took:?}");
    settled(&lab, lab.node1())?;
    nothing_moved(judge, lab.node1())?;
    assert_eq!(lab.node2().script(SERVICE).moves(), [""; 0]);
    Ok(())
}

#[test]
fn the_preferred_one_second() -> Result<()> {
    one_after_the_other(1, 0)
}

#[test]
fn the_preferred_one_first() -> Result<()> {
    one_after_the_other(0, 1)
}

/// Nothing runs before the peer is known or initdead is over; then the preferred node has it at once.
fn one_after_the_other(first: usize, second: usize) -> Result<()> {
    let lab = Lab::new(appliance().with_ha_cf("initdead 3", "initdead 60"))?;
    let judge = lab.judge(VIP)?;
    let (first, second) = (&lab.nodes()[first], &lab.nodes()[second]);
    first.start()?;
    await_state(first, "stopped")?;
    lubdub_cluster_tests::silent(&judge, SECOND)?;
    let before = now();
    second.start()?;
    judge.await_owner(lab.node1().mac(), SOON)?;
    let took = now() - before;
    eprintln!("second start to service: {took:?}");
    assert!(took < SERVED, "{took:?}");
    settled(&lab, lab.node1())?;
    nothing_moved(judge, lab.node1()).map(drop)
}

#[test]
fn one_alone_takes_everything_after_initdead() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let [one, two] = lab.nodes();
    let judge = lab.judge(VIP)?;
    let before = now();
    two.start()?;
    judge.await_owner(two.mac(), SOON)?;
    let took = now() - before;
    assert!(took > SECOND * 29 / 10 && took < SECOND * 6, "initdead is 3 s, and it took {took:?}");
    let status = two.await_status(SOON, |status| status.holds(GROUP))?;
    assert_eq!(status.peer.state, "dead");
    assert_eq!(exit_code(two, "lubdub status")?, Some(1));

    // A peer that comes later is no reason for two owners; F later the preferred node has its own.
    one.start()?;
    judge.await_owner(one.mac(), SOON)?;
    assert_eq!(verdict_with(judge, one)?.doubles, []);
    settled(&lab, one)
}
