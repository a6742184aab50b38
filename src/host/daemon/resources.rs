//! What the node wants of the resources, and what they and the LAN report.

use lubdub::node::{Groups, Input, Verb};

use super::Daemon;
use crate::host::eyes::PingNews;
use crate::host::follow::Follow;
use crate::host::report::Level;
use crate::host::resources::{self, Event, StepResult};
use crate::host::{carrier, clock, narrate};

impl Daemon {
    pub(super) fn step(&mut self, group: usize, verb: Verb) {
        match verb {
            Verb::Start => self.resources.run(group, resources::Verb::Start),
            Verb::Stop => self.resources.run(group, resources::Verb::Stop),
            Verb::Drop => self.resources.run(group, resources::Verb::Drop),
            Verb::Inventory => self.resources.run(group, resources::Verb::Inventory),
            Verb::Announce => self.resources.announce(clock::now()),
        }
    }

    pub(super) fn look(&mut self, groups: Groups) {
        self.looking = groups;
        self.resources.look(groups, self.timing.keepalive, clock::now());
    }

    pub(super) fn resource_event(&mut self, event: Event) {
        match event {
            Event::Done { group, verb, result } => {
                let verb = match verb {
                    resources::Verb::Start => Verb::Start,
                    resources::Verb::Stop => Verb::Stop,
                    resources::Verb::Drop => Verb::Drop,
                    resources::Verb::Inventory => Verb::Inventory,
                };
                self.tell(Input::Done { group: group as u8, verb, ok: result == StepResult::Done });
            }
            Event::Found { group, until } => self.tell(Input::Found { group: group as u8, until }),
            Event::Lapsed { group } => self.tell(Input::Lapsed { group: group as u8 }),
            Event::Carrier { name, up } => {
                if self.names.links.iter().any(|link| link.name == name) || carrier::matters(&name, &self.vips) {
                    let state = if up { "carrier" } else { "no carrier" };
                    self.say(Level::Notice, format_args!("interface {name}: {state}"));
                }
                self.look_at_carriers();
            }
            Event::Seen(sighting) => self.tell(sighting.into()),
            Event::Ping(news) => self.ping_news(&news),
            Event::Note(text) => self.say(Level::Warning, format_args!("{text}")),
            Event::Alarm(text) => {
                self.say(Level::Crit, format_args!("{text}"));
                let now = clock::now();
                let follow = Follow::new(&self.names, self.timing, now.since(self.since));
                self.control.tell(now, &follow.alarm(&text), &follow);
            }
        }
    }

    fn ping_news(&mut self, news: &PingNews) {
        let level = if news.answers { Level::Notice } else { Level::Warning };
        let now = clock::now();
        self.log.borrow_mut().repeated(narrate::PING_NEWS, now, level, format_args!("{news}"));
        if self.control.followed() {
            let follow = Follow::new(&self.names, self.timing, now.since(self.since));
            self.control.tell(now, &follow.ping(news, level.word()), &follow);
        }
    }
}
