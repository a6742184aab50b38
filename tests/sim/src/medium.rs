//! Cables and segments, and what they do to frames. A cable carries bytes one after the other at its speed; a segment
//! carries datagrams, each on its own.

use crate::Side;
use crate::frame::{self, Frame, Parcel};
use crate::kind::{Kind, Tally};
use crate::rng::Rng;
use crate::scenario::Scenario;
use lubdub::node::LinkKind;
use lubdub::time::{Duration, Instant};
use std::rc::Rc;

/// Bytes that wait in a transmitter at most; what does not fit is dropped whole, as a write that would block is.
const TRANSMITTER_MAX: u64 = 4_096;

/// One direction of one link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Nothing arrives before.
    pub cut_until: Instant,
    /// Only garbage arrives before.
    pub garbled_until: Instant,
    /// What is sent here comes back to the sender until then.
    pub looped_until: Instant,
    /// Each byte that arrives is sent back until then.
    pub echoed_until: Instant,
    /// Datagrams take `delay` and up to `jitter` longer until then.
    pub late_until: Instant,
    /// For all of them alike.
    pub delay: Duration,
    /// For each as chance has it.
    pub jitter: Duration,
    /// Most datagrams are lost before.
    pub burst_until: Instant,
    /// The last bit of what was sent has left by then.
    free: Instant,
    /// Bytes on a cable do not overtake each other.
    last: Instant,
}

/// Something that will arrive.
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// At whom.
    pub to: Side,
    /// What.
    pub parcel: Parcel,
}

/// All links in both directions.
pub struct Media {
    /// `ways[from][link]`.
    pub ways: [Vec<Way>; 2],
}

impl Media {
    /// Everything whole.
    pub fn new(links: usize) -> Self {
        Self { ways: [vec![Way::default(); links], vec![Way::default(); links]] }
    }

    /// Ends every fault.
    pub fn heal(&mut self) {
        for way in self.ways.iter_mut().flatten() {
            *way = Way { free: way.free, last: way.last, ..Way::default() };
        }
    }

    /// Nothing is wrong with a link, in either direction.
    pub fn is_whole(&self, link: usize, now: Instant) -> bool {
        self.ways.iter().all(|ways| {
            let way = ways[link];
            way.cut_until.max(way.garbled_until).max(way.looped_until).max(way.burst_until).max(way.late_until) <= now
        })
    }

    /// Carries a frame; tells what arrives of it.
    pub fn carry(
        &mut self,
        now: Instant,
        frame: &Rc<Frame>,
        scenario: &Scenario,
        chance: &mut Chance<'_>,
    ) -> Vec<Arrival> {
        let link = usize::from(frame.link);
        match scenario.links[link] {
            LinkKind::Serial { baud } => {
                let mut arrivals = along_cable(now, frame, &mut self.ways[frame.from][link], baud, chance);
                if self.ways[frame.from][link].echoed_until > now {
                    let echoes = self.echo(&arrivals, frame.from, link, baud);
                    arrivals.extend(echoes);
                }
                arrivals
            }
            LinkKind::Broadcast => over_segment(now, frame, &self.ways[frame.from][link], scenario, chance),
        }
    }

    /// What arrived at the other end comes back, frame after frame between those of that end.
    fn echo(&mut self, arrivals: &[Arrival], from: Side, link: usize, baud: u32) -> Vec<Arrival> {
        let back = &mut self.ways[1 - from][link];
        let came = arrivals.iter().filter(|arrival| arrival.to != from && arrival.at >= back.cut_until);
        came.map(|arrival| {
            let bytes = arrival.parcel.bytes().to_vec();
            back.free = back.free.max(arrival.at) + wire_time(bytes.len(), baud);
            back.last = back.last.max(back.free);
            Arrival { at: back.last, to: from, parcel: Parcel::Raw(bytes) }
        })
        .collect()
    }
}

/// Chance, and which steady faults it may do.
pub struct Chance<'a> {
    /// Where it comes from.
    pub rng: &'a mut Rng,
    /// The faults are still on.
    pub on: bool,
    /// Their rate, in millionths, and which they are.
    pub scenario: &'a Scenario,
    /// What it did.
    pub tally: &'a mut Tally,
}

impl Chance<'_> {
    /// Whether a fault of this kind happens now; bytes are hit a hundred times less than datagrams.
    fn strikes(&mut self, kind: Kind) -> bool {
        let bytewise = matches!(kind, Kind::BitFlip | Kind::LostByte | Kind::DoubledByte);
        let rate = if bytewise { self.scenario.rate / 100 + 1 } else { self.scenario.rate };
        let struck = self.on && self.scenario.kinds.has(kind) && self.rng.ppm(rate);
        if struck {
            self.tally.count(kind);
        }
        struck
    }
}

fn wire_time(bytes: usize, baud: u32) -> Duration {
    Duration::from_micros(bytes as u64 * 10_000_000 / u64::from(baud))
}

fn along_cable(now: Instant, frame: &Rc<Frame>, way: &mut Way, baud: u32, chance: &mut Chance<'_>) -> Vec<Arrival> {
    let byte = 10_000_000 / u64::from(baud);
    let start = way.free.max(now);
    if start.since(now).as_micros() / byte + frame.bytes.len() as u64 > TRANSMITTER_MAX {
        return Vec::new();
    }
    way.free = start + wire_time(frame.bytes.len(), baud);
    let latency = Duration::from_micros(50 + chance.rng.below(300));
    way.last = way.last.max(way.free + latency);
    let mut arrivals = Vec::new();
    if way.looped_until > now {
        arrivals.push(Arrival { at: way.last, to: frame.from, parcel: Parcel::Raw(frame.bytes.clone()) });
    }
    if way.cut_until <= now {
        let parcel = worn(frame, way.garbled_until > now, chance);
        arrivals.push(Arrival { at: way.last, to: 1 - frame.from, parcel });
    }
    arrivals
}

/// A frame after its way over the cable.
fn worn(frame: &Rc<Frame>, garbled: bool, chance: &mut Chance<'_>) -> Parcel {
    if garbled {
        return Parcel::Raw((0..frame.bytes.len() / 2).map(|_| chance.rng.bits() as u8).collect());
    }
    let kinds = chance.scenario.kinds;
    if !chance.on || ![Kind::BitFlip, Kind::LostByte, Kind::DoubledByte].iter().any(|kind| kinds.has(*kind)) {
        return Parcel::Whole(frame.clone());
    }
    let mut bytes = Vec::with_capacity(frame.bytes.len() + 4);
    for byte in &frame.bytes {
        if chance.strikes(Kind::LostByte) {
            continue;
        }
        let flip = if chance.strikes(Kind::BitFlip) { 1 << chance.rng.below(8) } else { 0 };
        bytes.push(byte ^ flip);
        if chance.strikes(Kind::DoubledByte) {
            bytes.push(*byte);
        }
    }
    if is_same(&bytes, &frame.bytes) { Parcel::Whole(frame.clone()) } else { Parcel::Raw(bytes) }
}

/// Whether a receiver cannot tell the difference: delimiters more or fewer do not matter, nor what comes before one. The
/// next frame's delimiter would end a frame that has lost its own; a simulator that knows whole frames ends it at once.
fn is_same(bytes: &[u8], sent: &[u8]) -> bool {
    bytes == sent || frame::body(&[bytes, &[0]].concat()) == frame::body(sent)
}

fn over_segment(
    now: Instant,
    frame: &Rc<Frame>,
    way: &Way,
    scenario: &Scenario,
    chance: &mut Chance<'_>,
) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let delay = |chance: &mut Chance<'_>| {
        let late = chance.strikes(Kind::Reorder);
        let most = if late { scenario.keepalive().times(3) } else { Duration::from_micros(400) };
        let usual = Duration::from_micros(80) + chance.rng.magnitude(most);
        if way.late_until > now { usual + way.delay + chance.rng.magnitude(way.jitter) } else { usual }
    };
    if scenario.hears_itself {
        let at = now + delay(chance);
        arrivals.push(Arrival { at, to: frame.from, parcel: Parcel::Raw(frame.bytes.clone()) });
    }
    let burst = way.burst_until > now && chance.rng.percent(80);
    let cut = way.cut_until > now || way.garbled_until > now;
    if cut || burst || chance.strikes(Kind::Loss) {
        return arrivals;
    }
    let copies = if chance.strikes(Kind::Duplicate) { 2 } else { 1 };
    for _ in 0..copies {
        let at = now + delay(chance);
        arrivals.push(Arrival { at, to: 1 - frame.from, parcel: Parcel::Whole(frame.clone()) });
    }
    arrivals
}
