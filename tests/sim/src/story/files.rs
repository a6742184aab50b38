//! Edits of the configuration, and reloads.

use super::{BOTH, Pair};
use crate::Side;
use crate::appliance::Files;
use crate::world::World;
use lubdub::node::Untrusted;

impl Pair {
    /// The three files of a node. Nobody reads them before a start or a reload.
    pub fn files(&mut self, side: Side) -> &mut Files {
        &mut self.world.boxes[side].files
    }

    /// SIGHUP: the daemon reads its files again. The groups are the same ones.
    #[track_caller]
    pub fn reload(&mut self, side: Side) {
        let World { now, scenario, rng, boxes, .. } = &mut self.world;
        let it = &mut boxes[side];
        let (local, kept) = (it.clock.local(*now), Vec::from_iter((0..scenario.preferred.len() as u8).map(Some)));
        let setup = it.setup(scenario, rng);
        it.read.guard = it.files.guard;
        if let (Some(node), Some(setup)) = (&mut it.node, setup) {
            node.reload(local, setup, &kept);
        }
        self.note_distrust(side);
        self.tell(format_args!("node{} has read its files again", side + 1));
        self.world.drain(side);
        self.look();
    }

    /// Two nodes whose files differ do not trust each other; the oracle is to know that.
    fn note_distrust(&mut self, side: Side) {
        let [one, other] = &mut self.world.boxes;
        if one.files.digest == other.files.digest {
            for side in BOTH {
                self.world.boxes[side].mask = None;
                let (oracle, scene) = self.world.watch();
                oracle.disturbed(&scene, side);
            }
        } else {
            self.world.boxes[side].mask = Some(Untrusted::DifferentHaresources);
        }
    }
}
