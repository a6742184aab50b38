//! The beat path takes nothing from the heap: two nodes live a thousand beats, each with its field journal, and the
//! allocator is not asked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

use lubdub::journal::recorder::SEGMENT;
use lubdub::journal::{Recorder, Told};
use lubdub::node::{GroupSetup, Guard, Input, LinkKind, Node, Output, Setup, Timing, Verb, Why};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::{Key, Keyring, Method};
use lubdub::wire::beat::State;
use lubdub::wire::envelope::Sealed;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: each call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.fetch_add(1, Relaxed);
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn node(me: &str, peer: &str, run: u64) -> Node {
    let setup = Setup {
        name: me.try_into().unwrap(),
        peer: peer.try_into().unwrap(),
        cluster: "linux-ha".try_into().unwrap(),
        timing: Timing {
            keepalive: Duration::from_millis(100),
            warntime: Duration::from_millis(200),
            deadtime: Duration::from_millis(300),
            initdead: Duration::from_secs(3),
        },
        auto_failback: true,
        links: [LinkKind::Serial { baud: 115_200 }, LinkKind::Broadcast].into_iter().collect(),
        groups: [GroupSetup { preferred: run == 1, has_vip: true }].into_iter().collect(),
        macs: Default::default(),
        guard: Guard { lease: Some(Duration::from_millis(279)), outlast: true, probes: true, fencing: false },
        digest: [0; 8],
        keys: Keyring::new(3, [Key::new(3, Method::Md5, b"redhat").unwrap()]).unwrap(),
        run,
        seed: [run as u8; 32],
    };
    Node::new(Instant::ZERO, setup)
}

/// Frames on their way, the receiver's number first.
type Lines = heapless::Deque<(usize, u8, Sealed), 64>;

/// A node with its journal.
struct Living {
    number: usize,
    node: Node,
    journal: Recorder<Vec<u8>>,
    wake: (Instant, Why),
    steps: heapless::Deque<(u8, Verb), 8>,
}

impl Living {
    fn new(number: usize, node: Node, lines: &mut Lines) -> Self {
        let journal = Recorder::new([vec![0; SEGMENT], vec![0; SEGMENT]]);
        let mut it = Self { number, node, journal, wake: (Instant::ZERO, Why::Beat), steps: Default::default() };
        it.drain(lines);
        it.journal.begin(&it.node);
        it
    }

    /// Tells it something, and that the steps that it begins succeed at once.
    fn tell(&mut self, now: Instant, input: Input<'_>, lines: &mut Lines) {
        self.node.handle(now, input);
        self.drain(lines);
        self.journal.record(Told::Input(input), &self.node);
        if let Some((group, verb)) = self.steps.pop_front() {
            self.tell(now, Input::Done { group, verb, ok: true }, lines);
        }
    }

    fn drain(&mut self, lines: &mut Lines) {
        loop {
            let output = self.node.poll();
            self.journal.saw(&output);
            match output {
                Output::Transmit { link, frame } => {
                    assert!(
                        lines.push_back((1 - self.number, link, frame)).is_ok(),
                        "more frames than a turn can have"
                    );
                }
                Output::Run { group, verb } => self.steps.push_back((group, verb)).unwrap(),
                Output::Wait { until, why } => return self.wake = (until, why),
                Output::Note(_) | Output::Left | Output::Renew { .. } | Output::Look { .. } | Output::Fence { .. } => {}
            }
        }
    }
}

/// Both nodes live until `end`; how many frames were carried.
fn live(nodes: &mut [Living; 2], end: Instant, now: &mut Instant, lines: &mut Lines) -> u64 {
    let mut frames = 0;
    while *now < end {
        for node in nodes.iter_mut().filter(|node| node.wake.0 <= *now) {
            node.tell(*now, Input::Wake { swept: node.wake.1 == Why::Judge }, lines);
        }
        while let Some((to, link, frame)) = lines.pop_front() {
            frames += 1;
            nodes[to].tell(*now, Input::Bytes { link, bytes: frame.bytes() }, lines);
        }
        *now = nodes[0].wake.0.min(nodes[1].wake.0).max(*now);
    }
    frames
}

#[test]
fn a_thousand_beats_allocate_nothing() {
    let mut now = Instant::ZERO;
    let mut lines = Lines::new();
    let pair = [("node1.a.com", "node2.a.com"), ("node2.a.com", "node1.a.com")];
    let mut nodes = [0, 1].map(|number| {
        let (me, peer) = pair[number];
        Living::new(number, node(me, peer, number as u64 + 1), &mut lines)
    });
    nodes.iter_mut().for_each(|living| {
        if let Some((group, verb)) = living.steps.pop_front() {
            living.tell(now, Input::Done { group, verb, ok: true }, &mut lines);
        }
    });
    live(&mut nodes, Instant::ZERO + Duration::from_secs(5), &mut now, &mut lines);
    assert_eq!(nodes[0].node.groups().next().unwrap().state, State::Held, "the pair lives");
    let before = ASKED.load(Relaxed);
    let frames = live(&mut nodes, Instant::ZERO + Duration::from_secs(60), &mut now, &mut lines);
    let asked = ASKED.load(Relaxed) - before;
    assert!(frames > 2_000, "{frames} frames");
    assert!(nodes.iter().all(|living| living.journal.segments()[0].len() > SEGMENT / 2), "the segments took turns");
    assert_eq!(asked, 0, "allocations in {frames} frames");
}
