//! A frame on its way, and what the simulator knows of it that the receiver must find out.

use crate::Side;
use lubdub::time::Instant;
use lubdub::wire::beat::Beat;
use lubdub::wire::frame::{self, Deframer};
use std::cell::Cell;
use std::rc::Rc;

/// A frame as a daemon handed it to a link.
#[derive(Debug)]
pub struct Frame {
    /// Frames are numbered as they are sent.
    pub number: u64,
    /// By whom.
    pub from: Side,
    /// In which life of its daemon.
    pub life: u32,
    /// On which link.
    pub link: u8,
    /// When.
    pub sent: Instant,
    /// When the newest beat of the other node that the sender had accepted was sent.
    pub knows: Option<Instant>,
    /// The number of the key that it is signed with.
    pub key: Option<u8>,
    /// What it says; none for a hello.
    pub beat: Option<Beat>,
    /// It has reached the other node whole.
    pub delivered: Cell<bool>,
    /// The other node has taken it for life. What it could not verify when it came may prove itself later.
    pub taken: Cell<bool>,
    /// With its delimiters.
    pub bytes: Vec<u8>,
}

/// What reaches a node's device.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A frame as it was sent, or one part of it: the first or the last.
    Whole(Rc<Frame>),
    /// Bytes that are no frame of the other node, or no longer.
    Raw(Vec<u8>),
}

impl Parcel {
    /// What arrives.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(frame) => &frame.bytes,
            Self::Raw(bytes) => bytes,
        }
    }
}

/// The body of the one frame in `bytes`.
pub fn body(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut deframer = Deframer::default();
    bytes.iter().find_map(|byte| deframer.push(*byte)?.ok().map(<[u8]>::to_vec))
}

/// A body as a frame.
pub fn enframe(body: &[u8]) -> Vec<u8> {
    let mut room = [0; frame::FRAME_MAX];
    let mut left = &mut room[..];
    if frame::encode(body, &mut left).is_err() {
        return Vec::new();
    }
    let len = frame::FRAME_MAX - left.len();
    room[..len].to_vec()
}

/// The number of the key that a body is signed with.
pub fn key(body: &[u8]) -> Option<u8> {
    body.get(1).map(|byte| byte >> 1 & 0xf)
}

/// What the beat in a body says; none for a hello.
pub fn beat(body: &[u8], tag_len: usize) -> Option<Beat> {
    let end = body.len().checked_sub(tag_len)?;
    (body.first()? & 0xf == 0).then(|| Beat::decode(body.get(2..end)?))?
}

/// The frame as a daemon of another version would have sent it.
pub fn of_other_version(bytes: &[u8]) -> Vec<u8> {
    let Some(mut body) = body(bytes) else { return Vec::new() };
    body[0] ^= 0x20;
    enframe(&body)
}
