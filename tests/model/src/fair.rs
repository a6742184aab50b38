//! When all is well again: everything is mended, everybody runs, every frame arrives. What must come of any state.

use crate::act::Act;
use crate::laws::Violation;
use crate::pace::{INITDEAD, KEEPALIVE};
use crate::states::States;
use crate::world::{Config, World};
use lubdub::node::Owner;
use lubdub::wire::beat::State;

/// Ticks after which there must be one owner: a failed stop is tried again after a second, then come initdead and F,
/// doubled twice.
const SETTLING: u32 = 20 + 6 * INITDEAD as u32 + 4 * KEEPALIVE as u32;
/// Ticks in which nothing may move then.
const REST: u32 = 4 * INITDEAD as u32;

impl World {
    /// Both on, and settled.
    pub fn settled(config: Config, faults: u8) -> Self {
        let mut world = Self::off(config, faults);
        world.run_fairly(SETTLING, &mut Vec::new()).expect("without faults every law holds");
        world.owner().expect("without faults there is an owner");
        world.faults = faults;
        world
    }

    /// Lives on without faults until the group must be settled, and looks whether it is. `calm`: states from which it
    /// is known to come right; those on this way are added.
    ///
    /// # Errors
    /// The law that is broken; `acts` tells the way.
    pub fn settles(mut self, calm: &States, acts: &mut Vec<Act>) -> Result<(), Violation> {
        self.faults = 0;
        let mut way = Vec::new();
        let known = loop {
            let hash = self.hash();
            if calm.contains(hash) || way.len() == SETTLING as usize {
                break calm.contains(hash);
            }
            way.push(hash);
            self.run_fairly(1, acts)?;
        };
        if !known {
            self.rests(acts)?;
        }
        way.into_iter().for_each(|hash| _ = calm.enter(hash, 0));
        Ok(())
    }

    fn rests(&mut self, acts: &mut Vec<Act>) -> Result<(), Violation> {
        let owner = self.owner()?;
        for _ in 0..REST {
            self.run_fairly(1, acts)?;
            if self.owner()? != owner {
                return Err(Violation::Restless);
            }
        }
        Ok(())
    }

    fn run_fairly(&mut self, ticks: u32, acts: &mut Vec<Act>) -> Result<(), Violation> {
        let end = self.tick + ticks;
        let mut told = Vec::new();
        while self.tick < end {
            let act = self.next_fair();
            acts.push(act);
            self.act(act, &mut told)?;
            told.clear();
        }
        Ok(())
    }

    fn next_fair(&self) -> Act {
        let mut acts = Vec::new();
        self.work(0, &mut acts);
        self.work(1, &mut acts);
        if let Some(act) = acts.first() {
            return *act;
        }
        let repair = |act: &Act| matches!(act, Act::Mend(_) | Act::Thaw(_) | Act::Boot(_));
        self.acts().into_iter().find(repair).unwrap_or(Act::Tick)
    }

    /// The owner on which both agree; none where it failed on both.
    fn owner(&self) -> Result<Option<usize>, Violation> {
        let seen = |side: usize| {
            let live = self.sides[side].node.as_ref();
            live.and_then(|live| live.node.groups().next()).map(|group| (group.owner, group.state))
        };
        let (Some((first, mine)), Some((second, theirs))) = (seen(0), seen(1)) else { return Err(Violation::NoOwner) };
        match (self.sides[0].up, self.sides[1].up) {
            (true, true) => Err(Violation::TwoOwnersLasting),
            (false, false) if mine == State::Failed && theirs == State::Failed => Ok(None),
            (false, false) => Err(Violation::NoOwner),
            (true, false) if (first, second) == (Owner::Me, Owner::Peer) => Ok(Some(0)),
            (false, true) if (first, second) == (Owner::Peer, Owner::Me) => Ok(Some(1)),
            _ => Err(Violation::Disagreement),
        }
    }
}
