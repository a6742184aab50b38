//! What every change must pass: small bounds, every kind of fault. The long runs are in the README.

#![allow(clippy::print_stdout, reason = "the numbers are part of the result")]

use lubdub_model::{Config, Kinds, Search, World, story};

fn check(name: &str, root: &World, ticks: u32) -> usize {
    let mut search = Search::new(20_000_000);
    if let Err(found) = search.explore(root, ticks) {
        panic!("{name}: {:?}\n{}", found.violation, story::tell(root, &found.acts));
    }
    println!("{name}: {ticks} ticks, {} states, {} left to settle", search.states(), search.counts.settled);
    assert!(!search.is_incomplete());
    search.states()
}

fn config(links: usize, auto_failback: bool) -> Config {
    Config { links, auto_failback, kinds: Kinds::ALL }
}

#[test]
fn a_settled_pair_survives_two_faults_of_any_kind() {
    let root = World::settled(config(1, true), 2);
    assert!(check("settled", &root, 6) > 100_000);
}

#[test]
fn without_auto_failback_too() {
    let root = World::settled(config(1, false), 2);
    assert!(check("without auto_failback", &root, 5) > 100_000);
}

#[test]
fn two_links_survive_a_fault_of_any_kind() {
    let root = World::settled(config(2, true), 1);
    assert!(check("two links", &root, 4) > 50_000);
}

#[test]
fn a_pair_that_boots_survives_a_fault_of_any_kind() {
    let root = World::off(config(1, true), 1);
    assert!(check("both off", &root, 12) > 10_000);
}

#[test]
fn one_fault_is_survived_for_two_deadtimes_and_more() {
    let root = World::settled(config(1, true), 1);
    assert!(check("one fault", &root, 40) > 20_000);
}
