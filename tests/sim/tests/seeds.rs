//! Some seeds in every test run: the same ones, so that a failure is a change of the core. Campaigns draw others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lubdub::time::{Duration, Instant};
use lubdub_sim::scenario::Scenario;
use lubdub_sim::timeline::Timeline;
use lubdub_sim::world::{Outcome, World};

fn live(scenario: Scenario) -> Outcome {
    World::new(scenario, Timeline::default()).live()
}

/// The same seed with its faults cut short, so that a debug build is done in time.
fn short(seed: u64) -> Scenario {
    let mut scenario = Scenario::draw(seed);
    let faults = scenario.keepalive().times(600);
    let settle = scenario.end.since(scenario.calm);
    scenario.calm = scenario.calm.min(Instant::ZERO + faults);
    scenario.end = scenario.calm + settle;
    scenario
}

#[test]
fn fifty_seeds_keep_the_laws() {
    for seed in 0..50 {
        let outcome = live(short(seed));
        assert!(
            outcome.violation.is_none(),
            "{}\n  cargo run --release -p lubdub-sim -- replay {seed}",
            outcome.violation.unwrap()
        );
    }
}

#[test]
fn a_seed_lives_alike_each_time() {
    for seed in 50..53 {
        let tell = || {
            let mut world = World::new(short(seed), Timeline::kept());
            let outcome = world.live();
            (outcome.events, outcome.tally, world.timeline().tail(usize::MAX).to_vec())
        };
        assert_eq!(tell(), tell(), "seed {seed}");
    }
}

/// The documented double ownership: with every path cut and no lease, the standby takes after deadtime, and one keeps.
#[test]
fn every_path_cut_makes_two_owners_and_the_heal_leaves_one() {
    let doubles = (0..20).map(|seed| {
        let mut scenario = short(seed);
        scenario.kinds = lubdub_sim::kind::Kinds::default();
        scenario.kinds.insert(lubdub_sim::kind::Kind::Partition);
        scenario.pace = scenario.deadtime().times(4) + Duration::from_secs(1);
        let outcome = live(scenario);
        assert!(outcome.violation.is_none(), "seed {seed}: {}", outcome.violation.unwrap());
        outcome.doubles
    });
    assert!(doubles.sum::<u64>() > 0, "no partition outlasted deadtime");
}
