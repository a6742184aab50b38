//! What lubdub promises and what its rules prevent, told one by one: each fault of the design, each counterexample of the
//! rules. The simulator's oracle looks after every event of every story.

mod beat;
mod consent;
mod departure;
mod failback;
mod freshness;
mod keys;
mod lease;
mod links;
mod orders;
mod partition;
mod ping;
mod power;
mod resources;
mod service;
mod stall;
mod start;
mod strangers;
