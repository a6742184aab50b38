//! What is asked of the daemon over the control socket, from the words of a request to its answer.

use lubdub::node::{Input, Order};
use lubdub::time::Instant;

use super::Daemon;
use crate::host::control::Request;
use crate::host::follow::Follow;
use crate::host::orders::{self, Waiting};
use crate::host::report::Level;
use crate::host::status::Status;
use crate::host::{cl_status, clock};

/// Orders waited for at a time.
const ORDERS_MAX: usize = 8;

impl Daemon {
    pub(super) fn serve(&mut self, request: Request) {
        let Request { client, words } = request;
        let now = clock::now();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["status"] | ["status", "json"] => {
                let status = self.status(now);
                let (code, json) = (status.exit_code(), words.len() == 2);
                let text = if json { status.json() + "\n" } else { status.table() };
                self.control.show(client, code, &text);
            }
            ["status", "follow"] => {
                let follow = Follow::new(&self.names, self.timing, now.since(self.since));
                self.control.follow(client, &follow.status(&self.status(now).json()));
            }
            ["journal"] => match self.journal.write(now) {
                Ok(()) => self.control.answer(client, 0, ""),
                Err(error) => self.control.answer(client, 1, &format!("the journal is not written: {error}\n")),
            },
            ["takeover" | "standby", ..] if self.orders.len() < ORDERS_MAX => self.obey(client, &words, now),
            ["takeover" | "standby", ..] => self.control.answer(client, 1, "too many orders wait already\n"),
            ["fence", "confirm", node] => self.confirm_fencing(client, node, now),
            ["clear", ref what @ ..] => self.clear(client, what.first().unwrap_or(&"all")),
            ["cl_status", ref question @ ..] => match cl_status::answer(question, &self.status(now)) {
                Ok((code, text)) => self.control.show(client, code, &text),
                Err((code, text)) => self.control.answer(client, code, &text),
            },
            _ => self.control.answer(client, 64, "unknown request\n"),
        }
    }

    fn status(&self, now: Instant) -> Status<'_> {
        Status {
            node: &self.node,
            names: &self.names,
            dropped: &self.dropped,
            shown: &self.shown,
            unannounced: self.resources.unannounced(),
            late_renewals: self.resources.late_renewals(),
            watchdog: self.sentry.report(),
            last_reset: self.sentry.last_reset(),
            fencing: self.fence.state(),
            vips: self.resources.vips().collect(),
            pings: self.resources.pings().collect(),
            now,
            since: self.since,
        }
    }

    fn obey(&mut self, client: u64, words: &[String], now: Instant) {
        let waiting = match Waiting::parse(client, words, &self.node, &self.names, now) {
            Ok(waiting) => waiting,
            Err(text) => return self.control.answer(client, 64, &text),
        };
        let order = waiting.order();
        let refused = self.node.refuses(order).is_some();
        self.orders.push(waiting);
        if !refused {
            self.say(Level::Notice, format_args!("order: {}", words.join(" ")));
            self.tell(Input::Order(order));
        }
    }

    fn clear(&mut self, client: u64, what: &str) {
        match orders::select(what, &self.node, &self.names) {
            Ok(groups) => {
                self.tell(Input::Order(Order::Clear(groups)));
                self.control.answer(client, 0, "");
            }
            Err(text) => self.control.answer(client, 64, &text),
        }
    }

    pub(super) fn settle_orders(&mut self) {
        let mut index = 0;
        while index < self.orders.len() {
            match self.orders[index].outcome(&self.node, &self.names, clock::now()) {
                Some(outcome) => {
                    let client = self.orders.swap_remove(index).client;
                    if let Some(order) = outcome.withdraw {
                        self.tell(Input::Order(order));
                    }
                    self.control.answer(client, outcome.code, &outcome.text);
                }
                None => index += 1,
            }
        }
    }
}
