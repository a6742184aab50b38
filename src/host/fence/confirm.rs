//! `lubdub fence confirm NODE`: a human vouches that the peer is off.

use lubdub::node::PeerState;

use crate::host::names::Names;
use crate::host::words;

/// The answer to a word that may be older than a stall of this node, and so is not believed.
pub const DOUBTED: &str = "not believed: this daemon did not run for a while, and the peer may be back since you looked; look again and repeat it\n";

/// What to answer when a human vouches that `node` is off, with the consequence.
///
/// # Errors
/// Why it is not believed, for the person who said it: it is not the peer, or its frames still arrive.
pub fn confirm(node: &str, names: &Names, peer: PeerState) -> Result<String, String> {
    let Names { me, peer: name, .. } = names;
    if node.eq_ignore_ascii_case(me) {
        return Err(format!("refused: {me} is this node, which runs; the peer is {name}\n"));
    }
    if !node.eq_ignore_ascii_case(name) {
        return Err(format!("refused: `{node}` is not the peer; the peer is {name}\n"));
    }
    if peer == PeerState::SplitSuspected {
        return Err(format!("refused: {name} answers or asks for a VIP, so it is not off; switch it off first\n"));
    }
    if matches!(peer, PeerState::Alive | PeerState::Untrusted(_)) {
        let state = words::peer(peer);
        return Err(format!("refused: {name} is {state}: it is heard, so it is not off; switch it off first\n"));
    }
    Ok(format!("{name} counts as off: {me} takes over what it held. If {name} still runs, both own it\n"))
}

#[cfg(test)]
mod tests {
    use lubdub::node::Untrusted;

    use super::*;

    fn told(node: &str, peer: PeerState) -> Result<String, String> {
        let names = Names { me: "alpha".into(), peer: "beta".into(), groups: Vec::new(), links: Vec::new() };
        confirm(node, &names, peer)
    }

    #[test]
    fn a_silent_peer_is_believed_off_and_the_consequence_is_told() {
        for silent in [PeerState::Unknown, PeerState::Dead, PeerState::Left] {
            let answer = told("BETA", silent).unwrap();
            assert!(answer.contains("alpha takes over") && answer.contains("both own it"), "{answer}");
        }
    }

    #[test]
    fn who_is_heard_or_is_not_the_peer_is_not_off() {
        assert!(told("beta", PeerState::Alive).unwrap_err().contains("beta is alive: it is heard"));
        assert!(told("beta", PeerState::Untrusted(Untrusted::WrongKey)).unwrap_err().contains("it is heard"));
        assert!(told("alpha", PeerState::Dead).unwrap_err().contains("alpha is this node"));
        assert!(told("gamma", PeerState::Dead).unwrap_err().contains("`gamma` is not the peer"));
    }
}
