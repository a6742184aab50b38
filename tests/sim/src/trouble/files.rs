//! Edits of the configuration while the pair runs: first on one node, then on the other, with a reload each.

use crate::Side;
use crate::appliance::{Appliance, Files};
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::journal::Told;
use lubdub::node::Untrusted;
use lubdub::time::Duration;
use lubdub::wire::beat::State;

/// Keys that follow each other.
const KEYS: [(u8, &str); 4] = [(3, "redhat"), (4, "shrike"), (5, "severn"), (6, "cambridge")];

/// What an operator writes on a node.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// Another haresources.
    Digest([u8; 8]),
    /// Another authkeys.
    Keys(Vec<(u8, &'static str)>),
    /// Another lease.
    Lease(Duration),
}

impl World {
    /// Nobody edits while something else of the files is under way, or somebody pretends to be another.
    fn may_edit(&self) -> bool {
        self.edits == 0 && self.boxes.iter().all(|it| it.mask.is_none())
    }

    /// Haresources becomes another, with the same groups: a line gets another script, say.
    pub(super) fn begin_edit(&mut self, side: Side) {
        if !self.may_edit() {
            return;
        }
        let old = self.boxes[side].files.digest;
        // Never that of a stranger, which is below.
        let new = [if old[0] < 10 || old[0] == u8::MAX { 10 } else { old[0] + 1 }; 8];
        // Sometimes the operator thinks better of it.
        let regrets = self.rng.percent(20);
        self.tally.count(Kind::Edit);
        self.tally.variety(Kind::Edit, if regrets { "and taken back" } else { "on one node, then on the other" });
        self.relate(format_args!("haresources is edited, first on node{}", side + 1));
        let second = if regrets { (side, old) } else { (1 - side, new) };
        self.plan(vec![(side, Edit::Digest(new)), (second.0, Edit::Digest(second.1))]);
    }

    /// The key becomes another: carefully, with both listed for a while, or at once.
    pub(super) fn begin_rotation(&mut self, side: Side) {
        if !self.may_edit() {
            return;
        }
        let Some(old) = self.boxes[side].files.keys.first().copied() else { return };
        let at = KEYS.iter().position(|key| *key == old).unwrap_or_default();
        let new = KEYS[(at + 1) % KEYS.len()];
        let careful = self.rng.percent(70);
        self.tally.count(Kind::Rotation);
        self.tally.variety(Kind::Rotation, if careful { "both keys listed for a while" } else { "one for the other" });
        self.relate(format_args!("the key is changed, first on node{}", side + 1));
        let first = if careful { vec![new, old] } else { vec![new] };
        let mut steps = vec![(side, Edit::Keys(first.clone())), (1 - side, Edit::Keys(first))];
        if careful {
            let last = self.rng.index(2);
            steps.extend([last, 1 - last].map(|side| (side, Edit::Keys(vec![new]))));
        }
        self.plan(steps);
    }

    /// The lease becomes another, longer or shorter, on one node or on both: never one that is too short for a node's own
    /// keepalive, which no daemon reads.
    pub(super) fn begin_reletting(&mut self, side: Side) {
        let Some(old) = self.boxes[side].files.guard.lease.filter(|_| self.may_edit()) else { return };
        let timing = self.scenario.timing;
        let asked = self.rng.span(lubdub::lease::shortest(timing[side].keepalive), timing[side].deadtime.times(3));
        let fine = self.rng.percent(60);
        let [new, others] = [side, 1 - side].map(|it| crate::scenario::lease(&timing[it], false, Some(asked), fine));
        self.tally.count(Kind::Relet);
        self.tally.variety(Kind::Relet, if new > old { "longer" } else { "shorter" });
        self.relate(format_args!("node{}'s lease becomes {}", side + 1, crate::timeline::span(new)));
        let mut steps = vec![(side, Edit::Lease(new))];
        if self.rng.percent(50) {
            steps.push((1 - side, Edit::Lease(others)));
        }
        self.plan(steps);
    }

    /// One step after the other, the next sooner or later than deadtime.
    fn plan(&mut self, steps: Vec<(Side, Edit)>) {
        self.edits = steps.len();
        let mut after = Duration::ZERO;
        for (side, edit) in steps {
            self.after(after, What::Edits { side, edit });
            // A retried reload comes before the next edit at the earliest.
            after = after + self.fault_span() + Duration::from_micros(1);
        }
    }

    /// An operator has written a file and asks the daemon to read it.
    pub(crate) fn edit(&mut self, side: Side, edit: Edit) {
        self.edits = self.edits.saturating_sub(1);
        let files = &mut self.boxes[side].files;
        match edit {
            Edit::Digest(digest) => files.digest = digest,
            Edit::Keys(keys) => files.keys = keys,
            Edit::Lease(lease) => files.guard.lease = Some(lease),
        }
        let life = self.boxes[side].life;
        self.reload(side, life);
    }

    /// SIGHUP, again and again until it is obeyed: the shell refuses while a group is moving.
    pub(crate) fn reload(&mut self, side: Side, life: u32) {
        let it = &self.boxes[side];
        if it.life != life || it.node.is_none() {
            return;
        }
        if !it.awake() || it.is_moving() {
            let pause = self.scenario.timing[side].keepalive;
            return self.after(pause, What::Reloads { side, life });
        }
        let local = it.clock.local(self.now);
        let kept: Vec<_> = (0..self.scenario.preferred.len() as u8).map(Some).collect();
        // It reads what it was started as; the mask says besides what the other's files make of it.
        let it = &mut self.boxes[side];
        let mask = std::mem::replace(&mut it.mask, it.disguise);
        let setup = it.setup(&self.scenario, &mut self.rng);
        it.mask = mask;
        let Some(setup) = setup else { return };
        self.relate(format_args!("node{} reads its files again", side + 1));
        let it = &mut self.boxes[side];
        if let Some(node) = &mut it.node {
            node.reload(local, setup.clone(), &kept);
        }
        if it.read_again() {
            // To the oracle another life: what was said before the reload was said by somebody else.
            it.life += 1;
        }
        if self.timeline.has_frames() {
            let keys = self.boxes.each_ref().map(|it| it.read.keys.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            let listed = self.boxes.each_ref().map(|it| it.read.listed);
            self.relate(format_args!(
                "the nodes have the keys {keys:?}, of which so many are in their files: {listed:?}"
            ));
        }
        let (oracle, scene) = self.watch();
        oracle.reloaded(&scene);
        self.note_distrust();
        self.drain(side);
        self.write_down(side, Told::Reload { setup: &setup, kept: kept.into_iter().collect() });
    }

    /// Two daemons that have read different files do not trust each other; the oracle is to know that.
    pub(crate) fn note_distrust(&mut self) {
        let disguised = |it: &Appliance| it.disguise.is_some();
        let quarrel = match &self.boxes {
            [one, other] if one.node.is_some() && other.node.is_some() => one.read.quarrel(&other.read),
            _ => None,
        };
        let quarrel = quarrel.filter(|_| !self.boxes.iter().any(disguised));
        let before = self.boxes.each_ref().map(|it| it.mask);
        for side in [0, 1] {
            let it = &mut self.boxes[side];
            it.mask = it.disguise.or(quarrel.filter(|_| side == 0));
        }
        if before != self.boxes.each_ref().map(|it| it.mask) {
            // What was heard before says nothing of how soon they are to be in session.
            let (oracle, scene) = self.watch();
            [0, 1].into_iter().for_each(|side| oracle.disturbed(&scene, side));
        }
    }

    /// The faults are over: both nodes get the same files.
    pub(crate) fn agree_on_files(&mut self) {
        self.edits = 0;
        let files = self.boxes[0].files.clone();
        // A lease is each node's own affair.
        let guard = self.boxes[1].files.guard;
        self.boxes[1].files = Files { guard, ..files };
        for side in [0, 1] {
            let life = self.boxes[side].life;
            self.reload(side, life);
        }
    }
}

impl Appliance {
    /// A group is on its way up or down.
    fn is_moving(&self) -> bool {
        let moving = |state| matches!(state, State::Starting | State::Stopping);
        self.node.iter().flat_map(lubdub::node::Node::groups).any(|group| moving(group.state))
    }

    /// Keys that left the file are kept for a peer that still signs with them. Whether haresources is another.
    fn read_again(&mut self) -> bool {
        let mut read = self.files.clone();
        read.listed = read.keys.len();
        read.keys.extend(self.read.keys.iter().filter(|key| !self.files.keys.contains(key)));
        read.let_go.clone_from(&self.read.let_go);
        let old = std::mem::replace(&mut self.read, read);
        old.digest != self.read.digest
    }
}

impl Files {
    /// Why two daemons that have read these do not trust each other.
    fn quarrel(&self, other: &Self) -> Option<Untrusted> {
        if !self.keys.iter().any(|key| other.keys.contains(key)) {
            Some(Untrusted::WrongKey)
        } else if self.digest != other.digest {
            Some(Untrusted::DifferentHaresources)
        } else {
            None
        }
    }
}
