//! What can be seen from outside, told in two lines whenever it changes: who answers the client, and what each node says.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lubdub_lab::{Judge, Lab, Node, Result, Status, VIP, Verdict, now};

use super::prompt::Voice;

/// How often the client's findings are looked at.
const GLANCE: Duration = Duration::from_millis(30);
/// How often a node is asked when its log says nothing new.
const ASK: Duration = Duration::from_millis(250);
/// A daemon that takes longer to tell its status does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The client calls it silence after so long without an echo reply, and a gap when it is over: less may be the machine.
const SILENCE: Duration = Duration::from_millis(80);
/// Two nodes answer if they did so within this time.
const LATELY: Duration = Duration::from_millis(100);
/// What changes together is told together.
const SETTLED: Duration = Duration::from_millis(100);
/// But no longer than this after the first change.
const OVERDUE: Duration = Duration::from_millis(400);
/// A judge with so many findings is replaced by a new one.
const FINDINGS: usize = 100_000;

/// Who answers the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    #[default]
    Nobody,
    Node(usize),
    Both,
}

/// What a node shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Sight {
    #[default]
    Off,
    Idle,
    Mute,
    Says(String),
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "no power",
            Self::Idle => "no daemon",
            Self::Mute => "daemon does not answer",
            Self::Says(text) => text,
        })
    }
}

/// Everything that the view shows, but for times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scene {
    client: Client,
    nodes: [Sight; 2],
}

/// The latest of what was seen.
pub struct View<'a> {
    lab: &'a Lab,
    voice: &'a Voice,
    start: Instant,
    seen: Mutex<Seen>,
    told: Mutex<Told>,
    tells: AtomicBool,
    over: AtomicBool,
}

#[derive(Debug)]
struct Seen {
    scene: Scene,
    since: Instant,
    gap: Option<Duration>,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> View<'a> {
    pub fn new(lab: &'a Lab, voice: &'a Voice) -> Self {
        let start = now();
        let seen = Mutex::new(Seen { scene: Scene::default(), since: start, gap: None });
        let told = Mutex::default();
        Self { lab, voice, start, seen, told, tells: AtomicBool::new(true), over: AtomicBool::new(false) }
    }

    /// Whether changes are told.
    pub fn tell(&self, on: bool) {
        self.tells.store(on, Ordering::Relaxed);
    }

    /// Its threads end soon.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn seen<R>(&self, how: impl FnOnce(&mut Seen) -> R) -> R {
        how(&mut hold(&self.seen))
    }

    /// Asks one node, until the view ends.
    pub fn follow_node(&self, index: usize) {
        let node = &self.lab.nodes()[index];
        while !self.is_over() {
            let mark = node.log().mark();
            let sight = sight(node);
            self.seen(|seen| seen.scene.nodes[index] = sight);
            node.log().await_growth(mark, ASK);
        }
    }

    /// Asks as the client, and tells what has changed, until the view ends.
    pub fn follow_client(&self) -> Result<()> {
        let mut judge = self.lab.judge(VIP)?;
        let (_never, tick): (Sender<()>, _) = channel();
        while !self.is_over() && tick.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
            if judge.look(|verdict| verdict.doubles.len() + verdict.announcements.len()) > FINDINGS {
                judge = self.lab.judge(VIP)?;
            }
            self.look(&judge);
            let scene = self.seen(|seen| seen.scene.clone());
            if self.tells.load(Ordering::Relaxed) && hold(&self.told).is_news(&scene) {
                self.show();
            }
        }
        Ok(())
    }

    fn look(&self, judge: &Judge) {
        let macs = self.lab.nodes().each_ref().map(Node::mac);
        let (client, gap) = judge.look(|verdict| {
            let owner = macs.iter().position(|mac| verdict.owner == Some(*mac));
            (client(verdict, owner), verdict.ping.gaps.iter().rev().find(|gap| gap.length >= SILENCE).map(|g| g.length))
        });
        self.seen(|seen| {
            if seen.scene.client != client {
                (seen.scene.client, seen.since) = (client, now());
            }
            seen.gap = gap.or(seen.gap);
        });
    }

    /// Tells what there is to see now, whether it has changed or not.
    pub fn show(&self) {
        // What changes in between is told later.
        let scene = self.seen(|seen| seen.scene.clone());
        let lines = self.lines();
        hold(&self.told).told = Some(scene);
        self.voice.say(&lines);
    }

    fn lines(&self) -> String {
        self.seen(|seen| {
            let gap = seen.gap.map(|gap| format!(", last gap {}", shown(gap))).unwrap_or_default();
            let who = match seen.scene.client {
                Client::Nobody => "nobody answers".into(),
                Client::Node(index) => format!("node{} answers", index + 1),
                Client::Both => "BOTH NODES ANSWER".into(),
            };
            let [one, two] = &seen.scene.nodes;
            let (at, since) = (self.clock(now()), self.clock(seen.since));
            format!("[{at:>7}] client: {who} since {since}{gap}\n          node1: {one} | node2: {two}")
        })
    }

    fn clock(&self, at: Instant) -> String {
        format!("{:.1} s", at.saturating_duration_since(self.start).as_secs_f64())
    }
}

fn client(verdict: &Verdict, owner: Option<usize>) -> Client {
    let recent = |at: Instant, limit| now().saturating_duration_since(at) < limit;
    if verdict.doubles.last().is_some_and(|double| recent(double.at, LATELY)) {
        return Client::Both;
    }
    match owner {
        Some(index) if verdict.ping.last().is_some_and(|last| recent(last, SILENCE)) => Client::Node(index),
        _ => Client::Nobody,
    }
}

/// When a change has last been told.
#[derive(Debug, Default)]
struct Told {
    told: Option<Scene>,
    changing: Option<(Instant, Instant, Scene)>,
}

impl Told {
    /// Whether this has to be told now: it is not what was told last, and it has settled.
    fn is_news(&mut self, scene: &Scene) -> bool {
        if self.told.as_ref() == Some(scene) {
            self.changing = None;
            return false;
        }
        let at = now();
        let (first, last) = match self.changing.take() {
            Some((first, last, before)) => (first, if before == *scene { last } else { at }),
            None => (at, at),
        };
        if at - last < SETTLED && at - first < OVERDUE {
            self.changing = Some((first, last, scene.clone()));
            return false;
        }
        self.told = Some(scene.clone());
        true
    }
}

fn sight(node: &Node) -> Sight {
    if node.space().is_err() {
        return Sight::Off;
    }
    if !node.runs() {
        return Sight::Idle;
    }
    let output = node.exec_within(&["lubdub", "status", "--json"], PATIENCE);
    let status = output.ok().and_then(|output| serde_json::from_str::<Status>(&output.stdout).ok());
    status.map_or(Sight::Mute, |status| Sight::Says(summary(&status)))
}

/// `held, peer alive, ttyS1 up, eth1 down (silence)`
fn summary(status: &Status) -> String {
    let why = |why: &Option<String>| why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let groups = status.groups.iter().map(|group| match status.groups.len() {
        1 => group.state.clone(),
        _ => format!("{} {}", group.key, group.state),
    });
    let peer = format!("peer {}{}", status.peer.state, why(&status.peer.why));
    let links = status
        .links
        .iter()
        .map(|link| format!("{} {}{}", link.name.trim_start_matches("/dev/"), link.state, why(&link.why)));
    groups.chain([peer]).chain(links).collect::<Vec<_>>().join(", ")
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
