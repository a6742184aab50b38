//! Messages to nf_tables: batches of them, each one transaction, in a buffer that is used again.
//!
//! The layout is linux/netfilter/nfnetlink.h and nf_tables.h: numbers of a message's attributes are big endian, those of
//! its header are the machine's own.

use crate::host::netlink::{HEADER, NLM_F_ACK, NLM_F_REQUEST};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const BATCH_GENID: u16 = 1;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;

/// What a message is about, with the number of nf_tables.h.
pub mod kind {
    pub const NEW_TABLE: u16 = 0;
    pub const DELETE_TABLE: u16 = 2;
    pub const NEW_CHAIN: u16 = 3;
    pub const NEW_RULE: u16 = 6;
    pub const GET_RULE: u16 = 7;
    pub const DELETE_RULE: u16 = 8;
    pub const NEW_SET: u16 = 9;
    pub const NEW_ELEMENT: u16 = 12;
    pub const GET_ELEMENT: u16 = 13;
    pub const DELETE_ELEMENT: u16 = 14;
    pub const NEW_GENERATION: u16 = 15;
    pub const GET_GENERATION: u16 = 16;
}

/// The type of a netlink message that carries this kind.
pub const fn of_nftables(kind: u16) -> u16 {
    SUBSYSTEM << 8 | kind
}

/// One transaction of nf_tables: everything in it happens, at one moment, or nothing (nfnetlink_rcv_batch,
/// net/netfilter/nfnetlink.c).
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    first: u32,
    next: u32,
    /// Where the latest message begins.
    latest: usize,
}

impl Batch {
    /// An empty one with room for so many bytes, so that no renewal allocates.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), first: 0, next: 0, latest: 0 }
    }

    /// Forgets what it held and begins anew; its messages are numbered from `sequence` on. With a generation the kernel
    /// refuses the transaction with ERESTART once anybody else has changed any rule since.
    pub fn begin(&mut self, sequence: u32, generation: Option<u32>) {
        self.bytes.clear();
        (self.first, self.next, self.latest) = (sequence, sequence, 0);
        self.raw(BATCH_BEGIN, 0, 0, SUBSYSTEM, &|body| {
            if let Some(generation) = generation {
                body.number(BATCH_GENID, generation);
            }
        });
    }

    /// Adds a message to the transaction; returns its place in it, counted from 1.
    pub fn message(&mut self, kind: u16, flags: u16, family: u8, fill: impl Fn(&mut Body<'_>)) -> usize {
        self.raw(of_nftables(kind), flags, family, 0, &fill);
        // A batch has far fewer messages than a number has bits.
        self.next.wrapping_sub(self.first) as usize - 1
    }

    /// Ends the transaction, to be carried out.
    pub fn end(&mut self) {
        self.end_trial();
        let next = self.next;
        self.raw(BATCH_END, 0, 0, SUBSYSTEM, &|_| {});
        self.next = next;
    }

    /// Ends the messages, but not the transaction: the kernel says what it thinks of each and undoes them all. Its last
    /// message asks for the acknowledgement: the end of a batch is acknowledged since Linux 6.10 only.
    pub fn end_trial(&mut self) {
        if let Some([low, high]) = self.bytes.get_mut(self.latest + 6..self.latest + 8) {
            [*low, *high] = (u16::from_ne_bytes([*low, *high]) | NLM_F_ACK).to_ne_bytes();
        }
    }

    /// The numbers of its messages: the first is the batch's own, the last one is acknowledged.
    pub fn sequences(&self) -> std::ops::RangeInclusive<u32> {
        self.first..=self.next.wrapping_sub(1)
    }

    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn raw(&mut self, kind: u16, flags: u16, family: u8, resource: u16, fill: Fill<'_>) {
        self.latest = self.bytes.len();
        write(&mut self.bytes, (kind, flags | NLM_F_REQUEST, self.next), (family, resource), fill);
        self.next = self.next.wrapping_add(1);
    }
}

/// A single question, outside a transaction.
pub fn question(kind: u16, flags: u16, sequence: u32, family: u8, fill: Fill<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, (of_nftables(kind), flags | NLM_F_REQUEST, sequence), (family, 0), fill);
    bytes
}

/// `struct nlmsghdr`, `struct nfgenmsg`, attributes.
fn write(bytes: &mut Vec<u8>, head: (u16, u16, u32), about: (u8, u16), fill: Fill<'_>) {
    let start = bytes.len();
    let (kind, flags, sequence) = head;
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.resize(start + HEADER, 0);
    let (family, resource) = about;
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
    fill(&mut Body(bytes));
    // The kernel takes no datagram of 4 GiB; a message here has some hundred bytes.
    let length = (bytes.len() - start) as u32;
    bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// What fills a message. Behind a pointer: one copy of the writer for every shape of message, not one for each.
pub type Fill<'a> = &'a dyn Fn(&mut Body<'_>);

/// The attributes of a message.
pub struct Body<'a>(&'a mut Vec<u8>);

impl Body<'_> {
    /// Plain bytes.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, &|body| body.0.extend_from_slice(value));
    }

    /// A number of 32 bits.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A name.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, &|body| {
            body.0.extend_from_slice(value.as_bytes());
            body.0.push(0);
        });
    }

    /// Attributes within an attribute.
    pub fn nest(&mut self, kind: u16, fill: impl Fn(&mut Body<'_>)) {
        self.attribute(kind | NESTED, &fill);
    }

    /// One entry of a list.
    pub fn entry(&mut self, fill: impl Fn(&mut Body<'_>)) {
        self.nest(LIST_ELEMENT, fill);
    }

    /// A value that is looked up or compared.
    pub fn value(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |data| data.bytes(DATA_VALUE, value));
    }

    fn attribute(&mut self, kind: u16, fill: Fill<'_>) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        fill(&mut Body(self.0));
        // Attributes are names, numbers and lists of those.
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}
