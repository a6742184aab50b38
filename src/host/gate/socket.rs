//! The netfilter socket: transactions and their verdicts, and lists.

use std::io;
use std::ops::RangeInclusive;

use lubdub::time::Duration;
use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{Socket, SocketAddr};

use super::message::{Batch, Fill, kind, of_nftables, question};
use crate::host::clock;
use crate::host::netlink::{
    self, DATAGRAM, Message, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, is, messages, readable, retry,
};

/// `struct nfgenmsg`.
const NFGENMSG: usize = 4;
/// The kernel answers within the system call that asks; an answer not there by then never comes.
const ANSWER: Duration = Duration::from_millis(100);
/// Bytes that may wait in the socket, for each direction.
const BUFFERS: usize = 2 << 20;
/// A list that was disturbed by a change is asked for again so many times.
const LISTS: u32 = 4;

/// What became of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it happened.
    Done,
    /// Nothing happened: somebody else has changed the rules since the generation that it named.
    Outdated,
    /// Nothing happened, because of the messages that were named.
    Refused,
}

/// A socket of the netfilter subsystem in one network namespace.
pub struct Nfnetlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Nfnetlink {
    /// In the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel has no netfilter, or no descriptor left.
    pub fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        // A renewal of very many VIPs and its refusals are longer than the usual 208 KiB (net.core.wmem_max, rmem_max).
        // Without permission there will be no renewal either, and that is said then.
        let _ = setsockopt(&socket, SndBufForce, &BUFFERS).and_then(|()| setsockopt(&socket, RcvBufForce, &BUFFERS));
        // The refused message is not wanted back. Not there before Linux 4.3: then it comes and is passed over.
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, sequence: 0, buffer: vec![0; DATAGRAM] })
    }

    /// The number for the first message of the next batch.
    pub fn next_sequence(&self) -> u32 {
        self.sequence.wrapping_add(1)
    }

    /// Sends a batch and waits for its verdict: one system call each. Every refused message is told by its place in the
    /// batch and its error.
    ///
    /// # Errors
    /// The batch as a whole was refused (`EPERM`, `EOPNOTSUPP` without nf_tables), or the kernel did not answer.
    pub fn transact(&mut self, batch: &Batch, refused: &mut dyn FnMut(usize, io::Error)) -> io::Result<Verdict> {
        let sequences = batch.sequences();
        self.sequence = sequences.end().wrapping_add(1);
        self.socket.send_to(batch.bytes(), &SocketAddr::new(0, 0), 0)?;
        let (first, last) = (*sequences.start(), *sequences.end());
        let mut verdict = Verdict::Done;
        let mut whole = Ok(());
        self.answers(&sequences, &mut |message| {
            let place = message.sequence.wrapping_sub(first) as usize;
            match message.acknowledged() {
                Ok(()) => {}
                Err(error) if place == 0 => whole = Err(error),
                Err(error) => {
                    verdict = Verdict::Refused;
                    refused(place, error);
                }
            }
            // Whatever concerns the whole comes alone or first, refusals come in order, and the last message asked.
            place == 0 || message.sequence == last
        })?;
        match whole {
            Err(error) if is(&error, Errno::ERESTART) => Ok(Verdict::Outdated),
            whole => whole.map(|()| verdict),
        }
    }

    /// The number of the present generation of rules.
    ///
    /// # Errors
    /// As [`Self::transact`].
    pub fn generation(&mut self) -> io::Result<u32> {
        let mut found = None;
        self.ask(kind::GET_GENERATION, 0, 0, &|_| {}, &mut |message| {
            let mut attributes = attributes(&message);
            found = attributes.find(|(kind, _)| *kind == 1).and_then(|(_, value)| number(value));
        })?;
        found.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel does not tell its generation"))
    }

    /// Lists things of one kind; `each` may get one twice when a change disturbed the list. `begin` starts it anew.
    ///
    /// # Errors
    /// As [`Self::transact`]; `ENOENT` where there is no such table.
    pub fn list<T>(
        &mut self,
        kind: u16,
        family: u8,
        about: Fill<'_>,
        each: fn(&mut Vec<T>, &Message<'_>),
    ) -> io::Result<Vec<T>> {
        for _ in 0..LISTS {
            let mut found = Vec::new();
            if self.ask(kind, NLM_F_DUMP, family, about, &mut |message| each(&mut found, &message))? {
                return Ok(found);
            }
        }
        Err(io::Error::other("the kernel's rules change faster than they can be listed"))
    }

    /// A question and its whole answer. False when it may lack something.
    fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        about: Fill<'_>,
        each: &mut dyn FnMut(Message<'_>),
    ) -> io::Result<bool> {
        self.sequence = self.next_sequence();
        let request = question(kind, flags, self.sequence, family, about);
        self.socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
        let sequence = self.sequence;
        let mut whole = true;
        let mut outcome = Ok(());
        self.answers(&(sequence..=sequence), &mut |message| {
            whole &= message.flags & NLM_F_DUMP_INTR == 0;
            match message.kind {
                NLMSG_ERROR => outcome = message.acknowledged(),
                NLMSG_DONE => {}
                other => {
                    each(message);
                    // The only answer that is no list.
                    return other == of_nftables(kind::NEW_GENERATION);
                }
            }
            true
        })?;
        outcome.map(|()| whole)
    }

    /// The answers to these requests, one after the other, until `each` has what it wants.
    fn answers(
        &mut self,
        sequences: &RangeInclusive<u32>,
        each: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<()> {
        let span = sequences.end().wrapping_sub(*sequences.start());
        let deadline = clock::now() + ANSWER;
        loop {
            let mut window = &mut self.buffer[..];
            let (length, from) = match self.socket.recv_from(&mut window, 0) {
                Err(error) if retry(&error) => {
                    let left = deadline.since(clock::now());
                    if left == Duration::ZERO || !readable(&self.socket, left)? {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer nf_tables"));
                    }
                    continue;
                }
                received => received?,
            };
            // Port 0 is the kernel; anybody else's datagram, or the late answer to an older request, is not ours.
            if from.port_number() != 0 {
                continue;
            }
            for message in messages(&self.buffer[..length]) {
                if message.sequence.wrapping_sub(*sequences.start()) <= span && each(message) {
                    return Ok(());
                }
            }
        }
    }
}

/// The attributes of a message of netfilter's, with their numbers.
pub fn attributes<'a>(message: &Message<'a>) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
    netlink::attributes(message.payload.get(NFGENMSG..).unwrap_or_default())
}

/// The family that a message of netfilter's is about.
pub fn family(message: &Message<'_>) -> u8 {
    message.payload.first().copied().unwrap_or_default()
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*value.first_chunk()?))
}
