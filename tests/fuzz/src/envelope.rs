//! Authentic frames with any payload.

use crate::choices::Choices;
use crate::puppet::Puppet;
use crate::setup::Plan;
use crate::watched::{START, Watched};
use lubdub::node::{Counters, Input};
use lubdub::time::{Duration, Instant};
use lubdub::wire::beat::Beat;
use lubdub::wire::envelope::Kind;

/// A good tag round a payload that is none changes nothing, and every frame counts once, whatever it holds.
pub fn envelope(data: &[u8]) {
    let mut choices = Choices::new(data);
    let plan = Plan::usual();
    let node = Watched::new(START, plan.setup(0, 1));
    let mut story = Story { plan: &plan, now: START, node, puppet: Puppet::new(&plan), in_session: false };
    story.node.end_step(START, 0, true);
    story.enter(choices.flag());
    assert!(story.in_session, "an honest handshake makes a session");
    while !choices.is_done() && !story.node.left {
        story.step(&mut choices);
    }
}

struct Story<'p> {
    plan: &'p Plan,
    now: Instant,
    node: Watched,
    puppet: Puppet,
    /// Nothing but honest frames has touched the handshake.
    in_session: bool,
}

impl Story<'_> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0..3 => self.beat(choices),
            3 => self.any_beat(choices),
            4 => self.hello(choices),
            5 => self.enter(choices.flag()),
            6 => {
                let step = self.node.steps().next();
                step.into_iter().for_each(|(number, _)| self.node.end_step(self.now, number, choices.flag()));
            }
            _ => self.wait(choices),
        }
        self.puppet.listen(&mut self.node);
    }

    fn enter(&mut self, by_beat: bool) {
        self.now += self.plan.timing.warntime;
        self.puppet.greet(self.now, &mut self.node, by_beat);
        let (before, beat) = (self.counted(), self.puppet.beat(&mut Choices::new(&[])));
        self.puppet.say(self.now, &mut self.node, 0, &beat);
        self.in_session = self.counted().frames > before.frames;
    }

    /// An honest beat with group words of the fuzzer's choice.
    fn beat(&mut self, choices: &mut Choices<'_>) {
        let link = choices.below(2) as u8;
        let bytes = self.puppet.beat(choices);
        let before = self.counted();
        self.puppet.say(self.now, &mut self.node, link, &bytes);
        assert_eq!(self.counted().since(&before), 1);
    }

    /// A beat whose payload and header were changed before it was signed.
    fn any_beat(&mut self, choices: &mut Choices<'_>) {
        let (link, twist) = (choices.below(2) as u8, if choices.flag() { choices.word() } else { 0 });
        let mut bytes = self.puppet.beat(choices);
        choices.mutate(&mut bytes);
        let frame = self.puppet.frame(Kind::Beat, link, &bytes, twist);
        self.settle();
        let (before, states, peer) = (self.counted(), self.node.states(), self.node.node().peer());
        self.puppet.tell(self.now, &mut self.node, link, &frame);
        let after = self.counted();
        assert_eq!(after.since(&before), 1, "one frame counts once");
        let whole = Beat::decode(&bytes).is_some();
        if Puppet::kind_read(&frame) != Some(Kind::Beat) {
            self.in_session = false;
        } else if !whole {
            assert_eq!(after.frames, before.frames, "a payload that is no beat is not heard");
            assert_eq!((self.node.states(), self.node.node().peer()), (states, peer), "nor does it change anything");
        } else if twist == 0 && self.in_session {
            assert_eq!(after.unauthentic, before.unauthentic, "an authentic beat verifies");
        }
        if whole && after.frames > before.frames {
            self.puppet.top = self.puppet.top.max(self.puppet.seq(&bytes));
        }
    }

    fn hello(&mut self, choices: &mut Choices<'_>) {
        let (link, twist) = (choices.below(2) as u8, if choices.flag() { choices.word() } else { 0 });
        let answers = choices.flag().then_some(self.puppet.offer);
        let mut bytes = self.puppet.hello(answers);
        choices.mutate(&mut bytes);
        let frame = self.puppet.frame(Kind::Hello, link, &bytes, twist);
        let before = self.counted();
        self.puppet.tell(self.now, &mut self.node, link, &frame);
        assert_eq!(self.counted().since(&before), 1, "one frame counts once");
        self.in_session = false;
    }

    /// Lets the node decide what it can without news.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.node.handle(self.now, Input::Wake { swept: false });
        }
    }

    fn wait(&mut self, choices: &mut Choices<'_>) {
        let end = self.now + Duration::from_micros(choices.span()).min(self.plan.timing.deadtime.times(2));
        for _ in 0..64 {
            if self.node.wait.0 > end || self.node.left {
                break;
            }
            self.node.wake(Duration::ZERO);
        }
        self.now = end.max(self.now);
    }

    fn counted(&self) -> Counted {
        self.node.node().links().map(|link| link.counters).fold(Counted::default(), Counted::and)
    }
}

/// What was received, over all links.
#[derive(Default)]
struct Counted {
    frames: u64,
    unauthentic: u64,
    others: u64,
}

impl Counted {
    fn and(self, link: Counters) -> Self {
        Self {
            frames: self.frames + link.rx_frames,
            unauthentic: self.unauthentic + link.unauthentic,
            others: self.others + link.noise + link.replayed + link.looped + link.foreign,
        }
    }

    fn since(&self, before: &Self) -> u64 {
        let all = |counted: &Self| counted.frames + counted.unauthentic + counted.others;
        all(self) - all(before)
    }
}
