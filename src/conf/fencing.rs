//! `stonith` and `stonith_host`: the devices that switch the peer off, in the order in which they are tried.

use super::diagnostic::{Place, Reporter};
use super::lexer::{Word, Words, is_blank};
use super::nearest::nearest;
use super::option;
use super::phrase::say;
use super::{NODES, STONITH_MAX};
use core::fmt::{self, Debug, Formatter};
use heapless::Vec;

/// Lines read at most: the devices of both nodes.
const LINES_MAX: usize = NODES * STONITH_MAX;
/// Every node, in the place of a host.
const ANY: &str = "*";
/// Plug-ins that are programs are called `external/NAME`; two such parts are the most that cluster-glue has.
const TYPE_PARTS_MAX: usize = 2;
/// Words of a `stonith` line that hold no secret: the directive and two more.
const SHOWN_WORDS: usize = 3;

/// One fencing device that this node may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stonith<'a> {
    /// The plug-in as `stonith -L` lists it: `external/ssh`, `apcmaster`, `meatware`. At most two names apart by `/`,
    /// neither of them `.` or `..`.
    pub plugin: &'a str,
    /// Its parameters.
    pub params: Params<'a>,
}

/// Where the parameters of a device are. Not shown when debugging: there are passwords among them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Params<'a> {
    /// `stonith`: in the first line of this file, an absolute path.
    File(&'a str),
    /// `stonith_host`: in ha.cf, as written; [`Params::words`] takes them apart.
    Written(&'a str),
}

impl<'a> Params<'a> {
    /// The words in ha.cf; none for a file.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let text = match *self {
            Self::File(_) => "",
            Self::Written(text) => text,
        };
        text.split(is_blank).filter(|word| !word.is_empty())
    }
}

impl Debug for Params<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Written(_) => f.debug_tuple("Written").finish_non_exhaustive(),
        }
    }
}

impl Debug for Stonith<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stonith").field("plugin", &self.plugin).field("params", &self.params).finish()
    }
}

/// The lines as they are met. A host is judged when every node line has been read.
#[derive(Default)]
pub(super) struct Fencing<'a> {
    lines: Vec<Line<'a>, LINES_MAX>,
}

struct Line<'a> {
    /// None: any node.
    host: Option<Word<'a>>,
    place: Place<'a>,
    device: Stonith<'a>,
}

/// Bytes of a line of ha.cf that may be shown.
pub(super) fn shown_len(line: &str) -> usize {
    let mut words = Words::new(0, line, is_blank, false);
    let Some(first) = words.next() else { return line.len() };
    let meant = nearest(first.text, &mut super::directive::all());
    if !meant.is_some_and(|meant| meant.starts_with("stonith")) {
        return line.len();
    }
    let last = words.take(SHOWN_WORDS - 1).last().unwrap_or(first);
    last.place.start + last.place.len
}

impl<'a> Fencing<'a> {
    /// Takes `TYPE FILE`.
    pub fn take_stonith(&mut self, directive: &Word<'a>, mut words: Words<'a>, report: &mut Reporter<'a, '_>) {
        let (Some(plugin), Some(file)) = (words.next(), words.next()) else {
            let remedy = say("write `stonith TYPE FILE`, or `stonith_host * TYPE PARAMETERS`");
            return report.error(end_of(directive), say("`stonith` needs a type and a file"), remedy);
        };
        if let Some(extra) = words.next() {
            let remedy = say("write the parameters into the file, or use `stonith_host * TYPE PARAMETERS`");
            return report.error(extra.place, say("`stonith` has a type and a file, nothing more"), remedy);
        }
        if !option::is_file_path(file.text) {
            let message = say("`{}` is not the absolute path of a file").with(file.text);
            let remedy = say("write the parameters into a file and its whole path here, or use `stonith_host`");
            return report.error(file.place, message, remedy);
        }
        if let Some(plugin) = read_plugin(&plugin, report) {
            self.add(None, directive.place, Stonith { plugin, params: Params::File(file.text) }, report);
        }
    }

    /// Takes `HOST TYPE [PARAMETERS]`.
    pub fn take_stonith_host(&mut self, directive: &Word<'a>, mut words: Words<'a>, report: &mut Reporter<'a, '_>) {
        let (Some(host), Some(plugin)) = (words.next(), words.next()) else {
            let remedy = say("write `stonith_host HOST TYPE PARAMETERS`; HOST is the node that uses it, `*` for both");
            return report.error(end_of(directive), say("`stonith_host` needs a host and a type"), remedy);
        };
        if let Some(plugin) = read_plugin(&plugin, report) {
            let host = (host.text != ANY).then_some(host);
            let device = Stonith { plugin, params: Params::Written(words.rest()) };
            self.add(host, directive.place, device, report);
        }
    }

    fn add(&mut self, host: Option<Word<'a>>, place: Place<'a>, device: Stonith<'a>, report: &mut Reporter<'a, '_>) {
        if self.lines.push(Line { host, place, device }).is_err() {
            let message = say("more than {} fencing devices").with(LINES_MAX as u64);
            report.error(place, message, say("leave those that are there"));
        }
    }

    /// The devices of the node `me` in their order; reports hosts that are none, and a node without a device beside one
    /// that has one.
    pub fn judge(
        &self,
        nodes: &[Word<'a>],
        me: Option<usize>,
        report: &mut Reporter<'a, '_>,
    ) -> Vec<Stonith<'a>, STONITH_MAX> {
        for host in self.lines.iter().filter_map(|line| line.host) {
            judge_host(&host, nodes, report);
        }
        for (at, node) in nodes.iter().enumerate().filter(|_| nodes.len() == NODES) {
            self.judge_node(node, nodes[NODES - 1 - at], report);
        }
        let me = me.and_then(|me| nodes.get(me));
        self.devices(me.map_or("", |me| me.text)).map(|line| line.device).take(STONITH_MAX).collect()
    }

    fn judge_node(&self, node: &Word<'a>, other: Word<'a>, report: &mut Reporter<'a, '_>) {
        let (count, first) = (self.devices(node.text).count(), self.devices(other.text).next());
        if let Some(line) = self.devices(node.text).nth(STONITH_MAX) {
            let message = say("more than {} fencing devices of the node `{}`").with(STONITH_MAX as u64).with(node.text);
            report.error(line.place, message, say("leave those that are there"));
        }
        if let Some(first) = first.filter(|_| count == 0) {
            let message = say("only `{}` has a fencing device: `{}` takes over without one");
            let message = message.with(other.text).with(node.text);
            report.warning(first.place, message, say("add a `stonith_host {} ...` line").with(node.text));
        }
    }

    fn devices<'s>(&'s self, node: &'s str) -> impl Iterator<Item = &'s Line<'a>> {
        self.lines.iter().filter(move |line| line.host.is_none_or(|host| host.text.eq_ignore_ascii_case(node)))
    }
}

fn judge_host<'a>(host: &Word<'a>, nodes: &[Word<'a>], report: &mut Reporter<'a, '_>) {
    let names = || nodes.iter().map(|node| node.text);
    if nodes.len() < NODES || names().any(|name| name.eq_ignore_ascii_case(host.text)) {
        return;
    }
    let message = say("`{}` is not a node: nobody uses this device").with(host.text);
    let remedy = match nearest(host.text, &mut names()) {
        Some(near) => say("did you mean `{}`?").with(near),
        None => say("write the node that uses the device, or `*` for both"),
    };
    report.warning(host.place, message, remedy);
}

/// The name of a plug-in. It becomes a path, so it must not lead anywhere else.
fn read_plugin<'a>(word: &Word<'a>, report: &mut Reporter<'a, '_>) -> Option<&'a str> {
    let is_name = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !matches!(part, "" | "." | "..") && part.chars().all(allowed)
    };
    let mut parts = word.text.split('/');
    if parts.clone().count() > TYPE_PARTS_MAX || !parts.all(is_name) {
        // The word is not repeated: in a line with a word too few it may be a password.
        let message = say("this is not the type of a fencing device");
        report.error(word.place, message, say("write one that `stonith -L` lists, for example external/ssh"));
        return None;
    }
    Some(word.text)
}

fn end_of<'a>(word: &Word<'a>) -> Place<'a> {
    word.place.part(word.text.len(), 0)
}
