//! ha.cf: who the nodes are, which links join them, and the times.

use super::diagnostic::{Place, Reporter};
use super::directive;
use super::fencing::{Fencing, Stonith};
use super::lexer::{Word, Words, is_blank, lines};
use super::nearest::nearest;
use super::option;
use super::phrase::{Phrase, say};
use super::ping::{PingNode, Pings};
use super::timing::{self, Given, Setting, Timing};
use super::{
    AutoFailback, INTERFACE_NAME_MAX, LINKS_MAX, Link, NODE_NAME_MAX, NODES, PINGS_MAX, STONITH_MAX, Source,
    StopFailure,
};
use crate::lease::Exclusive;
use crate::time::Duration;
use heapless::Vec;

/// Heartbeat's rate when ha.cf names none.
const BAUD_DEFAULT: u32 = 19_200;
/// The port registered for `ha-cluster` (IANA service names).
const UDPPORT_DEFAULT: u16 = 694;

/// Heartbeat's name of a cluster that has none.
const CLUSTER_DEFAULT: &str = "linux-ha";

/// What ha.cf says. With errors reported it holds what could be read, so that haresources can still be judged.
pub(super) struct HaCf<'a> {
    pub nodes: Vec<Word<'a>, NODES>,
    /// The index of this node in `nodes`.
    pub me: Option<usize>,
    pub timing: Timing,
    pub auto_failback: AutoFailback,
    pub udpport: u16,
    pub links: Vec<Link<'a>, LINKS_MAX>,
    pub logfacility: Option<u8>,
    pub logfile: Option<&'a str>,
    pub debugfile: Option<&'a str>,
    pub debug: u8,
    pub cluster: &'a str,
    pub lease: Option<Duration>,
    pub exclusive: Exclusive,
    pub watchdog: Option<&'a str>,
    pub stop_failure: StopFailure,
    pub stonith: Vec<Stonith<'a>, STONITH_MAX>,
    pub pings: Vec<PingNode<'a>, PINGS_MAX>,
}

/// The options as they are met.
#[derive(Default)]
struct Options<'a> {
    nodes: Vec<Word<'a>, NODES>,
    serial: Vec<Word<'a>, LINKS_MAX>,
    bcast: Vec<Word<'a>, LINKS_MAX>,
    times: Given<'a>,
    baud: Option<Setting<'a, u32>>,
    udpport: Option<Setting<'a, u16>>,
    auto_failback: Option<Setting<'a, AutoFailback>>,
    logfacility: Option<Setting<'a, Option<u8>>>,
    logfile: Option<Setting<'a, &'a str>>,
    debugfile: Option<Setting<'a, &'a str>>,
    debug: Option<Setting<'a, u8>>,
    cluster: Option<Setting<'a, &'a str>>,
    exclusive: Option<Setting<'a, Exclusive>>,
    watchdog: Option<Setting<'a, &'a str>>,
    stop_failure: Option<Setting<'a, StopFailure>>,
    fencing: Fencing<'a>,
    pings: Pings<'a>,
    /// The line of the first medium: Heartbeat wants `baud` and `udpport` before it.
    medium: Option<u32>,
    /// A link was refused, and one more diagnostic about its absence would only distract.
    link_refused: bool,
    /// Likewise a cable.
    cable_refused: bool,
}

/// Reads ha.cf for the node `this_node`.
pub(super) fn read<'a>(source: &Source<'a>, this_node: &'a str, report: &mut Reporter<'a, '_>) -> HaCf<'a> {
    let mut options = Options::default();
    for (number, text) in lines(source.text) {
        let mut words = Words::new(number, text, is_blank, true);
        if let Some(directive) = words.next() {
            options.take_line(&directive, words, report);
        }
    }
    let end = Place::end_of(source.text);
    let me = options.judge_nodes(this_node, end, report);
    options.judge_links(end, report);
    timing::judge(&options.times, end, report);
    timing::judge_lease(&options.times, options.exclusive(), report);
    options.judge_auto_failback(end, report);
    let stonith = options.fencing.judge(&options.nodes, me, report);
    HaCf { stonith, ..options.into_ha_cf(me) }
}

impl<'a> Options<'a> {
    fn take_line(&mut self, directive: &Word<'a>, words: Words<'a>, report: &mut Reporter<'a, '_>) {
        if !report.is_sound(directive) || !is_known(directive, report) {
            self.link_refused |= directive::is_other_link(directive.text);
            self.see_medium(directive);
            return;
        }
        if words.clone().any(|word| !report.is_sound(&word)) {
            self.refuse_link(directive.text);
            return;
        }
        let apart = words.clone().apart_at_commas();
        match directive.text {
            // Heartbeat hands the whole line to the device, and a comma may be part of a parameter.
            "stonith" => self.fencing.take_stonith(directive, words, report),
            "stonith_host" => self.fencing.take_stonith_host(directive, words, report),
            "ping_group" => self.pings.take_group(directive, apart, report),
            "ping" => self.take_each(directive, apart, report, |options, word, report| {
                options.pings.take(&word, None, report);
            }),
            "node" => self.take_each(directive, apart, report, Self::take_node),
            "serial" => self.take_each(directive, apart, report, Self::take_serial),
            "bcast" => self.take_each(directive, apart, report, Self::take_bcast),
            _ => {
                if let Some(value) = only_value(directive, apart, report) {
                    self.take_value(directive, &value, report);
                }
            }
        }
        self.see_medium(directive);
    }

    fn see_medium(&mut self, directive: &Word<'a>) {
        if directive::is_medium(directive.text) {
            self.medium.get_or_insert(directive.place.line);
        }
    }

    fn refuse_link(&mut self, directive: &str) {
        self.cable_refused |= directive == "serial";
        self.link_refused |= matches!(directive, "serial" | "bcast");
    }

    fn take_each(
        &mut self,
        directive: &Word<'a>,
        words: Words<'a>,
        report: &mut Reporter<'a, '_>,
        take: fn(&mut Self, Word<'a>, &mut Reporter<'a, '_>),
    ) {
        let mut empty = true;
        for word in words {
            empty = false;
            take(self, word, report);
        }
        if empty {
            self.refuse_link(directive.text);
            report_missing_value(directive, report);
        }
    }

    fn take_value(&mut self, directive: &Word<'a>, value: &Word<'a>, report: &mut Reporter<'a, '_>) {
        match directive.text {
            "keepalive" => take_time(&mut self.times.keepalive, directive, value, report),
            "warntime" => take_time(&mut self.times.warntime, directive, value, report),
            "deadtime" => take_time(&mut self.times.deadtime, directive, value, report),
            "initdead" => take_time(&mut self.times.initdead, directive, value, report),
            "lease" => put(&mut self.times.lease, directive, value, timing::read_lease(value, report), report),
            "exclusive" => put(&mut self.exclusive, directive, value, option::read_exclusive(value, report), report),
            "stop_failure" => {
                put(&mut self.stop_failure, directive, value, option::read_stop_failure(value, report), report);
            }
            "watchdog" => put(&mut self.watchdog, directive, value, option::read_watchdog(value, report), report),
            "baud" => {
                self.warn_if_late(directive, report);
                let read = option::read_baud(value, report);
                refuse_second_baud(self.baud.as_ref(), directive, report);
                self.baud = read.map(|read| Setting { value: read, place: value.place }).or(self.baud);
            }
            "udpport" => {
                self.warn_if_late(directive, report);
                put(&mut self.udpport, directive, value, option::read_port(value, report), report);
            }
            "auto_failback" => {
                let read = option::read_auto_failback(value, report).or(Some(AutoFailback::On));
                put(&mut self.auto_failback, directive, value, read, report);
            }
            "logfacility" => put(&mut self.logfacility, directive, value, option::read_facility(value, report), report),
            "cluster" => put(&mut self.cluster, directive, value, option::read_cluster(value, report), report),
            "logfile" => put(&mut self.logfile, directive, value, option::read_log_path(value, report), report),
            "debugfile" => put(&mut self.debugfile, directive, value, option::read_log_path(value, report), report),
            _ => put(&mut self.debug, directive, value, option::read_debug(value, report), report),
        }
    }

    fn warn_if_late(&self, directive: &Word<'a>, report: &mut Reporter<'a, '_>) {
        if let Some(line) = self.medium {
            let message = say("`{}` after the media of line {}: lubdub applies it, Heartbeat wants it first");
            let message = message.with(directive.text).with(u64::from(line));
            report.warning(directive.place, message, say("move it above the first medium"));
        }
    }

    fn take_node(&mut self, word: Word<'a>, report: &mut Reporter<'a, '_>) {
        let Word { text, place } = word;
        if let Some(first) = self.nodes.iter().find(|node| node.text.eq_ignore_ascii_case(text)) {
            let message = say("node `{}` is already named in line {}").with(text).with(u64::from(first.place.line));
            return report.error(place, message, say("name each of the two nodes once"));
        }
        if let Some(at) = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')) {
            let width = text[at..].chars().next().map_or(0, char::len_utf8);
            let message = say("`{}` is not a node name: letters, digits, `-`, `_` and `.`").with(text);
            return report.error(place.part(at, width), message, say("write the name as `uname -n` prints it"));
        }
        if text.len() > NODE_NAME_MAX {
            let message = say("the node name has {} bytes, more than {}");
            let message = message.with(text.len() as u64).with(NODE_NAME_MAX as u64);
            return report.error(place, message, say("write the name as `uname -n` prints it"));
        }
        if self.nodes.push(word).is_err() {
            let message = say("a third node, `{}`: lubdub is for exactly two").with(text);
            report.error(place, message, say("leave the two nodes of this pair"));
        }
    }

    fn take_serial(&mut self, word: Word<'a>, report: &mut Reporter<'a, '_>) {
        if !option::is_device(word.text) {
            self.refuse_link("serial");
            let message = say("`{}` is not the path of a device below /dev").with(word.text);
            let remedy = say("write the whole path of the tty, for example `serial /dev/ttyS1`");
            return report.error(word.place, message, remedy);
        }
        self.add_link(word, |options| &mut options.serial, report);
    }

    fn take_bcast(&mut self, word: Word<'a>, report: &mut Reporter<'a, '_>) {
        if word.text.contains(['/', ':']) || matches!(word.text, "." | "..") {
            self.refuse_link("bcast");
            let message = say("`{}` is not the name of an interface").with(word.text);
            return report.error(
                word.place,
                message,
                say("write a name that `ip link` shows, for example `bcast eth1`"),
            );
        }
        if word.text.len() > INTERFACE_NAME_MAX {
            self.refuse_link("bcast");
            let message = say("`{}` is longer than the {} bytes of an interface's name");
            let message = message.with(word.text).with(INTERFACE_NAME_MAX as u64);
            return report.error(word.place, message, say("write a name that `ip link` shows"));
        }
        self.add_link(word, |options| &mut options.bcast, report);
    }

    fn add_link(
        &mut self,
        word: Word<'a>,
        list: fn(&mut Self) -> &mut Vec<Word<'a>, LINKS_MAX>,
        report: &mut Reporter<'a, '_>,
    ) {
        if let Some(first) = list(self).iter().find(|link| link.text == word.text) {
            let message = say("`{}` is already a link, in line {}").with(word.text).with(u64::from(first.place.line));
            return report.warning(word.place, message, say("remove it here; it is used once"));
        }
        if self.serial.len() + self.bcast.len() >= LINKS_MAX || list(self).push(word).is_err() {
            let message = say("more than {} links").with(LINKS_MAX as u64);
            report.error(word.place, message, say("remove some: one cable and one Ethernet are enough"));
        }
    }

    fn judge_nodes(&self, this_node: &'a str, end: Place<'a>, report: &mut Reporter<'a, '_>) -> Option<usize> {
        if self.nodes.len() < NODES {
            let place = self.nodes.first().map_or(end, |node| node.place);
            let message = say("{} of the two nodes is named").with(self.nodes.len() as u64);
            report.error(place, message, say("add a line `node NAME` for each, with the name as `uname -n` prints it"));
            return None;
        }
        let me = self.nodes.iter().position(|node| node.text.eq_ignore_ascii_case(this_node));
        if me.is_none() {
            let place = self.nodes.first().map_or(end, |node| node.place);
            let message = say("this node, `{}`, is not among the nodes").with(this_node);
            let remedy = match nearest(this_node, &mut self.nodes.iter().map(|node| node.text)) {
                Some(near) => say("did you mean `{}`? Make `uname -n` and the node line the same").with(near),
                None => say("name it in a node line as `uname -n` prints it, or say who this is with --node"),
            };
            report.error(place, message, remedy);
        }
        me
    }

    fn judge_links(&self, end: Place<'a>, report: &mut Reporter<'a, '_>) {
        let cable = self.serial.first();
        if cable.is_none() && self.bcast.is_empty() && !self.link_refused {
            let remedy = say("add `serial /dev/ttyS1` for the cable and `bcast eth1` for the crossover Ethernet");
            report.error(end, say("no link to the peer: neither `serial` nor `bcast`"), remedy);
        } else if let Some(cable) = cable {
            let (baud, place) = self.baud.map_or((BAUD_DEFAULT, cable.place), |baud| (baud.value, baud.place));
            timing::judge_cable(baud, self.times.timing().keepalive, place, report);
        } else if !self.cable_refused {
            let message = say("no serial link: the null-modem cable is the primary link, Ethernet the second");
            let place = self.bcast.first().map_or(end, |link| link.place);
            report.warning(place, message, say("add `baud 115200` and `serial /dev/ttyS1` above the bcast line"));
        }
    }

    fn judge_auto_failback(&self, end: Place<'a>, report: &mut Reporter<'a, '_>) {
        let message: Phrase<'a> = match self.auto_failback {
            None => say("auto_failback is missing: Heartbeat's default is `legacy`, which lubdub treats as `on`"),
            Some(Setting { value: AutoFailback::Legacy, .. }) => say("`legacy` is treated as `on`"),
            Some(_) => return,
        };
        let place = self.auto_failback.map_or(end, |given| given.place);
        report.warning(place, message, say("write `auto_failback on` or `auto_failback off`"));
    }

    fn exclusive(&self) -> Exclusive {
        self.exclusive.map_or_else(Exclusive::default, |given| given.value)
    }

    /// A watchdog is there to reset a node whose stop hangs; without one nothing is done that no line asks for.
    fn stop_failure(&self) -> StopFailure {
        let usual = if self.watchdog.is_some() { StopFailure::Reboot } else { StopFailure::Hold };
        self.stop_failure.map_or(usual, |given| given.value)
    }

    /// All but the fencing devices, which have been judged already.
    fn into_ha_cf(self, me: Option<usize>) -> HaCf<'a> {
        let baud = self.baud.map_or(BAUD_DEFAULT, |baud| baud.value);
        let serial = self.serial.iter().map(|word| Link::Serial { device: word.text, baud });
        let bcast = self.bcast.iter().map(|word| Link::Broadcast { interface: word.text });
        HaCf {
            links: serial.chain(bcast).take(LINKS_MAX).collect(),
            timing: self.times.timing(),
            auto_failback: self.auto_failback.map_or(AutoFailback::Legacy, |given| given.value),
            udpport: self.udpport.map_or(UDPPORT_DEFAULT, |given| given.value),
            logfacility: self.logfacility.and_then(|given| given.value),
            logfile: self.logfile.map(|given| given.value),
            debugfile: self.debugfile.map(|given| given.value),
            debug: self.debug.map_or(0, |given| given.value),
            cluster: self.cluster.map_or(CLUSTER_DEFAULT, |given| given.value),
            lease: self.times.lease.map(|given| given.value),
            exclusive: self.exclusive(),
            watchdog: self.watchdog.map(|given| given.value),
            stop_failure: self.stop_failure(),
            stonith: Vec::new(),
            pings: self.pings.into_nodes(),
            nodes: self.nodes,
            me,
        }
    }
}

fn is_known<'a>(directive: &Word<'a>, report: &mut Reporter<'a, '_>) -> bool {
    let text = directive.text;
    if directive::is_read(text) {
        return true;
    }
    if directive::is_other(text) {
        let message = say("`{}` is a directive of Heartbeat that lubdub does not support yet").with(text);
        report.error(directive.place, message, say("remove the line, or put `#` before it"));
    } else {
        let remedy = match nearest(text, &mut directive::all()) {
            Some(near) => say("did you mean `{}`?").with(near),
            None => say("remove the line, or put `#` before it"),
        };
        report.error(directive.place, say("`{}` is not a directive").with(text), remedy);
    }
    false
}

fn report_missing_value<'a>(directive: &Word<'a>, report: &mut Reporter<'a, '_>) {
    let after = directive.place.part(directive.text.len(), 0);
    let message = say("`{}` has no value").with(directive.text);
    report.error(after, message, say("write the value after it, or remove the line"));
}

/// The one value of a directive that has one; reports none and several.
fn only_value<'a>(directive: &Word<'a>, mut words: Words<'a>, report: &mut Reporter<'a, '_>) -> Option<Word<'a>> {
    let Some(value) = words.next() else {
        report_missing_value(directive, report);
        return None;
    };
    let Some(second) = words.next() else {
        return Some(value);
    };
    let message = say("`{}` has one value; `{}` is a second").with(directive.text).with(second.text);
    let is_time = matches!(directive.text, "keepalive" | "warntime" | "deadtime" | "initdead" | "lease");
    let remedy = if is_time && second.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        say("write the unit against the number: `500ms`")
    } else {
        say("leave one value; a comment begins with `#`")
    };
    report.error(second.place, message, remedy);
    None
}

/// Sets an option; the last one wins, as in Heartbeat, which says nothing about it.
fn put<'a, T>(
    slot: &mut Option<Setting<'a, T>>,
    directive: &Word<'a>,
    value: &Word<'a>,
    read: Option<T>,
    report: &mut Reporter<'a, '_>,
) {
    if let Some(first) = slot {
        let message = say("`{}` is given twice, first in line {}: this one counts");
        let message = message.with(directive.text).with(u64::from(first.place.line));
        report.warning(directive.place, message, say("remove one of the two"));
    }
    if let Some(read) = read {
        *slot = Some(Setting { value: read, place: value.place });
    }
}

fn take_time<'a>(
    slot: &mut Option<Setting<'a, crate::time::Duration>>,
    directive: &Word<'a>,
    value: &Word<'a>,
    report: &mut Reporter<'a, '_>,
) {
    let time = timing::read_time(value, report);
    put(slot, directive, value, time, report);
}

fn refuse_second_baud<'a>(first: Option<&Setting<'a, u32>>, directive: &Word<'a>, report: &mut Reporter<'a, '_>) {
    if let Some(first) = first {
        let message = say("`baud` is given twice, first in line {}").with(u64::from(first.place.line));
        report.error(directive.place, message, say("remove one of the two: one rate holds for every serial link"));
    }
}
