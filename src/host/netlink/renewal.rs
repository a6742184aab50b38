//! Renewal of leases: the lifetimes of many addresses in one request that is answered once.
//!
//! A renewal must never bring back an address that its own lease has ended: a daemon that was stopped between its look
//! at the clock and the system call would add a second owner when it goes on. rtnetlink has no such request; without
//! `NLM_F_CREATE` it adds all the same ("userspace already relies on not having to provide this", `inet_rtm_newaddr`).
//! So the request asks for something that the kernel looks at only when it has to add the address, and then refuses
//! with `EINVAL` (Linux 4.1 and later):
//! * IPv4: to join the multicast group of the address (`IFA_F_MCAUTOJOIN`), which is none (net/ipv4/devinet.c). The
//!   flags of an address that is there stay as they are.
//! * IPv6: a prefix beyond 128 bits (net/ipv6/addrconf.c, `inet6_addr_add`). The prefix of an address that is there
//!   stays as it is.

use std::io;

use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::sys::SocketAddr;

use super::address::{Lifetime, set_lifetime};
use super::{ANSWER, Address, Kernel, NLM_F_ACK, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_ERROR, RTM_NEWADDR};
use super::{append, clock, messages, receive};

/// Addresses in one request at most. Should all be refused, their answers, each a datagram that the kernel counts with
/// less than 2 KiB, fit in half of the default receive buffer (net.core.rmem_default, 208 KiB).
const BATCH: usize = 50;
/// Where the flags are in `struct nlmsghdr`.
const FLAGS: usize = 6;

/// How a renewal names its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// So that nothing is added when the address is gone.
    Existing,
    /// As it was added. For kernels that refuse the other form.
    Plain,
}

/// The renewal of one address, made once and sent many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    message: AddressMessage,
}

impl Renewal {
    /// Label, scope, broadcast, metric and protocol are those of the address.
    pub fn of(address: &Address, form: Form) -> Self {
        let mut message = address.message().clone();
        match form {
            Form::Existing if address.address.is_ipv4() => {
                message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Flags(_)));
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Mcautojoin));
            }
            Form::Existing => message.header.prefix_len = u8::MAX,
            Form::Plain => {}
        }
        // Now, so that a renewal itself need not make room for it.
        set_lifetime(&mut message, Lifetime::Seconds(1));
        Self { message }
    }
}

impl Kernel {
    /// Gives every address the same lifetime from now on. Those that the kernel refuses are handed to `refused` by their
    /// position; the others are renewed all the same. One `sendto` and one `recvfrom` for each 50 of them, more only for
    /// refusals; allocates nothing once it has been called with as many.
    ///
    /// # Errors
    /// The kernel could not be asked or did not answer within a second: what it did is not known.
    pub fn renew<'a>(
        &mut self,
        mut renewals: impl Iterator<Item = &'a mut Renewal>,
        lifetime: Lifetime,
        mut refused: impl FnMut(usize, io::Error),
    ) -> io::Result<()> {
        let mut done = 0;
        loop {
            let first = self.sequence.wrapping_add(1);
            let count = self.compose(renewals.by_ref().take(BATCH), lifetime);
            if count == 0 {
                return Ok(());
            }
            self.socket.send_to(&self.outgoing, &SocketAddr::new(0, 0), 0)?;
            self.answers(first, count, |at, error| refused(done + at, error))?;
            done += count;
        }
    }

    /// Puts a batch into the buffer; only its last message asks for an answer. How many there are.
    fn compose<'a>(&mut self, batch: impl Iterator<Item = &'a mut Renewal>, lifetime: Lifetime) -> usize {
        self.outgoing.clear();
        let (mut count, mut last) = (0, 0);
        for renewal in batch {
            set_lifetime(&mut renewal.message, lifetime);
            self.sequence = self.sequence.wrapping_add(1);
            last = self.outgoing.len();
            append(&mut self.outgoing, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_REPLACE, self.sequence, &renewal.message);
            count += 1;
        }
        if let Some(flags) = self.outgoing.get_mut(last + FLAGS..last + FLAGS + 2) {
            flags.copy_from_slice(&(NLM_F_REQUEST | NLM_F_REPLACE | NLM_F_ACK).to_ne_bytes());
        }
        count
    }

    /// Reads up to the answer to the last message of a batch. The others are answered only when they are refused.
    fn answers(&mut self, first: u32, count: usize, mut refused: impl FnMut(usize, io::Error)) -> io::Result<()> {
        let deadline = clock::now() + ANSWER;
        loop {
            let length = receive(&self.socket, &mut self.buffer, deadline)?;
            for message in messages(&self.buffer[..length]).filter(|m| m.kind == NLMSG_ERROR) {
                let at = message.sequence.wrapping_sub(first) as usize;
                if at < count
                    && let Err(error) = message.acknowledged()
                {
                    refused(at, error);
                }
                if at + 1 == count {
                    return Ok(());
                }
            }
        }
    }
}
