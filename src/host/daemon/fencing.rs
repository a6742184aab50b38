//! What is told of the fencing of the peer: by its device, or by an operator.

use lubdub::node::Input;
use lubdub::time::Instant;

use super::Daemon;
use crate::host::fence::{self, FenceEvent};
use crate::host::narrate;
use crate::host::report::Level;
use crate::host::resources::Event;

impl Daemon {
    pub(super) fn fence_event(&mut self, event: FenceEvent) {
        let peer = self.names.peer.clone();
        match event {
            FenceEvent::Confirmed { device } => {
                self.say(Level::Warning, format_args!("{peer} is off: {device} has confirmed it"));
                self.tell(Input::Fenced);
            }
            FenceEvent::Failed { text, again_in } => {
                let again = narrate::Ms(again_in);
                self.resource_event(Event::Alarm(format!(
                    "{peer} cannot be fenced: {text}; again in {again}, or: lubdub fence confirm {peer}"
                )));
            }
        }
    }

    pub(super) fn confirm_fencing(&mut self, client: u64, node: &str, now: Instant) {
        match fence::confirm(node, &self.names, self.node.peer()) {
            Ok(text) => {
                self.say(
                    Level::Warning,
                    format_args!("fence confirm: an operator vouches that {} is off", self.names.peer),
                );
                self.fence.vouch(now);
                self.tell(Input::Fenced);
                match self.node.is_peer_fenced() {
                    true => self.control.answer(client, 0, &text),
                    false => self.control.answer(client, 1, fence::DOUBTED),
                }
            }
            Err(text) => {
                self.say(Level::Warning, format_args!("fence confirm {}: {}", node.escape_default(), text.trim_end()));
                self.control.answer(client, 1, &text);
            }
        }
    }
}
