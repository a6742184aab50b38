//! What Heartbeat's `cl_status` tells, in its words and with its exit codes, for the programs that watch it.
//!
//! Heartbeat knows no split and no stranger: a peer that is neither alive nor unknown is `dead` here.

use lubdub::node::{GroupStatus, LinkState, PeerState};
use lubdub::wire::beat::State;

use super::status::Status;

/// Exit code: an option, a name or a word of it is wrong.
pub const WRONG: u8 = 11;
/// Exit code: there is no such link.
const FAILED: u8 = 13;
/// The weight of every node, unless somebody gave it another.
const WEIGHT: &str = "100";

/// What is printed on standard output with this exit code; or on standard error.
pub type Answer = Result<(u8, String), (u8, String)>;

/// A question: its word, the letters of its options, its names.
struct Question<'a> {
    options: String,
    names: Vec<&'a str>,
}

impl<'a> Question<'a> {
    fn read(words: &[&'a str], allowed: &str) -> Result<Self, (u8, String)> {
        let is_option = |word: &&&str| word.len() > 1 && word.starts_with('-');
        let options: String = words.iter().filter(is_option).flat_map(|word| word[1..].chars()).collect();
        match options.chars().find(|option| !allowed.contains(*option)) {
            Some(option) => Err((WRONG, format!("ERROR: invalid option -{option}; expected one of: {allowed}\n"))),
            None => Ok(Self { options, names: words.iter().filter(|word| !is_option(word)).copied().collect() }),
        }
    }

    fn has(&self, option: char) -> bool {
        self.options.contains(option)
    }

    fn name(&self, number: usize) -> Result<&'a str, (u8, String)> {
        self.names.get(number).copied().ok_or_else(|| (WRONG, "Not enough parameters.\n".to_owned()))
    }
}

/// Answers `SUB-COMMAND [OPTION...] [NAME...]`.
pub fn answer(words: &[&str], status: &Status<'_>) -> Answer {
    let Some((word, rest)) = words.split_first() else { return invalid("") };
    let allowed = match *word {
        "hbstatus" => "mv",
        "listnodes" => "mpnv",
        "listhblinks" => "mv",
        "nodestatus" | "nodeweight" | "nodesite" | "nodetype" | "hblinkstatus" | "clientstatus" | "rscstatus" => "m",
        _ => return invalid(word),
    };
    let question = Question::read(rest, allowed)?;
    let told = |plain: &str, long: String| format!("{}\n", if question.has('m') { &long } else { plain });
    let node = || question.name(0).and_then(|name| Ok((name, known(name, status)?)));
    Ok(match *word {
        "hbstatus" => {
            let nodes = if question.has('v') { list(true, |_| true, status) } else { String::new() };
            (0, format!("{RUNNING}{nodes}"))
        }
        "listnodes" => {
            let (ping, normal) = (question.has('p'), question.has('n'));
            (0, list(question.has('v'), |state| ping == normal || ping == state.is_ping(), status))
        }
        "nodestatus" => {
            let (name, state) = node()?;
            let word = state.word();
            (u8::from(word == DEAD), told(word, format!("The cluster node {name} is {word}")))
        }
        "nodeweight" => {
            let (name, _) = node()?;
            (0, told(WEIGHT, format!("The weight of the cluster node {name} is {WEIGHT}")))
        }
        "nodesite" => {
            let (name, _) = node()?;
            (0, told("", format!("The site of the cluster node {name} is ")))
        }
        "nodetype" => {
            let (name, state) = node()?;
            (0, told(state.kind(), format!("The node {name}'s type: {}", state.kind())))
        }
        "listhblinks" => (0, links(node()?, question.has('v'), status)),
        "hblinkstatus" => {
            let (node, wanted) = (node()?, question.name(1)?);
            let link = links_of(node, status).into_iter().find(|(name, _)| name == wanted);
            let (_, up) = link.ok_or_else(|| (FAILED, "ERROR: Cannot get heartbeat link status\n".to_owned()))?;
            (u8::from(!up), told(up_or_dead(up), format!("The link {wanted} is {}", up_or_dead(up))))
        }
        "clientstatus" => {
            // Heartbeat's clients are programs that registered with it; there are none here.
            node().and_then(|_| question.name(1))?;
            (1, "offline\n".to_owned())
        }
        _ => {
            let held = held(status.node.groups(), status.node.peer());
            (0, told(held, format!("This node is holding {held} resources.")))
        }
    })
}

/// What `hbstatus` prints while there is a daemon.
const RUNNING: &str = "Heartbeat is running on this machine.\n";
const DEAD: &str = "dead";

fn invalid(word: &str) -> Answer {
    Err((WRONG, format!("ERROR: {word}: invalid sub-command.\n")))
}

/// A node as Heartbeat sees it.
#[derive(Clone, Copy)]
enum Seen {
    Active,
    Starting,
    Dead,
    Ping(bool),
}

impl Seen {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Starting => "init",
            Self::Ping(true) => "ping",
            Self::Dead | Self::Ping(false) => DEAD,
        }
    }

    fn is_ping(self) -> bool {
        matches!(self, Self::Ping(_))
    }

    fn kind(self) -> &'static str {
        if self.is_ping() { "ping" } else { "normal" }
    }
}

/// Every node with its name: the pair, then the `ping` nodes.
fn nodes(status: &Status<'_>) -> Vec<(String, Seen)> {
    let peer = match status.node.peer() {
        PeerState::Alive => Seen::Active,
        PeerState::Unknown => Seen::Starting,
        _ => Seen::Dead,
    };
    let mut nodes = vec![(status.names.me.clone(), Seen::Active), (status.names.peer.clone(), peer)];
    let ping = |ping: &super::eyes::PingReport| (ping.node.address.to_string(), Seen::Ping(ping.answers == Some(true)));
    nodes.extend(status.pings.iter().map(ping));
    nodes
}

fn known(name: &str, status: &Status<'_>) -> Result<Seen, (u8, String)> {
    let node = nodes(status).into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    node.map(|(_, seen)| seen).ok_or_else(|| (WRONG, "Error. May be due to incorrect node name\n".to_owned()))
}

fn list(verbose: bool, wanted: impl Fn(Seen) -> bool, status: &Status<'_>) -> String {
    let mut out = String::new();
    for (name, seen) in nodes(status).into_iter().filter(|(_, seen)| wanted(*seen)) {
        if verbose {
            out += &format!("\n{name}\t{}\t(nodetype: {})\n", seen.word(), seen.kind());
            out += &links((&name, seen), true, status);
        } else {
            out += &format!("{name}\n");
        }
    }
    out
}

/// The links over which a node is heard, and whether they are up. A `ping` node is its own.
fn links_of((name, seen): (&str, Seen), status: &Status<'_>) -> Vec<(String, bool)> {
    if let Seen::Ping(answers) = seen {
        return vec![(name.to_owned(), answers)];
    }
    let links = status.names.links.iter().zip(status.node.links());
    links.map(|(name, link)| (name.name.clone(), link.state == LinkState::Up)).collect()
}

fn links(node: (&str, Seen), verbose: bool, status: &Status<'_>) -> String {
    let line = |(name, up): (String, bool)| match verbose {
        true => format!("\t{name}\t{}\n", up_or_dead(up)),
        false => format!("\t{name}\n"),
    };
    links_of(node, status).into_iter().map(line).collect()
}

fn up_or_dead(up: bool) -> &'static str {
    if up { "up" } else { DEAD }
}

/// Which resources this node holds: its own, its peer's, both or none. A node without a line of its own in haresources
/// holds what it has, nothing, so it is `local`; and a peer's that has none is taken over with the peer.
fn held(groups: impl Iterator<Item = GroupStatus>, peer: PeerState) -> &'static str {
    let (mut known, mut holds) = ([false; 2], [false; 2]);
    for group in groups {
        let whose = usize::from(!group.preferred);
        known[whose] = true;
        match group.state {
            State::Starting | State::Stopping => return "transition",
            State::Held | State::Giving => holds[whose] = true,
            State::Stopped | State::Failed => {}
        }
    }
    match (holds[0] || !known[0], holds[1] || !known[1] && peer != PeerState::Alive) {
        (true, true) => "all",
        (true, false) => "local",
        (false, true) => "foreign",
        (false, false) => "none",
    }
}

#[cfg(test)]
mod tests {
    use lubdub::node::Owner;
    use lubdub::wire::beat::Term;

    use super::*;

    fn groups(groups: &[(bool, State)], peer: PeerState) -> &'static str {
        let group = |&(preferred, state)| GroupStatus {
            state,
            owner: Owner::Nobody,
            term: Term(1),
            failed_stops: 0,
            preferred,
            hold: None,
        };
        held(groups.iter().map(group), peer)
    }

    #[test]
    fn what_is_held_has_heartbeats_words() {
        let (own, theirs) = (true, false);
        let alive = |all: &[_]| groups(all, PeerState::Alive);
        assert_eq!(alive(&[(own, State::Held), (theirs, State::Stopped)]), "local");
        assert_eq!(alive(&[(own, State::Held), (theirs, State::Held)]), "all");
        assert_eq!(alive(&[(own, State::Stopped), (theirs, State::Held)]), "foreign");
        assert_eq!(alive(&[(own, State::Failed), (theirs, State::Stopped)]), "none");
        assert_eq!(alive(&[(own, State::Held), (theirs, State::Stopping)]), "transition");
        // One line alone, seen from both nodes: settled, given over by order, and after the peer's death.
        assert_eq!((alive(&[(own, State::Held)]), alive(&[(theirs, State::Stopped)])), ("local", "local"));
        assert_eq!((alive(&[(own, State::Stopped)]), alive(&[(theirs, State::Held)])), ("none", "all"));
        assert_eq!(groups(&[(own, State::Held)], PeerState::Dead), "all");
    }

    #[test]
    fn options_stand_anywhere_and_a_wrong_one_is_named() {
        let question = Question::read(&["node2", "-mv"], "mv").ok().unwrap();
        assert_eq!((question.has('m'), question.has('p'), question.name(0)), (true, false, Ok("node2")));
        assert_eq!(question.name(1), Err((WRONG, "Not enough parameters.\n".to_owned())));
        assert_eq!(Question::read(&["-x"], "m").err().map(|(code, _)| code), Some(WRONG));
    }
}
