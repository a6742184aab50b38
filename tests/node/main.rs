//! What a shell can do with a node that the simulator's world does not do: bytes cut at will, groups that come with a
//! reload, recordings fed at a pace. Two real nodes in virtual time; the stories of ownership are in `tests/sim`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod freshness;
mod journal;
mod lease;
mod lines;
mod memory;
mod pair;
mod ping;
mod reload;
mod strangers;
