//! Fencing with the loop's part played by the test.

mod bench;
mod calls;
mod glue;
mod retry;
mod secrets;
