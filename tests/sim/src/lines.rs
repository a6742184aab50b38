//! What a cable shows without a frame: its other end is there, or not.

use crate::Side;
use crate::appliance::Report;
use crate::world::World;
use lubdub::node::LinkKind;

impl World {
    /// Whether a node sees the other end of a link: the modem lines that a running daemon holds up, the carrier of a
    /// crossover cable while the other box has power. A link through the service LAN shows nothing of the kind.
    pub(crate) fn shows(&self, side: Side, link: usize) -> bool {
        let it = &self.boxes[1 - side];
        let there = match self.scenario.links[link] {
            LinkKind::Serial { .. } => it.node.is_some(),
            LinkKind::Broadcast => it.powered,
        };
        there && self.scenario.lines[link] && self.unplugged[link] <= self.now
    }

    /// Each daemon notices which other ends have come or gone.
    pub(crate) fn lines_changed(&mut self) {
        for side in [0, 1] {
            let mut news = false;
            for link in 0..self.scenario.links.len() {
                let shown = self.shows(side, link);
                let it = &mut self.boxes[side];
                if it.node.is_none() || it.lines[link].unwrap_or_default() == shown {
                    continue;
                }
                let first = it.lines[link].replace(shown).is_none();
                if !first {
                    it.reports.push_back(Report::Line(link as u8, !shown));
                    news = true;
                }
            }
            if news {
                self.turn(side);
            }
        }
    }
}
