//! What the monitor need not hear, told to the kernel as a classic BPF program (Documentation/networking/filter.rst): a
//! renewal makes the kernel tell everybody of the address, and the daemon is not to wake for its own.

use rtnetlink::packet_route::address::AddressHeaderFlags as Flags;
use socket2::SockFilter;

use super::{HEADER, RTM_NEWADDR};

/// Where the type is in `struct nlmsghdr`.
const TYPE: u32 = 4;
/// Where the flags are in the `struct ifaddrmsg` that follows it.
const ADDRESS_FLAGS: u32 = HEADER as u32 + 2;

const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_ANY_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Passes everything but an address that is there and usable, whoever added or renewed it. (The program reads in
/// network byte order what netlink has in the machine's.)
pub fn but_usable_addresses() -> [SockFilter; 6] {
    let unusable = (Flags::Tentative | Flags::Dadfailed).bits();
    [
        SockFilter::new(LOAD_HALF, 0, 0, TYPE),
        SockFilter::new(IF_EQUAL, 0, 2, RTM_NEWADDR.to_be().into()),
        SockFilter::new(LOAD_BYTE, 0, 0, ADDRESS_FLAGS),
        SockFilter::new(IF_ANY_SET, 0, 1, unusable.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
