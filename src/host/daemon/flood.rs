//! A rest in a flood of events, so that others get at the processor.

use lubdub::time::Duration;

use super::Daemon;
use crate::host::clock;

/// So many turns of the loop within [`FLOOD_SPAN`] are a flood: beats every 10 ms on eight links are fewer.
const FLOOD_TURNS: u32 = 1024;
/// See [`FLOOD_TURNS`].
const FLOOD_SPAN: Duration = Duration::from_millis(500);
/// The longest rest in a flood: shorter than any keepalive.
const NAP_MAX: Duration = Duration::from_millis(2);

impl Daemon {
    /// In a flood the loop would never sleep: at realtime priority the machine would do nothing else, and the kernel would
    /// end us (RLIMIT_RTTIME). So a fifth of the time is left to others; the sockets' buffers bridge it.
    #[allow(clippy::disallowed_methods, reason = "there is nothing to await: events come faster than they are handled")]
    pub(super) fn breathe(&mut self) {
        self.turns += 1;
        if self.turns < FLOOD_TURNS {
            return;
        }
        let took = clock::now().since(self.turns_since);
        if took < FLOOD_SPAN {
            let nap = took.part(4).min(NAP_MAX);
            std::thread::sleep(std::time::Duration::from_micros(nap.as_micros()));
        }
        self.turns = 0;
        self.turns_since = clock::now();
    }
}
