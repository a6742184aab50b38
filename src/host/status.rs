//! The node's status as a table for people and as JSON for programs.

use std::fmt::Write;

use lubdub::node::{LinkState, LinkStatus, Node, Owner, PeerState};
use lubdub::time::Instant;
use lubdub::wire::beat::State;

use super::eyes::PingReport;
use super::fence::FenceState;
use super::lines::Shown;
use super::names::Names;
use super::narrate::Ms;
use super::vip::VipReport;
use super::watchdog::WatchdogReport;
use super::watchdog::last_reset::LastReset;
use super::words;

/// What `status` looks at.
pub struct Status<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its names.
    pub names: &'a Names,
    /// Frames that each link's device refused.
    pub dropped: &'a [u64],
    /// What the modem lines or the carrier of each link show.
    pub shown: &'a [Shown],
    /// Announcements of VIPs that could not be sent.
    pub unannounced: u64,
    /// Renewals of the lease that came too late after their beat.
    pub late_renewals: u64,
    /// The watchdog, if there is one.
    pub watchdog: Option<&'a WatchdogReport>,
    /// What is known of the last reset.
    pub last_reset: &'a LastReset,
    /// Whether the peer is being fenced.
    pub fencing: FenceState<'a>,
    /// How each VIP fares.
    pub vips: Vec<VipReport>,
    /// How each `ping` node fares, in the order of ha.cf.
    pub pings: Vec<PingReport>,
    /// The present.
    pub now: Instant,
    /// When the daemon started.
    pub since: Instant,
}

impl Status<'_> {
    /// 0: healthy. 1: a link not up, the peer not alive, a group failed, stuck stopping or without owner.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.degraded().is_some())
    }

    /// The first reason why this is not a healthy pair.
    fn degraded(&self) -> Option<String> {
        if let Some((link, name)) = self.links().find(|(link, _)| link.state != LinkState::Up) {
            return Some(format!("link {name} is {}", words::link(link.state)));
        }
        if self.node.peer() != PeerState::Alive {
            return Some(format!("{} is {}", self.names.peer, words::peer(self.node.peer())));
        }
        if let Some(why) = self.watchdog.and_then(WatchdogReport::degraded) {
            return Some(why);
        }
        if let Some((vip, (mac, _))) = self.vips.iter().find_map(|vip| Some((vip.address, vip.used_by.as_ref()?))) {
            return Some(format!("VIP {vip} is used by {mac}, which is neither node"));
        }
        if let Some(silent) = self.silent_pings() {
            return Some(silent);
        }
        self.node.groups().zip(&self.names.groups).find_map(|(group, key)| match group.state {
            State::Failed => Some(format!("{key} failed here")),
            State::Stopping if group.failed_stops > 0 => Some(format!("{key} cannot be stopped here")),
            _ if group.hold.is_some() => {
                Some(format!("{key} is not taken over: {}", group.hold.map_or("", words::hold)))
            }
            _ if group.owner == Owner::Nobody => Some(format!("{key} has no owner")),
            _ => None,
        })
    }

    /// A `ping_group` of which nobody answers, or a `ping` node of none.
    fn silent_pings(&self) -> Option<String> {
        let silent = |ping: &PingReport| ping.answers == Some(false);
        let group = |ping: &PingReport| match &ping.node.group {
            None => silent(ping),
            group => self.pings.iter().filter(|other| other.node.group == *group).all(silent),
        };
        let ping = self.pings.iter().find(|ping| group(ping))?;
        Some(match &ping.node.group {
            None => format!("ping node {} is silent", ping.node.address),
            Some(group) => format!("ping group {group} is silent"),
        })
    }

    fn links(&self) -> impl Iterator<Item = (LinkStatus, &str)> {
        self.node.links().zip(self.names.links.iter().map(|link| link.name.as_str()))
    }

    fn owner(&self, owner: Owner) -> Option<&str> {
        match owner {
            Owner::Me => Some(&self.names.me),
            Owner::Peer => Some(&self.names.peer),
            Owner::Nobody => None,
        }
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let health = self.degraded().map_or("healthy".to_owned(), |why| format!("DEGRADED: {why}"));
        let up = self.now.since(self.since).as_micros() / 1_000_000;
        let _ = writeln!(out, "{}  {health}  (up {up} s)", self.names.me);
        let peer = self.node.peer();
        let why = words::peer_why(peer).map_or(String::new(), |why| format!("  ({why})"));
        let heard = match peer {
            PeerState::Unknown => "never heard".to_owned(),
            _ => format!("last heard {} ago", Ms(self.now.since(self.node.silent_since()))),
        };
        let _ = writeln!(out, "peer {}  {}{why}, {heard}\n", self.names.peer, words::peer(peer));
        out.push_str(&self.link_table());
        out.push('\n');
        out.push_str(&self.group_table());
        out.push_str(&self.ping_table());
        out.push_str(&self.guard_lines());
        for vip in self.vips.iter().filter(|vip| vip.put_back > 0) {
            let _ = writeln!(out, "VIP {}: removed by somebody else and put back: {}", vip.address, vip.put_back);
        }
        out
    }

    /// The watchdog, the last reset and the fencing of the peer, as far as there is something to say.
    fn guard_lines(&self) -> String {
        let mut out = String::new();
        if let Some(watchdog) = self.watchdog {
            let _ = writeln!(out, "\n{watchdog}");
        }
        if let Some(text) = self.last_reset.text(&self.names.peer) {
            let _ = writeln!(out, "last reset: {text}");
        }
        let peer = &self.names.peer;
        match self.fencing {
            FenceState::Idle => {}
            FenceState::Fencing { since, device, failed } => {
                let device = device.unwrap_or("a pause");
                let lasts = Ms(self.now.since(since));
                let _ = writeln!(out, "fencing {peer} for {lasts}: {device}, {failed} attempts failed");
            }
            FenceState::Confirmed { by, at } => {
                let _ = writeln!(out, "fenced {peer} {} ago: {by}", Ms(self.now.since(at)));
            }
        }
        out
    }

    fn fencing_json(&self) -> String {
        match self.fencing {
            FenceState::Idle => "null".to_owned(),
            FenceState::Fencing { since, device, failed } => {
                let (ms, device) = (self.now.since(since).as_millis(), device.map_or("null".to_owned(), quoted));
                format!("{{\"state\":\"fencing\",\"for_ms\":{ms},\"device\":{device},\"failed\":{failed}}}")
            }
            FenceState::Confirmed { by, at } => {
                let ms = self.now.since(at).as_millis();
                format!("{{\"state\":\"confirmed\",\"by\":{},\"for_ms\":{ms}}}", quoted(by))
            }
        }
    }

    fn link_table(&self) -> String {
        let mut rows =
            vec![["LINK", "STATE", "WHY", "RECEIVED", "SENT", "ERRORS", "DROPPED", "LINES"].map(String::from)];
        for (((link, name), dropped), shown) in self.links().zip(self.dropped).zip(self.shown) {
            let counters = link.counters;
            rows.push([
                name.to_owned(),
                words::link(link.state).to_owned(),
                link.why.map_or("-", words::link_why).to_owned(),
                counters.rx_frames.to_string(),
                counters.tx_frames.to_string(),
                counters.rx_errors().to_string(),
                dropped.to_string(),
                words::shown(*shown).to_owned(),
            ]);
        }
        columns(&rows)
    }

    fn group_table(&self) -> String {
        let mut rows = vec![["GROUP", "PREFERRED", "OWNER", "STATE HERE", "TERM"].map(String::from)];
        for (group, key) in self.node.groups().zip(&self.names.groups) {
            let preferred = if group.preferred { &self.names.me } else { &self.names.peer };
            rows.push([
                key.clone(),
                preferred.clone(),
                self.owner(group.owner).unwrap_or("-").to_owned(),
                words::group(group.state).to_owned(),
                group.term.0.to_string(),
            ]);
        }
        if rows.len() == 1 { "no groups: haresources is empty\n".to_owned() } else { columns(&rows) }
    }

    fn ping_table(&self) -> String {
        if self.pings.is_empty() {
            return String::new();
        }
        let mut rows = vec![["PING", "GROUP", "STATE", "SINCE"].map(String::from)];
        for ping in &self.pings {
            rows.push([
                ping.node.address.to_string(),
                ping.node.group.clone().unwrap_or("-".to_owned()),
                words::ping(ping.answers).to_owned(),
                format!("{} ago", Ms(self.now.since(ping.since))),
            ]);
        }
        format!("\n{}", columns(&rows))
    }

    fn ping_json(&self, ping: &PingReport) -> String {
        let group = ping.node.group.as_deref().map_or(String::new(), |group| format!(",\"group\":{}", quoted(group)));
        let (state, ms) = (words::ping(ping.answers), self.now.since(ping.since).as_millis());
        format!("{{\"node\":\"{}\"{group},\"state\":\"{state}\",\"for_ms\":{ms}}}", ping.node.address)
    }

    /// One object on one line.
    pub fn json(&self) -> String {
        let peer = self.node.peer();
        let mut out = format!("{{\"node\":{},\"healthy\":{}", quoted(&self.names.me), self.degraded().is_none());
        let _ = write!(out, ",\"peer\":{{\"node\":{}", quoted(&self.names.peer));
        let _ = write!(out, ",\"state\":\"{}\"", words::peer(peer));
        if let Some(why) = words::peer_why(peer) {
            let _ = write!(out, ",\"why\":\"{why}\"");
        }
        if let Some(deadtime) = self.node.peer_deadtime() {
            let _ = write!(out, ",\"deadtime_ms\":{}", deadtime.as_millis());
        }
        let silent = self.now.since(self.node.silent_since()).as_millis();
        let _ = write!(out, ",\"silent_ms\":{silent}}},\"links\":[");
        let links: Vec<_> =
            self.links().zip(self.dropped).zip(0..).map(|(link, number)| self.link_json(link, number)).collect();
        let _ = write!(out, "{}],\"groups\":[", links.join(","));
        let groups: Vec<_> = (0..self.names.groups.len()).map(|number| self.group_json(number)).collect();
        let vips: Vec<_> = self.vips.iter().map(vip_json).collect();
        let _ = write!(out, "{}],\"vips\":[{}],", groups.join(","), vips.join(","));
        let pings: Vec<_> = self.pings.iter().map(|ping| self.ping_json(ping)).collect();
        let _ = write!(out, "\"pings\":[{}],", pings.join(","));
        let _ = write!(out, "\"unannounced\":{},\"late_renewals\":{},", self.unannounced, self.late_renewals);
        let watchdog = self.watchdog.map_or("null".to_owned(), WatchdogReport::json);
        let (reset, fencing) = (self.last_reset.json(&self.names.peer), self.fencing_json());
        let _ = write!(out, "\"watchdog\":{watchdog},\"last_reset\":{reset},\"fencing\":{fencing}}}");
        out
    }

    fn link_json(&self, ((link, name), dropped): ((LinkStatus, &str), &u64), number: usize) -> String {
        let counters = link.counters;
        let why = link.why.map_or(String::new(), |why| format!(",\"why\":\"{}\"", words::link_why(why)));
        let what = if self.names.links[number].is_serial() { "lines" } else { "carrier" };
        let shown = words::shown(self.shown[number]);
        format!(
            "{{\"name\":{},\"kind\":\"{}\",\"state\":\"{}\"{why},\"rx_frames\":{},\"tx_frames\":{},\"rx_errors\":{},\
             \"tx_dropped\":{dropped},\"noise\":{},\"unauthentic\":{},\"replayed\":{},\"looped\":{},\"foreign\":{},\"{what}\":\"{shown}\"}}",
            quoted(name),
            self.names.links[number].kind,
            words::link(link.state),
            counters.rx_frames,
            counters.tx_frames,
            counters.rx_errors(),
            counters.noise,
            counters.unauthentic,
            counters.replayed,
            counters.looped,
            counters.foreign,
        )
    }

    fn group_json(&self, number: usize) -> String {
        let Some(group) = self.node.groups().nth(number) else { return String::new() };
        let preferred = if group.preferred { &self.names.me } else { &self.names.peer };
        let hold = group.hold.map_or(String::new(), |hold| format!(",\"held_off\":\"{}\"", words::hold(hold)));
        format!(
            "{{\"key\":{},\"preferred\":{},\"owner\":{},\"state\":\"{}\",\"term\":{},\"failed_stops\":{}{hold}}}",
            quoted(&self.names.groups[number]),
            quoted(preferred),
            self.owner(group.owner).map_or("null".to_owned(), quoted),
            words::group(group.state),
            group.term.0,
            group.failed_stops,
        )
    }
}

/// `used_by` is there while another station has it.
fn vip_json(vip: &VipReport) -> String {
    let used = vip.used_by.as_ref().map_or(String::new(), |(mac, n)| format!(",\"used_by\":\"{mac}\",\"claims\":{n}"));
    format!("{{\"address\":\"{}\",\"put_back\":{}{used}}}", vip.address, vip.put_back)
}

/// Rows as aligned columns, two blanks apart.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// A JSON string (RFC 8259 section 7).
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_json_wants_it() {
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["A", "B"], ["long", "x"]].map(|row| row.map(String::from));
        assert_eq!(columns(&rows), "A     B\nlong  x\n");
    }
}
