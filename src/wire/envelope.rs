//! What stands round a message in a body: version, kind, link, key and tag.

use super::VERSION;
use super::auth::{CRC_32, Key, Keyring, TAG_MAX};
use super::beat::{BEAT_MAX, Beat};
use super::frame::{self, FRAME_MAX};
use super::hello::{HELLO_MAX, Hello, Nonce};

const HEADER_LEN: usize = 2;
const SEALED_MAX: usize = HEADER_LEN + HELLO_MAX + TAG_MAX;
const _: () = assert!(SEALED_MAX + 2 <= frame::BODY_MAX && BEAT_MAX <= HELLO_MAX);

/// The messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Beat`].
    Beat = 0,
    /// [`Hello`].
    Hello = 1,
}

/// The two nonces of a session, as the signer of a frame sees them. They enter the authenticated bytes of every beat
/// without being sent; their order tells the two directions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// The signer's nonce.
    pub sender: Nonce,
    /// The other node's nonce.
    pub receiver: Nonce,
}

/// Why a body is not an [`Envelope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another protocol version, this one.
    Version(u8),
    /// Too short, or a kind or bit that this version does not have.
    Malformed,
}

/// A body split in its parts; nothing in it is believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The message.
    pub kind: Kind,
    /// The sender's number for the link.
    pub link: u8,
    /// The id of the key that is said to have signed.
    pub key: u8,
    header: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Splits a body.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open(body: &'a [u8]) -> Result<Self, Refused> {
        let (header, rest) = body.split_at_checked(HEADER_LEN).ok_or(Refused::Malformed)?;
        let version = header[0] >> 4;
        if version != VERSION {
            return Err(Refused::Version(version));
        }
        let kind = match header[0] & 0xf {
            0 => Kind::Beat,
            1 => Kind::Hello,
            _ => return Err(Refused::Malformed),
        };
        if header[1] & 1 != 0 {
            return Err(Refused::Malformed);
        }
        Ok(Self { kind, link: header[1] >> 5, key: header[1] >> 1 & 0xf, header, rest })
    }

    /// The payload as `key` would divide the rest, and the tag; none when there are too few bytes.
    fn divide(&self, key: &Key) -> Option<(&'a [u8], &'a [u8])> {
        self.rest.split_at_checked(self.rest.len().checked_sub(key.method().tag_len())?)
    }

    /// The beat's sequence number as sent, before anything is verified: its full value must be known to verify.
    pub fn beat_seq(&self) -> Option<u16> {
        self.rest.first_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// The beat and the key that signed it, where it is authentic for this pairing with the full sequence number `seq`.
    pub fn beat<'k>(&self, keys: &'k Keyring, pairing: &Pairing, seq: u64) -> Option<(Beat, &'k Key)> {
        keys.with_id(self.key).find_map(|key| {
            let (payload, tag) = self.divide(key)?;
            let parts = [&pairing.sender[..], &pairing.receiver, &seq.to_le_bytes(), self.header, payload];
            let beat = if key.verify(&parts, tag) { Beat::decode(payload) } else { None };
            beat.map(|beat| (beat, key))
        })
    }

    /// The beat that `key` signed, where that is known already: nothing is verified.
    pub fn beat_of(&self, key: &Key) -> Option<Beat> {
        self.divide(key).and_then(|(payload, _)| Beat::decode(payload))
    }

    /// The hello and whether it is authentic. Where no key of ours signed it every length that a tag can have is tried,
    /// since the names of a stranger are wanted too.
    pub fn hello(&self, keys: &Keyring) -> Option<(Hello<'a>, bool)> {
        match self.hello_signer(keys) {
            Some(key) => self.hello_of(key).map(|hello| (hello, true)),
            None => self.hello_of_nobody().map(|hello| (hello, false)),
        }
    }

    /// The key that signed the hello, if it is one of ours.
    pub fn hello_signer<'k>(&self, keys: &'k Keyring) -> Option<&'k Key> {
        keys.with_id(self.key).find(|key| {
            self.divide(key).is_some_and(|(payload, tag)| {
                key.verify(&[self.header, payload], tag) && Hello::decode(payload).is_some()
            })
        })
    }

    /// The hello that `key` signed, where that is known already: nothing is verified.
    pub fn hello_of(&self, key: &Key) -> Option<Hello<'a>> {
        self.divide(key).and_then(|(payload, _)| Hello::decode(payload))
    }

    /// The hello that no key of ours signed.
    pub fn hello_of_nobody(&self) -> Option<Hello<'a>> {
        [4, 12, 16]
            .iter()
            .filter_map(|tag_len| self.rest.len().checked_sub(*tag_len))
            .find_map(|len| Hello::decode(&self.rest[..len]))
    }

    /// Bytes that tell this frame from others: the end of its tag. A node knows its own frames by them.
    pub fn mark(&self) -> Mark {
        self.rest.last_chunk().copied().unwrap_or_default()
    }
}

/// The last bytes of a frame's tag.
pub type Mark = [u8; 4];

/// One frame ready for the line.
pub struct Sealed {
    buf: [u8; FRAME_MAX],
    len: usize,
    mark: Mark,
    said: u32,
}

impl Sealed {
    /// The frame with its delimiters.
    pub fn bytes(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// What [`Envelope::mark`] will say of it.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// A checksum of what it says: of everything but the tag, so that it can be had without the key.
    pub fn said(&self) -> u32 {
        self.said
    }
}

/// Seals a beat for link `link`.
pub fn seal_beat(key: &Key, link: u8, pairing: &Pairing, seq: u64, beat: &Beat) -> Sealed {
    let mut payload = [0; BEAT_MAX];
    let len = beat.encode(&mut payload);
    seal(Kind::Beat, key, link, &payload[..len], &[&pairing.sender, &pairing.receiver, &seq.to_le_bytes()])
}

/// Seals a hello for link `link`; none when a name in it is too long.
pub fn seal_hello(key: &Key, link: u8, hello: &Hello<'_>) -> Option<Sealed> {
    let mut payload = [0; HELLO_MAX];
    let len = hello.encode(&mut payload)?;
    Some(seal(Kind::Hello, key, link, &payload[..len], &[]))
}

fn seal(kind: Kind, key: &Key, link: u8, payload: &[u8], context: &[&[u8]]) -> Sealed {
    let header = [VERSION << 4 | kind as u8, link << 5 | key.id() << 1];
    let mut parts = heapless::Vec::<&[u8], 5>::from_slice(context).expect("a context has at most three parts");
    parts.extend([&header[..], payload]);
    let tag = key.sign(&parts);
    let mut body = heapless::Vec::<u8, SEALED_MAX>::new();
    for part in [&header[..], payload, &tag] {
        body.extend_from_slice(part).expect("parts add up to SEALED_MAX at most");
    }
    let mut buf = [0; FRAME_MAX];
    let mut room = &mut buf[..];
    frame::encode(&body, &mut room).expect("FRAME_MAX holds any body");
    let len = FRAME_MAX - room.len();
    let mark = *tag.last_chunk().expect("a tag has four bytes at least");
    let mut said = CRC_32.digest();
    [&header[..], payload].into_iter().for_each(|part| said.update(part));
    Sealed { buf, len, mark, said: said.finalize() }
}
