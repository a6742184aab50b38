//! What two appliances do, told one story at a time. In one binary, so that the stories that wait run beside each other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod active_active;
mod addresses;
mod beat;
mod cable;
mod configuration;
mod daemon_lost;
mod failback;
mod flood;
mod follow;
mod lease;
mod links;
mod load;
mod orders;
mod ordinary_user;
mod partition;
mod ping;
mod power;
mod reload;
mod remembered;
mod scripts;
mod split;
mod start;
mod status;
mod stop;
mod tester;
mod trust;
mod tutorial;
mod unplugged;
mod vip;
mod why;
