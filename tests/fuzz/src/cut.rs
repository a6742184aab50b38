//! Bytes of a link, cut in any way.

use crate::choices::Choices;
use crate::frame::framed;
use crate::setup::Plan;
use crate::watched::{START, Watched};
use lubdub::node::{Counters, Input};
use lubdub::wire::frame::{BODY_MAX, Deframer, FRAME_MAX, Noise};

type Results = Vec<Result<Vec<u8>, Noise>>;

/// What a stream of bytes holds does not depend on how it is cut, equals what a second reading by the definition of
/// COBS says, and noise costs the frame that it lies in and none after it.
pub fn deframer(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (body_len, cut) = (usize::from(choices.word()) % (BODY_MAX - 1), usize::from(choices.word()));
    let step = 1 + choices.below(64);
    let body = choices.take(body_len);
    let noise = choices.take(usize::MAX);
    let heard = results(noise);
    assert_eq!(heard, by_definition(noise));
    survives_noise(noise, body, cut);
    survives_cutting(noise, step, heard.len());
}

fn results(bytes: &[u8]) -> Results {
    let mut deframer = Deframer::default();
    bytes.iter().filter_map(|byte| deframer.push(*byte).map(|result| result.map(<[u8]>::to_vec))).collect()
}

/// The same from the definition: cut at zeros, drop what is too long, undo COBS, compare the CRC.
fn by_definition(bytes: &[u8]) -> Results {
    const ENCODED_MAX: usize = FRAME_MAX - 2;
    let mut runs = bytes.split(|byte| *byte == 0).peekable();
    let mut results = Vec::new();
    while let Some(run) = runs.next() {
        if run.len() > ENCODED_MAX {
            results.push(Err(Noise::Overlong));
        } else if !run.is_empty() && runs.peek().is_some() {
            results.push(unstuffed(run).and_then(|bytes| checked(&bytes)));
        }
    }
    results
}

fn unstuffed(mut run: &[u8]) -> Result<Vec<u8>, Noise> {
    let mut bytes = Vec::new();
    while let Some((code, rest)) = run.split_first() {
        let (literal, rest) = rest.split_at_checked(usize::from(*code) - 1).ok_or(Noise::Broken)?;
        bytes.extend_from_slice(literal);
        if *code != 255 && !rest.is_empty() {
            bytes.push(0);
        }
        run = rest;
    }
    Ok(bytes)
}

fn checked(bytes: &[u8]) -> Result<Vec<u8>, Noise> {
    let (body, crc) = bytes.split_last_chunk::<2>().ok_or(Noise::Broken)?;
    if fcs16(body) == u16::from_le_bytes(*crc) { Ok(body.to_vec()) } else { Err(Noise::Checksum) }
}

/// RFC 1662 appendix C, bit by bit: x^16 + x^12 + x^5 + 1, reflected, complemented at both ends.
fn fcs16(bytes: &[u8]) -> u16 {
    let shift = |crc: u16| if crc & 1 != 0 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
    !bytes.iter().fold(0xffff, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| shift(crc)))
}

/// After any noise a frame comes through whole, and one that lost its beginning costs itself only.
fn survives_noise(noise: &[u8], body: &[u8], cut: usize) {
    let frame = framed(body);
    assert!(frame.len() <= FRAME_MAX && frame[1..frame.len() - 1].iter().all(|byte| *byte != 0));
    let whole = [noise, &frame].concat();
    assert_eq!(results(&whole).last(), Some(&Ok(body.to_vec())));
    let cut = &frame[1 + cut % (frame.len() - 1)..];
    let after_cut = [noise, cut, &frame].concat();
    let heard = results(&after_cut);
    assert_eq!(heard.last(), Some(&Ok(body.to_vec())));
    assert!(heard.len() <= results(noise).len() + 2, "noise and a part of a frame are one damaged frame at most");
}

/// A node counts each thing that it hears once, and the same in one piece as in many.
fn survives_cutting(bytes: &[u8], step: usize, count: usize) {
    let plan = Plan::usual();
    let mut nodes = [Watched::new(START, plan.setup(0, 1)), Watched::new(START, plan.setup(0, 1))];
    nodes[0].handle(START, Input::Bytes { link: 0, bytes });
    bytes.chunks(step).for_each(|bytes| nodes[1].handle(START, Input::Bytes { link: 0, bytes }));
    let [whole, pieces] = nodes.each_mut().map(|node| {
        node.handle(START + plan.timing.deadtime, Input::Wake { swept: true });
        let link = node.node().links().next().expect("the cable");
        (received(&link.counters), link.state, link.why, node.node().peer())
    });
    assert_eq!(whole, pieces);
    assert_eq!(whole.0.iter().sum::<u64>(), count as u64, "each result is counted once");
}

fn received(counters: &Counters) -> [u64; 6] {
    let Counters { rx_frames, noise, unauthentic, replayed, looped, foreign, .. } = *counters;
    [rx_frames, noise, unauthentic, replayed, looped, foreign]
}
