//! The watchdogs, fed for as long as the loop turns: the service manager's, and the hardware's.

use super::Daemon;
use crate::host::clock;

impl Daemon {
    /// The supervisor hears of us only when the loop turns.
    pub(super) fn feed_supervisor(&mut self) {
        let now = clock::now();
        if self.notify.watchdog_every().is_some_and(|every| now >= self.fed_at + every.part(2)) {
            self.fed_at = now;
            self.notify.watchdog();
        }
    }

    pub(super) fn feed_watchdog(&mut self) {
        let idle = self.node.groups().all(|group| group.state.is_down());
        self.sentry.turn_ends(clock::now(), idle, &mut |level, text| self.log.borrow_mut().line(level, text));
    }
}
