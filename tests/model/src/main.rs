//! The long runs; see the README beside.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use argh::FromArgs;
use lubdub_model::{Config, Kinds, Search, World, story};
use std::process::ExitCode;

/// Tries every interleaving of two nodes and one group up to a bound.
#[derive(FromArgs)]
struct Args {
    /// faults at most (3)
    #[argh(option, default = "3")]
    faults: u8,
    /// depth in ticks of half a keepalive (12)
    #[argh(option, default = "12")]
    ticks: u32,
    /// links, 1 or 2 (1)
    #[argh(option, default = "1")]
    links: usize,
    /// begin with both nodes off instead of with a settled pair
    #[argh(switch)]
    cold: bool,
    /// without auto_failback
    #[argh(switch)]
    no_failback: bool,
    /// kinds of faults, letters of lcxsof: losses, cuts, crashes, stalls, orders, failures ("lcxsof")
    #[argh(option, default = "String::from(\"lcxsof\")")]
    kinds: String,
    /// go deeper and deeper, so that what is found is short
    #[argh(switch)]
    deepen: bool,
    /// give up after so many million states (200)
    #[argh(option, default = "200")]
    millions: usize,
}

fn main() -> ExitCode {
    let args: Args = argh::from_env();
    let has = |letter| args.kinds.contains(letter);
    let kinds = Kinds {
        losses: has('l'),
        cuts: has('c'),
        crashes: has('x'),
        stalls: has('s'),
        orders: has('o'),
        failures: has('f'),
    };
    let config = Config { links: args.links.clamp(1, 2), auto_failback: !args.no_failback, kinds };
    let steps: Vec<(u8, u32)> = if args.deepen {
        (0..=args.faults).flat_map(|faults| (4..=args.ticks).step_by(4).map(move |ticks| (faults, ticks))).collect()
    } else {
        vec![(args.faults, args.ticks)]
    };
    for (faults, ticks) in steps {
        let root = if args.cold { World::off(config, faults) } else { World::settled(config, faults) };
        let mut search = Search::new(args.millions * 1_000_000);
        let found = search.explore(&root, ticks);
        println!(
            "{config:?}, {}: {faults} faults, {ticks} ticks: {} states, {} transitions, {} left to settle, {} at the bound{}",
            if args.cold { "both off" } else { "settled" },
            search.states(),
            search.counts.transitions,
            search.counts.settled,
            search.counts.cut_off,
            if search.is_incomplete() { ", GIVEN UP" } else { "" },
        );
        if let Err(found) = found {
            println!("{:?} after {} acts:\n{}", found.violation, found.acts.len(), story::tell(&root, &found.acts));
            return ExitCode::FAILURE;
        }
        if search.is_incomplete() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
