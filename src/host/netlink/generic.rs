//! Generic netlink: commands to a part of the kernel that has a name instead of a number.

use std::io;

use rtnetlink::sys::protocols::NETLINK_GENERIC;
use rtnetlink::sys::{Socket, SocketAddr};

use super::{ANSWER, DATAGRAM, HEADER, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use super::{attributes, messages, receive, u16_at};
use crate::host::clock;

// linux/genetlink.h: the family that knows all others, and what is asked of it.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// `struct genlmsghdr`: command, version, two bytes of nothing.
const GENLMSGHDR: usize = 4;

/// Commands to one family in the network namespace of the thread that made it.
pub struct Generic {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    family: u16,
}

impl Generic {
    /// The family of this name, None where the kernel has none at present. It is looked for in the list of all: a kernel
    /// that is asked for one by name looks for its module, and the asker waits.
    ///
    /// # Errors
    /// No descriptor left, or the kernel did not answer within a second.
    pub fn new(name: &str) -> io::Result<Option<Self>> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        let mut this = Self { socket, sequence: 0, buffer: vec![0; DATAGRAM], family: CONTROL };
        let mut found = None;
        this.command(GET_FAMILY, NLM_F_DUMP, &[], |family| {
            let value = |wanted| attributes(family).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
            if value(FAMILY_NAME).and_then(|text| text.strip_suffix(&[0])) == Some(name.as_bytes()) {
                found = value(FAMILY_ID).and_then(|number| u16_at(number, 0));
            }
        })?;
        Ok(found.map(|family| Self { family, ..this }))
    }

    /// One command with these attributes, and the attributes of each message of its whole answer. Its flags ask for an end:
    /// `NLM_F_ACK` or `NLM_F_DUMP`.
    ///
    /// # Errors
    /// As the kernel says: `EPERM` without CAP_NET_ADMIN; or it did not answer within a second.
    pub fn command(
        &mut self,
        command: u8,
        flags: u16,
        attributes: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        // What is sent came from the kernel, in a datagram with more than this around it.
        let length = (HEADER + GENLMSGHDR + attributes.len()) as u32;
        let mut request = Vec::with_capacity(length as usize);
        request.extend_from_slice(&length.to_ne_bytes());
        request.extend_from_slice(&self.family.to_ne_bytes());
        request.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        request.extend_from_slice(&self.sequence.to_ne_bytes());
        request.extend_from_slice(&[0; 4]);
        request.extend_from_slice(&[command, 1, 0, 0]);
        request.extend_from_slice(attributes);
        self.socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
        let deadline = clock::now() + ANSWER;
        loop {
            let length = receive(&self.socket, &mut self.buffer, deadline)?;
            for message in messages(&self.buffer[..length]).filter(|m| m.sequence == self.sequence) {
                match message.kind {
                    NLMSG_ERROR => return message.acknowledged(),
                    NLMSG_DONE => return Ok(()),
                    _ => each(message.payload.get(GENLMSGHDR..).unwrap_or_default()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::host::netlink::{NLM_F_ACK, is};

    /// Every kernel has it: it is how the others are found.
    #[test]
    fn a_family_is_found_by_its_name() {
        assert_eq!(Generic::new("nlctrl").unwrap().unwrap().family, CONTROL);
        assert!(Generic::new("nlctr").unwrap().is_none());
    }

    #[test]
    fn a_refusal_is_an_error_and_the_next_answer_is_not_mistaken_for_it() {
        let mut control = Generic::new("nlctrl").unwrap().unwrap();
        let refused = control.command(u8::MAX, NLM_F_ACK, &[], |_| {}).unwrap_err();
        assert!(is(&refused, Errno::EOPNOTSUPP), "{refused}");
        let mut families = 0;
        control.command(GET_FAMILY, NLM_F_DUMP, &[], |_| families += 1).unwrap();
        assert!(families > 0);
    }
}
