//! What a node says against what its kernel does, and the discipline of steps.

use super::{Oracle, Scene};
use crate::Side;
use crate::frame::Frame;
use lubdub::node::{GOODBYE_MAX, Node, PeerState, Verb};

impl Oracle {
    /// A node hands a frame to a link.
    pub fn said(&mut self, scene: &Scene<'_>, side: Side, frame: &Frame) {
        let Some(beat) = &frame.beat else { return };
        let local = scene.local(side);
        let watch = &mut self.watches[side];
        watch.last_said = beat.groups.to_vec();
        if beat.goodbye {
            let (_, first) = watch.goodbye.get_or_insert((local, beat.seq));
            // A new session counts anew.
            if beat.seq.wrapping_sub(*first) >= 0x8000 {
                *first = beat.seq;
            }
        }
        for (group, word) in beat.groups.iter().enumerate() {
            let resource = scene.boxes[side].resources[group];
            let up = resource.vip || resource.runs || resource.step.is_some();
            if up && (word.state.is_down() || word.granted || beat.goodbye) {
                self.accuse(
                    scene.now,
                    "L3",
                    format_args!("node{} says {word:?} of group {group}, which is up: {resource:?}", side + 1),
                );
            }
            self.demand_fixed_claim(scene, side, group, word);
            self.watches[side].said[usize::from(frame.link)][group] = Some(*word);
        }
    }

    /// A node orders a step.
    pub fn runs(&mut self, scene: &Scene<'_>, side: Side, group: u8, verb: Verb) {
        let index = usize::from(group);
        let under_way = scene.boxes[side].resources[index].step.map(|step| step.verb);
        let fits = match verb {
            Verb::Announce => true,
            // A stop is hurried once the peer is known to hold the group.
            Verb::Drop => under_way != Some(Verb::Drop),
            Verb::Start | Verb::Stop | Verb::Inventory => under_way.is_none(),
        };
        if !fits {
            self.accuse(
                scene.now,
                "steps",
                format_args!("node{} runs {verb:?} of group {group} during {under_way:?}", side + 1),
            );
        }
        if verb == Verb::Announce
            && let Some((_, claimed)) = &mut self.watches[side].started[index]
        {
            // The peer has said that it holds nothing.
            *claimed = false;
        }
        if verb == Verb::Start {
            self.starts += 1;
            self.demand_lone_kernel(scene, side, index);
            self.demand_open_eyes(scene, side, index);
            self.demand_evidence(scene, side, index);
            self.demand_claim(scene, side, index);
            self.count_late_start(scene, index);
            self.watches.iter_mut().for_each(|watch| watch.yielded_at[index] = None);
        }
    }

    /// A node says that it has left.
    pub fn left(&mut self, scene: &Scene<'_>, side: Side) {
        if let Some(group) = scene.boxes[side].resources.iter().position(|resource| resource.vip || resource.runs) {
            self.accuse(scene.now, "L3", format_args!("node{} leaves with group {group} up", side + 1));
        }
        self.demand_goodbye(scene, side);
    }

    /// RELEASE: goodbye is repeated until the live peer echoes it, at most min(deadtime, 1 s). A slow cable may have
    /// held the first one back for a frame or two.
    fn demand_goodbye(&mut self, scene: &Scene<'_>, side: Side) {
        let timing = scene.scenario.timing[side];
        let (local, watch) = (scene.local(side), &self.watches[side]);
        let alive = |node: &Node| node.peer() == PeerState::Alive && local < node.silent_since() + timing.deadtime;
        let Some((at, seq)) = watch.goodbye.filter(|_| scene.node(side).is_some_and(alive)) else { return };
        let echo = watch.accepted.as_ref().and_then(|frame| frame.beat.as_ref()).map(|beat| beat.echo);
        let echoed = echo.is_some_and(|echo| echo.wrapping_sub(seq) < 0x8000);
        let said_for = local.since(at) + timing.keepalive.times(2);
        if !echoed && said_for < timing.deadtime.min(GOODBYE_MAX) {
            self.accuse(
                scene.now,
                "RELEASE",
                format_args!(
                    "node{} leaves before its goodbye is echoed or long enough repeated: said since {at:?} from {seq} on, \
                     echoed {echo:?}",
                    side + 1,
                ),
            );
        }
    }
}
