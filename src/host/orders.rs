//! Orders of an operator, from the words of a request to the moment when they have happened.

use std::fmt::Write;

use lubdub::node::{GroupStatus, Groups, Node, Order, Owner, Refusal};
use lubdub::time::Instant;
use lubdub::wire::beat::State;

use super::names::Names;
use super::narrate::Ms;
use super::request::{Kind, OrderWords};
use super::words;

/// An order whose client waits until it has happened.
#[derive(Debug)]
pub struct Waiting {
    /// Whom to answer.
    pub client: u64,
    kind: Kind,
    groups: Groups,
    began: Instant,
    until: Instant,
}

/// How an order ended.
pub struct Outcome {
    /// 0 done, 1 not done.
    pub code: u8,
    /// What to tell.
    pub text: String,
    /// Nobody waits for it any more.
    pub withdraw: Option<Order>,
}

impl Waiting {
    /// Reads the words `takeover|standby [WHAT] [MILLISECONDS]`.
    ///
    /// # Errors
    /// A text for the person who typed it.
    pub fn parse(client: u64, words: &[String], node: &Node, names: &Names, now: Instant) -> Result<Self, String> {
        let OrderWords { kind, what, wait } = OrderWords::read(words);
        let mut groups = select(what, node, names)?;
        if kind == Kind::Standby {
            groups &= mask(node, |group| group.state.holds());
        }
        Ok(Self { client, kind, groups, began: now, until: now + wait })
    }

    /// The order for the node.
    pub fn order(&self) -> Order {
        match self.kind {
            Kind::Takeover => Order::Takeover(self.groups),
            Kind::Standby => Order::Standby(self.groups),
        }
    }

    /// When nobody waits any longer.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// What became of it; none while it is under way.
    pub fn outcome(&self, node: &Node, names: &Names, now: Instant) -> Option<Outcome> {
        let open = self.groups & !mask(node, |group| self.is_done(group));
        if open == 0 {
            return Some(Outcome { code: 0, text: self.success(names, now), withdraw: None });
        }
        if let Some(refusal) = node.refuses(self.order()) {
            return Some(self.failure(refused(refusal, names)));
        }
        (now >= self.until).then(|| self.failure(self.unfinished(open, node, names, now)))
    }

    /// The groups are no longer those that were meant.
    pub fn overtaken(&self) -> Outcome {
        self.failure(format!("{}: the configuration was reloaded; order again\n", self.name()))
    }

    fn is_done(&self, group: &GroupStatus) -> bool {
        match self.kind {
            Kind::Takeover => group.state == State::Held,
            Kind::Standby => group.owner == Owner::Peer,
        }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Takeover => "takeover",
            Kind::Standby => "standby",
        }
    }

    fn success(&self, names: &Names, now: Instant) -> String {
        if self.groups == 0 {
            return format!("{}: nothing to do\n", self.name());
        }
        let took = Ms(now.since(self.began));
        let to = if self.kind == Kind::Takeover { &names.me } else { &names.peer };
        format!("{} done in {took}: {} on {to}\n", self.name(), listed(self.groups, names))
    }

    fn failure(&self, text: String) -> Outcome {
        Outcome { code: 1, text, withdraw: Some(Order::Withdraw(self.groups)) }
    }

    fn unfinished(&self, open: Groups, node: &Node, names: &Names, now: Instant) -> String {
        let mut text =
            format!("{} not done after {}; the order is withdrawn:\n", self.name(), Ms(now.since(self.began)));
        for (number, group) in (0..).zip(node.groups()).filter(|(number, _)| open >> number & 1 != 0) {
            let owner = match group.owner {
                Owner::Me => &names.me,
                Owner::Peer => &names.peer,
                Owner::Nobody => "nobody",
            };
            let here = words::group(group.state);
            let _ = writeln!(text, "  {}: {here} on {}, held by {owner}", names.group(number), names.me);
        }
        let _ = writeln!(text, "  peer {}: {}", names.peer, words::peer(node.peer()));
        text
    }
}

fn mask(node: &Node, matching: impl Fn(&GroupStatus) -> bool) -> Groups {
    (0..).zip(node.groups()).filter(|(_, group)| matching(group)).fold(0, |mask, (number, _)| mask | 1 << number)
}

/// The groups that `all`, `local`, `foreign` or a key name.
///
/// # Errors
/// No group has this key.
pub fn select(what: &str, node: &Node, names: &Names) -> Result<Groups, String> {
    match what {
        "all" => Ok(mask(node, |_| true)),
        "local" => Ok(mask(node, |group| group.preferred)),
        "foreign" => Ok(mask(node, |group| !group.preferred)),
        key => match names.groups.iter().position(|known| known == key) {
            Some(number) => Ok(1 << number),
            None => Err(format!(
                "no group `{key}`; expected all, local, foreign or one of: {}\n",
                listed(mask(node, |_| true), names)
            )),
        },
    }
}

fn listed(groups: Groups, names: &Names) -> String {
    let keys = names.groups.iter().enumerate().filter(|(number, _)| groups >> number & 1 != 0);
    keys.map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(", ")
}

fn refused(refusal: Refusal, names: &Names) -> String {
    let peer = &names.peer;
    match refusal {
        Refusal::NoPeer(state) => {
            let state = words::peer(state);
            format!("refused: {peer} is {state}, so nobody can take over; this node keeps what it holds\n")
        }
        Refusal::Untrusted(why) => {
            let why = words::untrusted(why);
            format!("refused: {peer} is there but not to be trusted ({why}), and nothing moves while it is\n")
        }
        Refusal::Failed(group) => {
            let key = names.group(group);
            format!(
                "refused: {key} failed to start on {}; see the log, repair it, then: lubdub clear {key}\n",
                names.me
            )
        }
        Refusal::PeerFailed(group) => {
            let key = names.group(group);
            format!("refused: {key} failed to start on {peer}; repair it there, then on {peer}: lubdub clear {key}\n")
        }
        Refusal::Leaving => "refused: the daemon is stopping\n".to_owned(),
    }
}
