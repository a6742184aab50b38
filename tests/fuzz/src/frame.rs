//! Frames by hand, from the primitives that the room `wire` makes public: any payload with a good tag.

use lubdub::wire::auth::{Key, Method};
use lubdub::wire::frame::{BODY_MAX, Deframer, FRAME_MAX, encode};

/// Bytes of the header of a body.
pub(crate) const HEADER_LEN: usize = 2;

/// The frame of a body.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_MAX);
    let mut buf = [0; FRAME_MAX];
    let mut room = &mut buf[..];
    let result = encode(body, &mut room);
    assert!(result.is_ok(), "FRAME_MAX holds any body");
    let len = FRAME_MAX - room.len();
    out.extend_from_slice(&buf[..len]);
    out
}

/// The body of a whole frame.
pub(crate) fn unframed(frame: &[u8]) -> Option<Vec<u8>> {
    let mut deframer = Deframer::default();
    frame.iter().find_map(|byte| deframer.push(*byte).map(|result| result.ok().map(<[u8]>::to_vec))).flatten()
}

/// A body with the tag that `key` gives to `context`, header and payload; a payload that is too long is cut.
pub(crate) fn signed(key: &Key, header: [u8; HEADER_LEN], payload: &[u8], context: &[&[u8]]) -> Vec<u8> {
    let room = BODY_MAX - 2 - HEADER_LEN - Method::Sha256.tag_len();
    let payload = &payload[..payload.len().min(room)];
    let parts = [context, &[&header, payload]].concat();
    [&header, payload, &key.sign(&parts)].concat()
}

/// The payload of a body that `key` signed.
pub(crate) fn payload<'a>(key: &Key, body: &'a [u8]) -> Option<&'a [u8]> {
    body.get(HEADER_LEN..body.len().checked_sub(key.method().tag_len())?)
}
