//! What the links report: bytes, devices that open and go, and what their lines or carrier show of the other end.

use lubdub::journal::Told;
use lubdub::node::Input;

use super::Daemon;
use crate::host::follow::Follow;
use crate::host::lines::Shown;
use crate::host::port::PortEvent;
use crate::host::report::Level;
use crate::host::{carrier, clock, narrate};

impl Daemon {
    pub(super) fn port_event(&mut self, number: usize, event: PortEvent) {
        let link = number as u8;
        match event {
            PortEvent::Bytes(read) => self.bytes(number, read),
            PortEvent::Opened => {
                self.tell(Input::Carrier { link, up: true });
                self.look_at_carrier(number);
            }
            PortEvent::Shown(shown) => self.show(number, shown),
            PortEvent::Lost(error) => {
                let name = self.names.link(link).to_owned();
                self.say(Level::Warning, format_args!("link {name}: {error}; tried again until it opens"));
                self.tell(Input::Carrier { link, up: false });
                self.show(number, Shown::Unknown);
            }
        }
    }

    pub(super) fn bytes(&mut self, number: usize, read: usize) {
        let link = number as u8;
        self.told_at = clock::now();
        self.node.handle(self.told_at, Input::Bytes { link, bytes: &self.buf[..read] });
        self.drain();
        self.journal.record(Told::Input(Input::Bytes { link, bytes: &self.buf[..read] }), &self.node);
    }

    /// A link's other end shows itself, or does not any more.
    fn show(&mut self, number: usize, shown: Shown) {
        let before = std::mem::replace(&mut self.shown[number], shown);
        if before == shown {
            return;
        }
        let link = number as u8;
        if (before == Shown::Lost) != (shown == Shown::Lost) {
            self.tell(Input::Line { link, lost: shown == Shown::Lost });
        }
        let line = narrate::Evidence { link: &self.names.links[number], before, shown };
        let now = clock::now();
        self.log.borrow_mut().repeated(line.repeats(link), now, line.level(), format_args!("{line}"));
        if self.control.followed() {
            let follow = Follow::new(&self.names, self.timing, now.since(self.since));
            self.control.tell(now, &follow.evidence(&line), &follow);
        }
    }

    /// What the carrier of an Ethernet link shows, where that is a crossover cable.
    fn look_at_carrier(&mut self, number: usize) {
        let link = &self.names.links[number];
        if link.is_serial() {
            return;
        }
        let direct = carrier::is_direct(&link.name, &self.vips);
        let shown = if direct { carrier::shown(&link.name, self.shown[number]) } else { Shown::Unknown };
        self.show(number, shown);
    }

    pub(super) fn look_at_carriers(&mut self) {
        (0..self.ports.len()).for_each(|number| self.look_at_carrier(number));
    }
}
