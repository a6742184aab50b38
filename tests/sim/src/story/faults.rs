//! Faults and orders at a command.

use super::{BOTH, Pair};
use crate::Side;
use crate::appliance::Frozen;
use crate::clock::Clock;
use crate::frame::Parcel;
use crate::medium::Way;
use crate::world::What;
use lubdub::node::{Order, Untrusted, Verb};
use lubdub::time::{Duration, Instant};

/// What becomes of a step.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// It ends after this time.
    pub after: Duration,
    /// Whether it succeeds.
    pub ok: bool,
}

impl Fate {
    /// It fails soon.
    pub const FAILS: Self = Self { after: Duration::from_millis(2), ok: false };

    /// It hangs until the shell gives it up.
    pub const fn hangs(after: Duration) -> Self {
        Self { after, ok: false }
    }

    /// It takes its time.
    pub const fn takes(after: Duration) -> Self {
        Self { after, ok: true }
    }
}

/// The fate of the steps of one group on one box, where it is not the usual one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spoilt {
    start: Option<Fate>,
    stop: Option<Fate>,
    /// The last step that met its fate.
    done: u64,
}

/// Boxes.
impl Pair {
    /// The box starts its daemon, after a boot or after the daemon's end.
    #[track_caller]
    pub fn power_on(&mut self, side: Side) {
        self.world.boot(side, None);
        self.look();
    }

    /// The box comes up as somebody who is not to be trusted.
    #[track_caller]
    pub fn power_on_as(&mut self, side: Side, why: Untrusted) {
        self.world.boot(side, Some(why));
        self.look();
    }

    /// Nothing is left of what ran.
    #[track_caller]
    pub fn power_off(&mut self, side: Side) {
        self.world.cut_power(side);
        self.look();
    }

    /// The daemon dies; what it started runs on.
    #[track_caller]
    pub fn kill(&mut self, side: Side) {
        self.world.crash(side);
        self.look();
    }

    /// A box that is off shows another time.
    pub fn set_clock(&mut self, side: Side, clock: Clock) {
        self.world.boxes[side].clock = clock;
    }

    /// The daemon is not scheduled any more.
    pub fn freeze(&mut self, side: Side) {
        self.suspend(side, false);
    }

    /// The machine stands still, and its clock with it.
    pub fn pause(&mut self, side: Side) {
        self.suspend(side, true);
    }

    fn suspend(&mut self, side: Side, whole_machine: bool) {
        let now = self.now();
        self.tell(format_args!("node{} stands still, the whole machine: {whole_machine}", side + 1));
        self.world.boxes[side].frozen = Some(Frozen { since: now, whole_machine });
        let (oracle, scene) = self.world.watch();
        oracle.disturbed(&scene, side);
    }

    /// The daemon or the machine goes on.
    #[track_caller]
    pub fn thaw(&mut self, side: Side) {
        self.world.thaw(side);
        self.look();
    }

    /// An operator orders something at a node, and is refused or not.
    #[track_caller]
    pub fn order(&mut self, side: Side, order: Order) {
        self.world.order(side, order);
        self.look();
    }

    /// From now on the steps of a group end so on a box; those that are under way already go on.
    pub fn spoil(&mut self, side: Side, group: usize, verb: Verb, fate: Fate) {
        let spoilt = &mut self.spoilt[side][group];
        *if verb == Verb::Start { &mut spoilt.start } else { &mut spoilt.stop } = Some(fate);
    }

    /// The resources of a box work again.
    pub fn repair(&mut self, side: Side) {
        for spoilt in &mut self.spoilt[side] {
            (spoilt.start, spoilt.stop) = (None, None);
        }
    }

    /// Gives each new step its fate.
    pub(super) fn meddle(&mut self) {
        let groups = self.groups();
        for (side, group) in BOTH.into_iter().flat_map(|side| (0..groups).map(move |group| (side, group))) {
            let spoilt = &mut self.spoilt[side][group];
            let Some(step) = &mut self.world.boxes[side].resources[group].step else { continue };
            let fate = if step.verb == Verb::Start { spoilt.start } else { spoilt.stop };
            let Some(fate) = fate.filter(|_| step.number > spoilt.done) else { continue };
            // The end that was drawn for it finds another number.
            self.world.frames += 1;
            let number = self.world.frames;
            (step.number, step.ok, spoilt.done) = (number, fate.ok, number);
            self.world.after(fate.after, What::StepEnds { side, group: group as u8, number });
        }
    }
}

/// Lines.
impl Pair {
    fn way(&mut self, from: Side, link: usize) -> &mut Way {
        &mut self.world.media.ways[from][link]
    }

    pub(super) fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.world.timeline.line(self.world.now, what);
    }

    /// A link is cut.
    pub fn cut(&mut self, link: usize) {
        BOTH.into_iter().for_each(|from| self.cut_from(from, link));
    }

    /// What a node sends on a link no longer arrives.
    pub fn cut_from(&mut self, from: Side, link: usize) {
        self.tell(format_args!("link {link} from node{} is cut", from + 1));
        self.way(from, link).cut_until = Instant::FAR;
    }

    /// Every link is cut in both directions.
    pub fn cut_all(&mut self) {
        BOTH.into_iter().for_each(|from| self.silence(from));
    }

    /// Nothing that a node sends arrives any more.
    pub fn silence(&mut self, from: Side) {
        (0..self.world.scenario.links.len()).for_each(|link| self.cut_from(from, link));
    }

    /// A link is whole again.
    pub fn mend(&mut self, link: usize) {
        self.tell(format_args!("link {link} is whole"));
        for from in BOTH {
            let way = self.way(from, link);
            (way.cut_until, way.garbled_until, way.looped_until) = (Instant::ZERO, Instant::ZERO, Instant::ZERO);
        }
    }

    /// Every link is whole again.
    pub fn mend_all(&mut self) {
        (0..self.world.scenario.links.len()).for_each(|link| self.mend(link));
    }

    /// What a node sends arrives again, on every link.
    pub fn mend_from(&mut self, from: Side) {
        self.tell(format_args!("node{} is heard again", from + 1));
        (0..self.world.scenario.links.len()).for_each(|link| self.way(from, link).cut_until = Instant::ZERO);
    }

    /// A node hears itself on a cable, and nobody else does.
    pub fn loop_back(&mut self, from: Side, link: usize) {
        self.cut(link);
        self.tell(format_args!("link {link} of node{} is looped", from + 1));
        self.way(from, link).looped_until = Instant::FAR;
    }

    /// The two ends of a cable have different speeds.
    pub fn garble(&mut self, link: usize) {
        self.tell(format_args!("the ends of link {link} have different speeds"));
        BOTH.into_iter().for_each(|from| self.way(from, link).garbled_until = Instant::FAR);
    }

    /// Bytes that no node has sent arrive at one.
    #[track_caller]
    pub fn inject(&mut self, to: Side, link: usize, bytes: &[u8]) {
        self.world.boxes[to].receive(link, Parcel::Raw(bytes.to_vec()));
        self.world.turn(to);
        self.look();
    }

    /// Garbage and frames signed with a false key in masses arrive at a node on a link, about one every millisecond.
    pub fn flood(&mut self, to: Side, link: usize, times: u64) {
        self.tell(format_args!("node{} is flooded on link {link}", to + 1));
        self.world.after(Duration::ZERO, What::Floods { to, link, times });
        self.world.after(Duration::ZERO, What::Forges { to, link, times });
    }
}
