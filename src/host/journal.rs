//! Keeps the field journal of the running daemon: `journal` in the run directory, for `lubdub status --why` and for a
//! replay (`sim journal`).
//!
//! The beat path only copies bytes into memory taken at the start. The file is written when a transition has settled,
//! with all that led to it, under another name first, so that whoever reads it finds all of one moment. The journal of
//! the daemon before this one is kept as `journal.old`. The loop writes it itself, 64 KiB at most and never synced: a run
//! directory is meant to be in memory, as `/run` is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lubdub::journal::entry::Told;
use lubdub::journal::recorder::SEGMENT;
use lubdub::journal::story::{Whose, whose};
use lubdub::journal::{Decision, Recorder, Story, Summary, file};
use lubdub::node::{Event, Node, Output, Setup, Timing};
use lubdub::time::{Duration, Instant};

use super::clock;
use super::names::Names;

/// The journal's name in the run directory.
pub const JOURNAL: &str = "journal";
/// That of the daemon before this one.
const OLD: &str = "journal.old";
/// What is being written.
const DRAFT: &str = "journal.new";
/// From a transition to the file: a takeover's steps are in one file, and none waits for it.
const SETTLING: Duration = Duration::from_millis(20);
/// Bytes of a decision in a summary at most: eight links, an event, two clocks.
const DECISION_MAX: usize = 320;
/// Bytes of a summary beside the names and the decisions.
const FRAME: usize = 128;

/// The journal of this daemon.
pub struct Journal {
    recorder: Recorder<Box<[u8]>>,
    path: PathBuf,
    draft: PathBuf,
    since: Instant,
    timing: Timing,
    /// The nodes' names, then those of links and groups, a line each.
    names: [String; 4],
    peer: Story,
    groups: Vec<Story>,
    summary: Vec<u8>,
    due: Option<Instant>,
    failed: bool,
}

impl Journal {
    /// Takes all the memory that is ever needed, and puts the journal of the daemon before aside.
    pub fn new(run_dir: &Path, names: &Names, timing: Timing, since: Instant) -> Self {
        let path = run_dir.join(JOURNAL);
        // There may be none; one that cannot be put aside is written over.
        let _ = fs::rename(&path, run_dir.join(OLD));
        let segment = || vec![0; SEGMENT].into_boxed_slice();
        let mut journal = Self {
            recorder: Recorder::new([segment(), segment()]),
            path,
            draft: run_dir.join(DRAFT),
            since,
            timing,
            names: Default::default(),
            peer: Story::default(),
            groups: Vec::new(),
            summary: Vec::new(),
            due: None,
            failed: false,
        };
        journal.reloaded(names, timing, &[]);
        journal
    }

    /// Other groups and times; `kept` says for each group which old one it was.
    pub fn reloaded(&mut self, names: &Names, timing: Timing, kept: &[Option<u8>]) {
        let was = |number: usize| self.groups.get(usize::from((*kept.get(number)?)?)).cloned();
        self.groups = (0..names.groups.len()).map(|number| was(number).unwrap_or_default()).collect();
        let links: Vec<&str> = names.links.iter().map(|link| link.name.as_str()).collect();
        self.names = [names.me.clone(), names.peer.clone(), links.join("\n"), names.groups.join("\n")];
        self.timing = timing;
        let decisions = 2 * (self.groups.len() + 1);
        let words: usize = self.names.iter().map(String::len).sum();
        self.summary = vec![0; FRAME + words + decisions * DECISION_MAX];
    }

    /// Begins with a drained node.
    pub fn begin(&mut self, node: &Node) {
        self.recorder.begin(node);
    }

    /// An output of the node, in order.
    pub fn saw(&mut self, node: &Node, output: &Output) {
        self.recorder.saw(output);
        if let Output::Note(event) = output {
            self.note(node, event);
        }
    }

    fn note(&mut self, node: &Node, event: &Event) {
        let story = match whose(event) {
            Some(Whose::Group(group)) => self.groups.get_mut(usize::from(group)),
            Some(Whose::Peer) => Some(&mut self.peer),
            None => None,
        };
        if let Some(story) = story {
            story.add(Decision::of(node, *event, clock::wall()));
            self.due.get_or_insert(node.now() + SETTLING);
        }
    }

    /// What the drained node was told.
    pub fn record(&mut self, told: Told<'_, &Setup>, node: &Node) {
        self.recorder.record(told, node);
    }

    /// When the file is to be written.
    pub fn wake_at(&self) -> Option<Instant> {
        self.due
    }

    /// Writes the file if that is due.
    ///
    /// # Errors
    /// It cannot be written, and could until now: to be told once. The next transition tries again.
    pub fn write_due(&mut self, now: Instant) -> io::Result<()> {
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        let before = self.failed;
        match self.write(now) {
            Err(_) if before => Ok(()),
            outcome => outcome,
        }
    }

    /// Writes the file now.
    ///
    /// # Errors
    /// It cannot be written. Nothing else suffers from that.
    pub fn write(&mut self, now: Instant) -> io::Result<()> {
        self.due = None;
        let written = self.try_write(now);
        self.failed = written.is_err();
        if self.failed {
            // An older file tells of an older moment, and says so; half a file tells nothing.
            let _ = fs::remove_file(&self.draft);
        }
        written
    }

    fn try_write(&mut self, now: Instant) -> io::Result<()> {
        if self.recorder.is_broken() {
            return Err(io::Error::other("the state of this node does not fit into a segment"));
        }
        let [node, peer, links, groups] = self.names.each_ref().map(String::as_str);
        let summary = Summary {
            node,
            peer,
            links,
            groups,
            since: self.since,
            at: now,
            wall: clock::wall(),
            timing: self.timing,
            peer_story: self.peer.clone(),
            stories: self.groups.as_slice(),
        };
        let summary = postcard::to_slice(&summary, &mut self.summary).map_err(io::Error::other)?;
        let [older, newer] = self.recorder.segments();
        let header = file::header(summary, [older, newer]);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&self.draft)?;
        for part in [&header[..], summary, older, newer] {
            file.write_all(part)?;
        }
        fs::rename(&self.draft, &self.path)
    }
}

#[cfg(test)]
mod tests;
