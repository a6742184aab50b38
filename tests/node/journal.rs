//! The field journal: whatever a node lived through, a replay without its secrets lives through it again.

use crate::pair::{MS, Pair, Side};
use lubdub::journal::{CORE, File, Refusal, Replay, Story, Summary, Told, file};
use lubdub::node::{Cause, Event, Order, PeerState};
use lubdub::time::Instant;
use lubdub::wire::beat::State;

/// How many inputs of each side were replayed.
fn reproduced(pair: &Pair) -> [usize; 2] {
    [0, 1].map(|side| pair.replayed(side).0)
}

fn recorded() -> Pair {
    let mut pair = Pair::settled();
    pair.record(0);
    pair.record(1);
    pair
}

fn starts(story: &Story) -> Cause {
    match story.chosen.as_ref().unwrap().event {
        Event::Group { to: State::Starting, cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_takeover_by_silence_names_the_last_beat_of_each_link() {
    let mut pair = recorded();
    pair.cut[0][1] = true;
    pair.run(MS(150));
    pair.power_off(0);
    let died = pair.now;
    pair.until(MS(1000), |p| p.state(1, 0) == State::Held);
    let [_, turns] = reproduced(&pair);
    assert!(turns > 5);
    let story = &pair.boxes[1].stories[0];
    let Cause::Silence(silent) = starts(story) else { panic!("{story:?}") };
    let chosen = story.chosen.as_ref().unwrap();
    let [cable, crossover] = [0, 1].map(|link| chosen.evidence.links[link]);
    assert_eq!(chosen.at.since(cable.at.unwrap()), silent, "the cable brought the last word");
    assert!(cable.at.unwrap() > crossover.at.unwrap() && cable.at.unwrap() <= died + MS(5));
    assert!(cable.beat > crossover.beat);
    assert_eq!(chosen.evidence.peer_heard, cable.at);
    assert_eq!(chosen.evidence.word.unwrap().state, State::Held);
    assert!(matches!(story.outcome.as_ref().unwrap().event, Event::Group { cause: Cause::Started, .. }));
    let peer = pair.boxes[1].peer_story.last().unwrap();
    assert!(matches!(peer.event, Event::Peer { to: PeerState::Dead, .. }));
}

#[test]
fn a_takeover_by_order_shows_the_grant() {
    let mut pair = recorded();
    pair.order(1, Order::Takeover(1));
    pair.until(MS(1000), |p| p.state(1, 0) == State::Held);
    reproduced(&pair);
    let story = &pair.boxes[1].stories[0];
    assert_eq!(starts(story), Cause::Consent);
    let evidence = &story.chosen.as_ref().unwrap().evidence;
    assert!(evidence.word.is_some_and(|word| word.granted && word.state == State::Stopped));
    assert!(evidence.links.iter().any(|link| link.at == Some(story.chosen.as_ref().unwrap().at)), "just heard");
    let given = pair.boxes[0].stories[0].chosen.as_ref().unwrap();
    assert!(matches!(given.event, Event::Group { cause: Cause::Handover, .. }));
}

#[test]
fn long_lives_turn_the_segments_over() {
    let mut pair = recorded();
    pair.run(MS(180_000));
    pair.power_off(0);
    pair.run(MS(1000));
    let [_, turns] = reproduced(&pair);
    assert!(turns > 500, "{turns} inputs");
    let segments = pair.boxes[1].journal.as_ref().unwrap().segments();
    assert!(segments[0].len() > 28_000, "the older segment is full");
    assert!(segments[1].len() > 1_000, "the newer one is in use");
}

#[test]
fn partitions_stalls_loss_and_failures_are_reproduced() {
    let mut pair = recorded();
    pair.loss = 30;
    pair.run(MS(5_000));
    pair.cut_all(true);
    pair.run(MS(1_000));
    pair.cut_all(false);
    pair.loss = 0;
    pair.run(MS(2_000));
    reproduced(&pair);
    pair.freeze(0, MS(2_000));
    pair.run(MS(6_000));
    pair.boxes[1].trouble[0].start_fails = true;
    pair.order(1, Order::Takeover(1));
    pair.run(MS(3_000));
    pair.order(1, Order::Clear(1));
    pair.tell(1, lubdub::node::Input::Carrier { link: 1, up: false });
    pair.run(MS(1_000));
    pair.order(0, Order::Leave);
    pair.run(MS(2_000));
    assert!(pair.has_event(0, |event| matches!(event, Event::Stalled { .. })));
    assert!(pair.has_event(1, |event| matches!(event, Event::Peer { to: PeerState::Left, .. })));
    reproduced(&pair);
}

#[test]
fn keys_that_rotate_and_strangers_need_no_secret() {
    let mut pair = recorded();
    for side in [0, 1, 0, 1] {
        pair.extra_key[side] = Some((4, "the new one"));
        pair.reload(side);
        pair.run(MS(700));
    }
    pair.digest[0] = [9; 8];
    pair.reload(0);
    pair.run(MS(2_000));
    assert!(pair.has_event(1, |event| matches!(event, Event::Peer { to: PeerState::Untrusted(_), .. })));
    pair.digest[1] = [9; 8];
    pair.reload(1);
    pair.run(MS(2_000));
    pair.secret[0] = "another";
    pair.power_off(0);
    pair.boxes[0].journal = None;
    pair.boot(0);
    pair.run(MS(2_000));
    reproduced(&pair);
}

#[test]
fn loops_and_noise_are_reproduced() {
    let mut pair = recorded();
    let begin = pair.now;
    for turn in 0..40 {
        pair.run(MS(25));
        let own =
            pair.frames[1].iter().rev().find(|(at, link, _)| *at > begin && *link == 0).map(|frame| frame.2.clone());
        pair.tell(1, lubdub::node::Input::Bytes { link: 0, bytes: &own.unwrap_or_default() });
        pair.tell(1, lubdub::node::Input::Bytes { link: 0, bytes: &[turn; 90] });
    }
    pair.power_off(0);
    pair.run(MS(1_000));
    reproduced(&pair);
    assert!(pair.node(1).links().next().unwrap().counters.looped > 0);
}

#[test]
fn a_burst_with_too_many_frames_begins_a_new_segment() {
    let mut pair = recorded();
    let frame = pair.frames[0].iter().rev().find(|(_, link, _)| *link == 1).unwrap().2.clone();
    let burst: Vec<u8> = frame.iter().copied().cycle().take(frame.len() * 200).collect();
    pair.tell(1, lubdub::node::Input::Bytes { link: 1, bytes: &burst });
    pair.run(MS(300));
    let segments = pair.boxes[1].journal.as_ref().unwrap().segments();
    let mut replay = Replay::new(segments[0]).unwrap();
    let mut last = None;
    while let Some(turn) = replay.turn(|_| {}).unwrap() {
        last = Some(turn.told);
    }
    assert!(matches!(last, Some(Told::Lost)), "{last:?}");
    assert!(replay.leads_to(segments[1]));
    let (turns, _) = pair.replayed(1);
    assert!(turns > 1);
}

#[test]
fn no_secret_is_in_a_journal() {
    let mut pair = Pair::new();
    pair.secret = ["a secret nobody may read"; 2];
    pair.boot(0);
    pair.boot(1);
    pair.record(1);
    pair.run(MS(5_000));
    pair.extra_key[1] = Some((4, "another one like it"));
    pair.reload(1);
    pair.run(MS(1_000));
    let seed = pair.setup(1, 2).seed;
    for segment in pair.boxes[1].journal.as_ref().unwrap().segments() {
        for secret in [&b"a secret"[..], b"another one", &seed[..8]] {
            assert!(!segment.windows(secret.len()).any(|bytes| bytes == secret), "{secret:?} is in the journal");
        }
    }
}

fn file_of(pair: &Pair, side: Side) -> Vec<u8> {
    let it = &pair.boxes[side];
    let summary = Summary {
        node: "node2.a.com",
        peer: "node1.a.com",
        links: "/dev/ttyS1\neth1\n",
        groups: "one\ntwo\n",
        since: Instant::ZERO,
        at: pair.now,
        wall: 7,
        timing: pair.timing,
        peer_story: it.peer_story.clone(),
        stories: &it.stories[..2],
    };
    let mut buf = [0; 4096];
    let summary = postcard::to_slice(&summary, &mut buf).unwrap();
    let segments = it.journal.as_ref().unwrap().segments();
    [&file::header(summary, segments)[..], summary, segments[0], segments[1]].concat()
}

fn failed_over() -> Pair {
    let mut pair = recorded();
    pair.power_off(0);
    pair.run(MS(500));
    pair
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let pair = failed_over();
    let bytes = file_of(&pair, 1);
    let file = File::open(&bytes).unwrap();
    let summary = file.summary().unwrap();
    assert_eq!((summary.node, summary.groups, summary.wall), ("node2.a.com", "one\ntwo\n", 7));
    assert_eq!(summary.stories.as_slice(), &pair.boxes[1].stories[..2]);
    assert_eq!(file.segments().unwrap(), pair.boxes[1].journal.as_ref().unwrap().segments());
}

#[test]
fn every_truncation_and_every_flipped_byte_is_refused() {
    let bytes = file_of(&failed_over(), 1);
    for len in 0..bytes.len() {
        let refusal = File::open(&bytes[..len]).unwrap_err();
        let cut = matches!(refusal, Refusal::Cut { .. }) || len < 7 && refusal == Refusal::NotAJournal;
        assert!(cut, "{len} bytes: {refusal}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(File::open(&longer), Err(Refusal::Cut { .. })));
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            damaged[at] ^= bit;
            assert!(File::open(&damaged).is_err(), "byte {at}");
            damaged[at] = bytes[at];
        }
    }
    let mut other = bytes.clone();
    other[7] = 9;
    assert_eq!(File::open(&other).unwrap_err(), Refusal::OtherFormat(9));
}

#[test]
fn another_core_is_told_by_its_hash() {
    let pair = failed_over();
    let segments = pair.boxes[1].journal.as_ref().unwrap().segments();
    let mut bytes = [&file::header(&[], segments)[..], segments[0], segments[1]].concat();
    assert_eq!(u64::from_le_bytes(bytes[8..16].try_into().unwrap()), CORE);
    bytes[8] ^= 1;
    assert_eq!(File::open(&bytes).unwrap_err(), Refusal::Damaged, "the checksum covers the header");
    let sum = {
        let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        let mut digest = crc.digest();
        digest.update(&bytes[..28]);
        digest.update(&bytes[32..]);
        digest.finalize()
    };
    bytes[28..32].copy_from_slice(&sum.to_le_bytes());
    let refusal = File::open(&bytes).unwrap().segments().unwrap_err();
    assert_eq!(refusal, Refusal::OtherCore(CORE ^ 1));
    assert!(refusal.to_string().contains("another core"));
}

/// A forger can make the checksum right. What is then read may be refused or told to differ, and harms nobody.
#[test]
fn a_forged_segment_is_refused_or_differs() {
    let pair = failed_over();
    let segment = pair.boxes[1].journal.as_ref().unwrap().segments()[1];
    let mut told = [0; 2];
    for at in 0..4 * segment.len() {
        let mut forged = segment.to_vec();
        forged[at / 4] ^= [0x80, 0x7f, 1, 0xff][at % 4];
        let Ok(mut replay) = Replay::new(&forged) else {
            told[0] += 1;
            continue;
        };
        loop {
            match replay.turn(|_| {}) {
                Ok(Some(turn)) if turn.agrees => {}
                Ok(None) => break,
                _ => {
                    told[1] += 1;
                    break;
                }
            }
        }
    }
    assert!(told[0] > 100 && told[1] > 100, "{told:?} of {}", segment.len());
}
