//! Another setup for a node that lives on.

use super::Node;
use super::group::Group;
use super::leave::Leaving;
use super::setup::Setup;
use crate::time::Instant;
use crate::wire::beat::GROUPS_MAX;
use heapless::Vec;

impl Node {
    /// Lives on with another setup: keys, timings, `auto_failback` and groups may differ; names, links and the run stay.
    /// `kept` says for each new group which old one it was. What is not kept is forgotten: the shell stops it.
    ///
    /// A key that the peer still signs with is accepted until it signs with one of the new ring. Where the digest
    /// changes the session ends, since the groups' numbers no longer mean the same; otherwise it goes on, and a new one
    /// tells the peer what has changed.
    pub fn reload(&mut self, now: Instant, setup: Setup, kept: &[Option<u8>]) {
        assert!(self.wait.take().is_some(), "poll until Wait before a reload");
        self.now = self.now.max(now);
        self.witness.begin();
        let old = core::mem::replace(&mut self.setup, setup);
        self.setup.keys = self.setup.keys.clone().in_place_of(&old.keys);
        (self.setup.run, self.setup.seed, self.setup.links) = (old.run, old.seed, old.links);
        self.renewal.reload(self.setup.guard.lease);
        self.peer.withdraw_offer();
        self.peer.forget_stranger();
        self.speech.hurry(self.now);
        if self.setup.digest != old.digest {
            self.peer.part(self.now);
            self.groups.iter_mut().for_each(Group::session_ended);
        }
        self.peer.renew = true;
        let mut before: Vec<Option<Group>, GROUPS_MAX> =
            core::mem::take(&mut self.groups).into_iter().map(Some).collect();
        for (number, setup) in (0..).zip(&self.setup.groups) {
            let was = kept.get(usize::from(number)).copied().flatten();
            let group = match was.and_then(|was| before.get_mut(usize::from(was))?.take()) {
                Some(group) => group.renamed(number, *setup),
                None => {
                    let (group, verb) = Group::new(number, *setup, false);
                    self.runs.push_back((number, verb)).expect("a drained queue has room for a step a group");
                    group
                }
            };
            assert!(self.groups.push(group).is_ok(), "as many groups as a setup holds");
        }
        if let Some(Leaving::Goodbye { .. }) = self.leaving {
            // A group that is new here may run: goodbye waits until it is stopped.
            self.leaving = Some(Leaving::Stopping);
        }
        self.settle(false);
    }
}
