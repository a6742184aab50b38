//! Keys, tags and their verification: the methods of `authkeys`.
//!
//! Tags are cut as IPsec cuts them: HMAC-MD5-96 (RFC 2403), HMAC-SHA-1-96 (RFC 2404), HMAC-SHA-256-128 (RFC 4868).
//! `crc` has no secret: it tells clusters and accidents apart, not attackers.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use heapless::Vec;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroize;

/// Bytes of a secret at most; a longer one is refused by [`Key::new`].
pub const SECRET_MAX: usize = 128;
/// Bytes of the longest tag.
pub const TAG_MAX: usize = 16;
/// Keys at most: ids 0 to 15 have four bits in a frame.
pub const KEYS_MAX: usize = 16;

/// The CRC-32 of Ethernet and zlib, a byte a step.
pub(crate) static CRC_32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// CRC-32: no security.
    Crc,
    /// HMAC-MD5-96.
    Md5,
    /// HMAC-SHA-1-96.
    Sha1,
    /// HMAC-SHA-256-128.
    Sha256,
}

impl Method {
    /// Bytes of this method's tags.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::Crc => 4,
            Self::Md5 | Self::Sha1 => 12,
            Self::Sha256 => 16,
        }
    }
}

/// One key of authkeys. Its secret is wiped when it is dropped.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    id: u8,
    method: Method,
    /// Never written anywhere: a key that was read back knows its fingerprint, and verifies nothing.
    #[serde(skip)]
    secret: Vec<u8, SECRET_MAX>,
    fingerprint: u32,
    /// No longer in authkeys, but the peer may still sign with it.
    retired: bool,
}

/// Shows no secret.
impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.as_mut_slice().zeroize();
    }
}

impl Key {
    /// A key; none when `id` is over 15 or the secret longer than [`SECRET_MAX`].
    pub fn new(id: u8, method: Method, secret: &[u8]) -> Option<Self> {
        let secret = Vec::from_slice(secret).ok()?;
        let fingerprint = fingerprint(method, &secret);
        (usize::from(id) < KEYS_MAX).then_some(Self { id, method, secret, fingerprint, retired: false })
    }

    /// The key's number in authkeys.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// The key's method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether it has left authkeys and is only kept for a peer that still signs with it.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    fn is_same(&self, other: &Self) -> bool {
        // Equal secrets have equal fingerprints; without secrets, in a replay, only those are left to compare.
        let named_alike = self.id == other.id && self.method == other.method && self.fingerprint == other.fingerprint;
        named_alike && self.secret == other.secret
    }

    /// Four bytes that tell secrets apart without telling them: nodes compare them to agree on a key.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The tag over `parts`, one after the other.
    pub fn sign(&self, parts: &[&[u8]]) -> Tag {
        let len = self.method.tag_len();
        match self.method {
            Method::Crc => checksum(parts),
            Method::Md5 => hmac::<Hmac<Md5>>(&self.secret, parts, len),
            Method::Sha1 => hmac::<Hmac<Sha1>>(&self.secret, parts, len),
            Method::Sha256 => hmac::<Hmac<Sha256>>(&self.secret, parts, len),
        }
    }

    /// Whether `tag` is this key's over `parts`, compared in constant time.
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        if tag.len() != self.method.tag_len() {
            return false;
        }
        match self.method {
            Method::Crc => checksum(parts) == tag,
            Method::Md5 => fed::<Hmac<Md5>>(&self.secret, parts).verify_truncated_left(tag).is_ok(),
            Method::Sha1 => fed::<Hmac<Sha1>>(&self.secret, parts).verify_truncated_left(tag).is_ok(),
            Method::Sha256 => fed::<Hmac<Sha256>>(&self.secret, parts).verify_truncated_left(tag).is_ok(),
        }
    }
}

fn fingerprint(method: Method, secret: &[u8]) -> u32 {
    let label: [&[u8]; 2] = [b"lubdub key fingerprint", &[method as u8]];
    let tag = hmac::<Hmac<Sha256>>(secret, &label, Method::Sha256.tag_len());
    u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]])
}

/// A tag as it stands in a frame.
pub type Tag = Vec<u8, TAG_MAX>;

fn checksum(parts: &[&[u8]]) -> Tag {
    let mut digest = CRC_32.digest();
    parts.iter().for_each(|part| digest.update(part));
    let mut tag = Tag::new();
    tag.extend(digest.finalize().to_le_bytes());
    tag
}

fn fed<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn hmac<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]], len: usize) -> Tag {
    let full = fed::<M>(secret, parts).finalize().into_bytes();
    let mut tag = Tag::new();
    tag.extend(full.iter().take(len).copied());
    tag
}

/// The keys of authkeys and the one to send with. After a reload the keys that left the file are kept, retired, until the
/// peer has signed with one that is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keyring {
    keys: Vec<Key, { 2 * KEYS_MAX }>,
    send: u8,
}

impl Keyring {
    /// A ring; none when it has two keys of one id, more than [`KEYS_MAX`], or not the one to send with.
    pub fn new(send: u8, keys: impl IntoIterator<Item = Key>) -> Option<Self> {
        let mut ring = Self { keys: Vec::new(), send };
        for key in keys {
            if ring.keys.len() == KEYS_MAX || ring.with_id(key.id).next().is_some() {
                return None;
            }
            ring.keys.push(key).ok()?;
        }
        ring.chosen().is_some().then_some(ring)
    }

    /// This ring in place of `old`: what is missing here is kept, retired, as far as there is room.
    #[must_use]
    pub fn in_place_of(mut self, old: &Self) -> Self {
        for key in &old.keys {
            if !self.keys.iter().any(|known| known.is_same(key)) {
                let mut key = key.clone();
                key.retired = true;
                // A file with sixteen keys leaves room for sixteen of the files before.
                let _ = self.keys.push(key);
            }
        }
        self
    }

    /// The peer signs with a key of the file: retired ones are wiped.
    pub fn forget_retired(&mut self) {
        self.keys.retain(|key| !key.retired);
    }

    /// The keys with this id, those of the file first.
    pub fn with_id(&self, id: u8) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.id == id)
    }

    /// The key with this fingerprint.
    pub fn with_fingerprint(&self, fingerprint: u32) -> Option<&Key> {
        self.keys.iter().find(|key| key.fingerprint() == fingerprint)
    }

    /// All keys: those of the file in its order, then the retired ones.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// The `n`-th key, counting round and round.
    pub fn nth_round(&self, n: usize) -> &Key {
        &self.keys[n % self.keys.len()]
    }

    /// Whether a ring that was read back has the key it sends with.
    pub fn is_sound(&self) -> bool {
        self.chosen().is_some()
    }

    fn chosen(&self) -> Option<&Key> {
        self.with_id(self.send).find(|key| !key.retired)
    }

    /// The key to send with, to a peer that accepts the secrets with these fingerprints: the chosen one where the peer
    /// has it, else the first it has, else the chosen one. Keys rotate without a gap that way.
    pub fn send_to(&self, accepted: &[u32]) -> &Key {
        let chosen = self.chosen().expect("a ring has the key it sends with");
        let accepts = |key: &&Key| accepted.contains(&key.fingerprint());
        if accepts(&chosen) { chosen } else { self.keys.iter().find(accepts).unwrap_or(chosen) }
    }
}
