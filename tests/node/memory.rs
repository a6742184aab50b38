//! The peer remembers why a life ended, and tells the next one in the hello that begins its first session.

use crate::pair::{MS, Pair};
use lubdub::node::{Event, Input, Order, PeerState};
use lubdub::wire::loss::Loss;

/// Boots node1 and says what its first session told it.
fn told(pair: &mut Pair) -> Loss {
    let booted = pair.now;
    pair.boot(0);
    pair.run(MS(1_000));
    let session = pair.boxes[0].events.iter().find_map(|(at, event)| match event {
        Event::Session { lost, .. } if *at >= booted => Some(*lost),
        _ => None,
    });
    session.unwrap_or_else(|| panic!("no session: {}", pair.story()))
}

/// What ends a life of node1.
type End<'a> = &'a dyn Fn(&mut Pair);

#[test]
fn a_first_life_was_never_lost() {
    let mut pair = Pair::new();
    pair.boot(1);
    assert_eq!(told(&mut pair), Loss::None);
}

#[test]
fn each_end_of_a_life_is_told_to_the_next() {
    let silence = |pair: &mut Pair| pair.power_off(0);
    let goodbye = |pair: &mut Pair| {
        pair.order(0, Order::Leave);
        pair.run(MS(1_000));
        assert!(pair.boxes[0].left);
        pair.kill(0);
    };
    let unplugged = |pair: &mut Pair| {
        pair.power_off(0);
        for link in 0..2 {
            pair.tell(1, Input::Line { link, lost: true });
        }
    };
    let stopping = |pair: &mut Pair| {
        pair.boxes[0].trouble[0].stop_fails = true;
        pair.order(0, Order::Standby(1));
        pair.run(MS(1_000));
        pair.power_off(0);
        pair.boxes[0].trouble[0].stop_fails = false;
    };
    let fenced = |pair: &mut Pair| {
        pair.power_off(0);
        pair.run(MS(1_000));
        pair.tell(1, Input::Fenced);
    };
    let ends: [(Loss, End<'_>); 5] = [
        (Loss::Silence, &silence),
        (Loss::Goodbye, &goodbye),
        (Loss::Unplugged, &unplugged),
        (Loss::Stopping, &stopping),
        (Loss::Fenced, &fenced),
    ];
    for (loss, end) in ends {
        let mut pair = Pair::settled();
        end(&mut pair);
        pair.run(MS(1_000));
        assert_ne!(pair.peer(1), PeerState::Alive, "{loss:?}: {}", pair.story());
        for link in 0..2 {
            pair.tell(1, Input::Line { link, lost: false });
        }
        assert_eq!(told(&mut pair), loss, "{}", pair.story());
        // A life that nobody missed the end of is told nothing of the one before it.
        pair.kill(0);
        assert_eq!(told(&mut pair), Loss::None, "after {loss:?}: {}", pair.story());
    }
}

/// A number of a later release is nothing to tell, and the hello is good.
#[test]
fn what_is_not_known_is_nothing() {
    for (number, loss) in [Loss::None, Loss::Goodbye, Loss::Silence, Loss::Unplugged, Loss::Stopping, Loss::Fenced]
        .into_iter()
        .enumerate()
    {
        assert_eq!((Loss::from(number as u8), u8::from(loss)), (loss, number as u8));
    }
    assert_eq!(Loss::from(200), Loss::None);
}
