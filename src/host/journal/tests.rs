use super::*;
use crate::host::names::LinkName;
use lubdub::journal::{File, Replay};
use lubdub::node::{GroupSetup, Input, LinkKind, Verb};
use lubdub::wire::auth::{Key, Keyring, Method};
use std::os::unix::fs::PermissionsExt;

const START: Instant = Instant::from_micros(5_000_000);
const TIMING: Timing = Timing {
    keepalive: Duration::from_millis(100),
    warntime: Duration::from_millis(200),
    deadtime: Duration::from_millis(300),
    initdead: Duration::from_secs(3),
};

fn setup() -> Setup {
    Setup {
        name: "node1.a.com".try_into().unwrap(),
        peer: "node2.a.com".try_into().unwrap(),
        cluster: "linux-ha".try_into().unwrap(),
        timing: TIMING,
        auto_failback: true,
        links: [LinkKind::Broadcast].into_iter().collect(),
        groups: [GroupSetup { preferred: true, has_vip: true }].into_iter().collect(),
        macs: Default::default(),
        guard: Default::default(),
        digest: [0; 8],
        keys: Keyring::new(3, [Key::new(3, Method::Md5, b"redhat").unwrap()]).unwrap(),
        run: 1,
        seed: [1; 32],
    }
}

fn names() -> Names {
    let links = vec![LinkName { name: "eth1".to_owned(), kind: "bcast" }];
    Names { me: "node1.a.com".to_owned(), peer: "node2.a.com".to_owned(), groups: vec!["web".to_owned()], links }
}

/// A directory of the test's own, gone at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lubdub-journal-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn drain(node: &mut Node, journal: &mut Journal) {
    loop {
        let output = node.poll();
        journal.saw(node, &output);
        if matches!(output, Output::Wait { .. }) {
            return;
        }
    }
}

/// A node whose first look has found nothing left.
fn looked(dir: &Dir) -> (Node, Journal) {
    let mut journal = Journal::new(&dir.0, &names(), TIMING, START);
    let mut node = Node::new(START, setup());
    drain(&mut node, &mut journal);
    journal.begin(&node);
    let told = Input::Done { group: 0, verb: Verb::Drop, ok: true };
    node.handle(START + Duration::from_millis(1), told);
    drain(&mut node, &mut journal);
    journal.record(Told::Input(told), &node);
    (node, journal)
}

#[test]
fn a_transition_is_written_once_it_has_settled() {
    let dir = Dir::new("settled");
    let (_, mut journal) = looked(&dir);
    let due = journal.wake_at().unwrap();
    assert_eq!(due, START + Duration::from_millis(1) + SETTLING);
    journal.write_due(START + Duration::from_millis(2)).unwrap();
    assert!(!dir.0.join(JOURNAL).exists());
    journal.write_due(due).unwrap();
    assert_eq!(journal.wake_at(), None);
    let bytes = fs::read(dir.0.join(JOURNAL)).unwrap();
    let file = File::open(&bytes).unwrap();
    let summary = file.summary().unwrap();
    assert_eq!((summary.node, summary.groups, summary.links), ("node1.a.com", "web", "eth1"));
    assert!(summary.stories[0].outcome.is_some());
    let mut replay = Replay::new(file.segments().unwrap()[1]).unwrap();
    assert!(replay.turn(|_| {}).unwrap().unwrap().agrees);
    let mode = fs::metadata(dir.0.join(JOURNAL)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(!dir.0.join(DRAFT).exists());
}

#[test]
fn the_journal_of_the_daemon_before_is_put_aside() {
    let dir = Dir::new("aside");
    fs::write(dir.0.join(JOURNAL), "the last words").unwrap();
    let _journal = Journal::new(&dir.0, &names(), TIMING, START);
    assert_eq!(fs::read(dir.0.join(OLD)).unwrap(), b"the last words");
    assert!(!dir.0.join(JOURNAL).exists());
}

#[test]
fn a_failure_is_told_once_and_again_after_a_success() {
    let dir = Dir::new("failure");
    let (node, mut journal) = looked(&dir);
    let note = |journal: &mut Journal| {
        journal.note(&node, &lubdub::node::Event::StopFailed { group: 0, times: 1, again_in: Duration::ZERO })
    };
    let later = START + Duration::from_secs(1);
    // A directory in the draft's place cannot be written.
    fs::create_dir(dir.0.join(DRAFT)).unwrap();
    assert!(journal.write_due(later).is_err());
    note(&mut journal);
    assert!(journal.write_due(later).is_ok(), "told already");
    fs::remove_dir(dir.0.join(DRAFT)).unwrap();
    note(&mut journal);
    journal.write_due(later).unwrap();
    assert!(dir.0.join(JOURNAL).exists());
    fs::create_dir(dir.0.join(DRAFT)).unwrap();
    note(&mut journal);
    assert!(journal.write_due(later).is_err());
}

#[test]
fn a_summary_has_room_for_as_much_as_there_can_be() {
    let dir = Dir::new("room");
    let mut names = names();
    names.groups = (0..32).map(|number| format!("group-{number}")).collect();
    names.links = (0..8).map(|number| LinkName { name: format!("link{number}"), kind: "bcast" }).collect();
    let mut journal = Journal::new(&dir.0, &names, TIMING, START);
    let mut setup = setup();
    setup.links = [LinkKind::Serial { baud: 9600 }; 8].into_iter().collect();
    setup.groups = [setup.groups[0]; 32].into_iter().collect();
    // A clock with as many digits as there are.
    let mut node = Node::new(Instant::from_micros(u64::MAX / 2), setup);
    while !matches!(node.poll(), Output::Wait { .. }) {}
    journal.begin(&node);
    let (mine, theirs) = (lubdub::wire::beat::Term(200), lubdub::wire::beat::Term(201));
    for group in 0..32 {
        journal.note(&node, &Event::Kept { group, mine, theirs });
        let started = lubdub::node::Cause::Started;
        let (from, to) = (lubdub::wire::beat::State::Starting, lubdub::wire::beat::State::Held);
        journal.note(&node, &Event::Group { group, from, to, cause: started });
    }
    journal.write(START).unwrap();
}
