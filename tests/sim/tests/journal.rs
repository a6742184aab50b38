//! `sim journal`: what it prints and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lubdub::journal::recorder::SEGMENT;
use lubdub::journal::{Recorder, Story, Summary, Told, file};
use lubdub::node::{GroupSetup, Input, LinkKind, Node, Output, Setup, Timing, Why};
use lubdub::time::{Duration, Instant};
use lubdub::wire::auth::{Key, Keyring, Method};
use lubdub_sim::journal::{Verdict, tell};
use lubdub_sim::scenario::Scenario;
use lubdub_sim::timeline::Timeline;
use lubdub_sim::world::World;
use std::path::PathBuf;
use std::process::Command;

const TIMING: Timing = Timing {
    keepalive: Duration::from_millis(100),
    warntime: Duration::from_millis(200),
    deadtime: Duration::from_millis(300),
    initdead: Duration::from_secs(3),
};

fn node() -> Node {
    let setup = Setup {
        name: "node1.a.com".try_into().unwrap(),
        peer: "node2.a.com".try_into().unwrap(),
        cluster: "linux-ha".try_into().unwrap(),
        timing: TIMING,
        auto_failback: true,
        links: [LinkKind::Serial { baud: 115_200 }].into_iter().collect(),
        groups: [GroupSetup { preferred: true, has_vip: true }].into_iter().collect(),
        macs: Default::default(),
        guard: Default::default(),
        digest: [0; 8],
        keys: Keyring::new(3, [Key::new(3, Method::Sha1, b"redhat").unwrap()]).unwrap(),
        run: 1,
        seed: [1; 32],
    };
    Node::new(Instant::ZERO, setup)
}

/// A node that is alone takes its group after initdead.
fn alone() -> Recorder<Vec<u8>> {
    let mut recorder = Recorder::new([vec![0; SEGMENT], vec![0; SEGMENT]]);
    let mut node = node();
    let mut done = Vec::new();
    let mut wait = drain(&mut node, &mut done, |_| {});
    recorder.begin(&node);
    while wait.0 < Instant::ZERO + Duration::from_millis(3_500) {
        let (at, input) = match done.pop() {
            Some((group, verb)) => (node.now(), Input::Done { group, verb, ok: true }),
            None => (wait.0, Input::Wake { swept: wait.1 == Why::Judge }),
        };
        node.handle(at, input);
        wait = drain(&mut node, &mut done, |output| recorder.saw(output));
        recorder.record(Told::Input(input), &node);
    }
    recorder
}

fn drain(node: &mut Node, done: &mut Vec<(u8, lubdub::node::Verb)>, mut see: impl FnMut(&Output)) -> (Instant, Why) {
    loop {
        let output = node.poll();
        see(&output);
        match output {
            Output::Run { group, verb } => done.push((group, verb)),
            Output::Wait { until, why } => return (until, why),
            _ => {}
        }
    }
}

fn bytes(segments: [&[u8]; 2]) -> Vec<u8> {
    let summary = Summary {
        node: "node1.a.com",
        peer: "node2.a.com",
        links: "/dev/ttyS1",
        groups: "web",
        since: Instant::ZERO,
        at: Instant::ZERO,
        wall: 0,
        timing: TIMING,
        peer_story: Story::default(),
        stories: &[Story::default()][..],
    };
    let summary = postcard::to_slice(&summary, &mut [0; 512]).unwrap().to_vec();
    [&file::header(&summary, segments)[..], &summary, segments[0], segments[1]].concat()
}

/// Exit code, standard output, standard error.
fn sim(name: &str, bytes: &[u8]) -> (Option<i32>, String, String) {
    let path: PathBuf = std::env::temp_dir().join(format!("lubdub-sim-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).arg("journal").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_true_journal_is_reproduced() {
    let (code, out, err) = sim("true", &bytes(alone().segments()));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("group web: Group { group: 0, from: Stopped, to: Starting, cause: Silence("), "{out}");
    assert!(out.contains("/dev/ttyS1: beat 0, never, Down"), "{out}");
    assert!(out.lines().last().unwrap().starts_with("reproduced: "), "{out}");
}

/// Whatever a seed does to its nodes, their journals reproduce what they decided.
#[test]
fn what_the_nodes_of_a_seed_wrote_down_is_reproduced() {
    let (mut journals, mut inputs, mut groups) = (0, 0, 0);
    for seed in 0..12 {
        let mut scenario = Scenario::draw(seed);
        scenario.calm = scenario.calm.min(Instant::ZERO + scenario.keepalive().times(300));
        scenario.end = scenario.calm + Duration::from_secs(5);
        let mut world = World::new(scenario, Timeline::default()).with_journals();
        while world.step_until_calm() {}
        for journal in world.journals() {
            assert!(!journal.is_broken(), "seed {seed}");
            let mut told = Vec::new();
            let verdict = tell(&bytes(journal.segments()), false, &mut told).unwrap();
            let told = String::from_utf8(told).unwrap();
            let last = told.lines().last().unwrap_or_default();
            assert!(matches!(verdict, Verdict::Reproduced), "seed {seed}: {verdict:?}, {last}");
            let count: u64 = last.split(' ').nth(1).unwrap().parse().unwrap();
            (journals, inputs) = (journals + 1, inputs + count);
            groups += told.matches("to: Starting").count();
        }
    }
    assert!(journals > 24 && inputs > 10_000 && groups > 50, "{journals} journals, {inputs} inputs, {groups} starts");
}

#[test]
fn an_outcome_that_was_another_is_found() {
    let recorder = alone();
    let [_, segment] = recorder.segments();
    let mut altered = segment.to_vec();
    // The last byte is of the checksum of what came of the last input.
    *altered.last_mut().unwrap() ^= 1;
    let (code, out, _) = sim("altered", &bytes([&[], &altered]));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.lines().last().unwrap().starts_with("differs: at 3."), "{out}");
}

#[test]
fn what_is_no_journal_is_refused_in_words() {
    let whole = bytes(alone().segments());
    for (name, bytes, word) in [
        ("empty", &b""[..], "not a journal"),
        ("text", b"lubdub journal", "not a journal"),
        ("cut", &whole[..whole.len() - 1], "cut off"),
        ("damaged", &[&whole[..99], &[!whole[99]], &whole[100..]].concat(), "damaged"),
        ("format", &[&whole[..7], &[99], &whole[8..]].concat(), "format 99"),
    ] {
        let (code, out, err) = sim(name, bytes);
        assert_eq!((code, out.as_str()), (Some(65), ""), "{name}: {err}");
        assert!(err.contains(word), "{name}: {err}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(["journal", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}
