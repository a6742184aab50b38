//! A way through the states, told for people.

use crate::act::{Act, Way};
use crate::world::World;
use lubdub::node::{Event, PeerState};
use std::fmt::Write;

/// One line for each act that is a fault, a repair or an order, and for each that made a node say something.
pub fn tell(root: &World, acts: &[Act]) -> String {
    let mut world = root.clone();
    let mut story = String::new();
    for act in acts {
        let mut told = Vec::new();
        let before = world.tick;
        let outcome = world.act(*act, &mut told);
        told.retain(|(_, event)| !matches!(event, Event::Link { .. } | Event::Late { .. }));
        let plain = matches!(act, Act::Tick | Act::Deliver(_) | Act::Wake(_) | Act::Done(_));
        if plain && told.is_empty() && outcome.is_ok() {
            continue;
        }
        let _ = writeln!(story, "{:>4}  {}", before, name(*act));
        for (side, event) in told {
            let _ = writeln!(story, "{:>12}: {}", format!("node{}", side + 1), words(&event));
        }
        if let Err(violation) = outcome {
            let _ = writeln!(story, "      BROKEN: {violation:?}");
            return story;
        }
    }
    let states = [0, 1].map(|side| world.state(side));
    let _ = writeln!(story, "      at the end (tick {}) the nodes say {states:?}", world.tick);
    story
}

fn name(act: Act) -> String {
    let node = |side: usize| format!("node{}", side + 1);
    match act {
        Act::Deliver(Way { from, link }) => format!("{} reads a frame on link {link}", node(1 - from)),
        Act::Wake(side) => format!("{} wakes", node(side)),
        Act::Done(side) => format!("{}: the step of the resources ends", node(side)),
        Act::Tick => "time passes".into(),
        Act::Thaw(side) => format!("-> {} is scheduled again", node(side)),
        Act::Boot(side) => format!("-> {} starts", node(side)),
        Act::Mend(Way { from, link }) => format!("-> link {link} from {} works again", node(from)),
        Act::Lose(Way { from, link }) => format!("=> a frame of {} on link {link} is lost", node(from)),
        Act::Cut(Way { from, link }) => format!("=> link {link} from {} is cut", node(from)),
        Act::Unplug(link) => format!("=> link {link} is cut in both directions"),
        Act::Crash(side) => format!("=> {} loses power", node(side)),
        Act::Stall(side) => format!("=> {} is stalled", node(side)),
        Act::Fail(side) => format!("=> {}: the step of the resources fails", node(side)),
        Act::Order(side, order) => format!("=> {} is ordered {order:?}", node(side)),
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Group { from, to, cause, .. } => format!("{from:?} -> {to:?} ({cause:?})"),
        Event::Peer { from, to, .. } => format!("the peer is {} (was {})", peer(*to), peer(*from)),
        other => format!("{other:?}"),
    }
}

fn peer(state: PeerState) -> String {
    format!("{state:?}").to_lowercase()
}
