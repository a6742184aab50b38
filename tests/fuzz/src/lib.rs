//! What must hold for any bytes. Each target takes bytes of the fuzzer's choice and panics where a law is broken.
//!
//! `tests/fuzz/run` lets libFuzzer choose the bytes (`libfuzzer/`, a nightly compiler); `cargo test -p lubdub-fuzz`
//! replays what it found worth keeping (`corpus/`) on any compiler. An input that broke something once stays in the
//! corpus.

mod choices;
mod configuration;
mod cut;
mod envelope;
mod frame;
mod message;
mod node;
mod order;
mod puppet;
mod setup;
mod watched;

#[path = "../../../src/host/request.rs"]
#[allow(dead_code, unreachable_pub, reason = "the host's file as it is; the targets use a part of it")]
mod request_line;

pub use configuration::{authkeys, configuration, ha_cf, haresources};
pub use cut::deframer;
pub use envelope::envelope;
pub use message::{beat, hello};
pub use node::node;
pub use order::request;

/// A target: takes any bytes, and panics where a law is broken.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 10] = [
    ("deframer", deframer),
    ("envelope", envelope),
    ("beat", beat),
    ("hello", hello),
    ("ha_cf", ha_cf),
    ("haresources", haresources),
    ("authkeys", authkeys),
    ("configuration", configuration),
    ("request", request),
    ("node", node),
];
