//! The beat path takes nothing from the heap: two nodes live a thousand beats, and the allocator is not asked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

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

/// Drains a node. Steps succeed at once. The time of its next wake.
fn drain(now: Instant, number: usize, node: &mut Node, lines: &mut Lines) -> (Instant, Why) {
    let mut done = heapless::Vec::<(u8, Verb), 8>::new();
    loop {
        match node.poll() {
            Output::Transmit { link, frame } => {
                assert!(lines.push_back((1 - number, link, frame)).is_ok(), "more frames than a turn can have");
            }
            Output::Run { group, verb } => done.push((group, verb)).unwrap(),
            Output::Wait { until, why } => match done.pop() {
                Some((group, verb)) => node.handle(now, Input::Done { group, verb, ok: true }),
                None => return (until, why),
            },
            Output::Note(_) | Output::Left | Output::Renew { .. } | Output::Look { .. } | Output::Fence { .. } => {}
        }
    }
}

/// Both nodes live until `end`; how many frames were carried.
fn live(nodes: &mut [Node; 2], end: Instant, now: &mut Instant) -> u64 {
    let mut frames = 0;
    let mut lines = Lines::new();
    let mut wakes = [(*now, Why::Beat); 2];
    while *now < end {
        for (number, node) in nodes.iter_mut().enumerate() {
            if wakes[number].0 <= *now {
                node.handle(*now, Input::Wake { swept: wakes[number].1 == Why::Judge });
                wakes[number] = drain(*now, number, node, &mut lines);
            }
        }
        while let Some((to, link, frame)) = lines.pop_front() {
            frames += 1;
            nodes[to].handle(*now, Input::Bytes { link, bytes: frame.bytes() });
            wakes[to] = drain(*now, to, &mut nodes[to], &mut lines);
        }
        *now = wakes[0].0.min(wakes[1].0).max(*now);
    }
    frames
}

#[test]
fn a_thousand_beats_allocate_nothing() {
    let mut now = Instant::ZERO;
    let mut nodes = [node("node1.a.com", "node2.a.com", 1), node("node2.a.com", "node1.a.com", 2)];
    let mut lines = Lines::new();
    nodes.iter_mut().enumerate().for_each(|(number, node)| {
        drain(now, number, node, &mut lines);
    });
    live(&mut nodes, Instant::ZERO + Duration::from_secs(5), &mut now);
    assert_eq!(nodes[0].groups().next().unwrap().state, State::Held, "the pair lives");
    let before = ASKED.load(Relaxed);
    let frames = live(&mut nodes, Instant::ZERO + Duration::from_secs(60), &mut now);
    let asked = ASKED.load(Relaxed) - before;
    assert!(frames > 2_000, "{frames} frames");
    assert_eq!(asked, 0, "allocations in {frames} frames");
}
