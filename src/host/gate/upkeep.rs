//! Keeps the tables as they should be: transactions that find them gone, and other people's changes.

use std::io;
use std::net::IpAddr;

use lubdub::time::Instant;
use nix::errno::Errno;

use super::message::Batch;
use super::rules::{Change, GATED, OPEN, TABLE, element};
use super::socket::Verdict;
use super::{ATTEMPTS, Gate, Lease, inventory};
use crate::host::clock;
use crate::host::netlink::is;

impl Gate {
    /// A transaction that needs the tables, which are put back if they are gone.
    pub(super) fn change(&mut self, fill: &dyn Fn(&mut Batch)) -> Result<(), String> {
        for _ in 0..ATTEMPTS {
            self.begin(None);
            fill(&mut self.batch);
            self.batch.end();
            match self.outcome().map_err(|error| refused(&error))?.1 {
                None => return Ok(()),
                Some(error) if is(&error, Errno::ENOENT) => self.mend()?,
                Some(error) => return Err(refused(&error)),
            }
        }
        Err(UNRULY.into())
    }

    /// Looks whether the tables are as they should be and makes them so, without closing what is open.
    pub(super) fn mend(&mut self) -> Result<(), String> {
        let mut replace = false;
        for _ in 0..ATTEMPTS {
            self.generation = self.kernel.generation().map_err(|error| refused(&error))?;
            let intact =
                !replace && inventory::intact(&mut self.kernel, &self.tables).map_err(|error| refused(&error))?;
            self.begin(Some(self.generation));
            self.build(intact, replace);
            self.batch.end();
            match self.outcome().map_err(|error| refused(&error))? {
                (Verdict::Done, _) => {
                    self.rebuilt |= !intact;
                    return Ok(());
                }
                (Verdict::Outdated, _) => {}
                // Something of that name has another form.
                (Verdict::Refused, _) if !replace => replace = true,
                (Verdict::Refused, error) => return Err(error.map_or_else(|| UNRULY.into(), |e| unsupported(&e))),
            }
        }
        Err(UNRULY.into())
    }

    fn build(&mut self, intact: bool, replace: bool) {
        let now = clock::now();
        for table in &self.tables {
            if replace {
                table.remove(&mut self.batch);
            }
            table.frame(&mut self.batch);
            if !intact {
                table.fill(&mut self.batch);
            }
        }
        for address in &self.gated {
            element(&mut self.batch, Change::Add, GATED, *address);
        }
        for lease in self.leases.iter().filter(|_| !intact) {
            reopen(&mut self.batch, *lease, now);
        }
    }

    /// Begins a batch; with a generation it holds only while nobody else changes any rule.
    pub(super) fn begin(&mut self, generation: Option<u32>) {
        self.batch.begin(self.kernel.next_sequence(), generation);
    }

    /// Sends the batch; tells the first refusal.
    pub(super) fn outcome(&mut self) -> io::Result<(Verdict, Option<io::Error>)> {
        let mut first = None;
        let verdict = self.kernel.transact(&self.batch, &mut |_, error| {
            first.get_or_insert(error);
        })?;
        self.advance(&verdict);
        Ok((verdict, first))
    }

    /// Each transaction makes a generation (`nf_tables_commit`); 0 is left out. If others have made some too, this one is
    /// behind, and the next renewal notices.
    pub(super) fn advance(&mut self, verdict: &Verdict) {
        if *verdict == Verdict::Done {
            self.generation = self.generation.wrapping_add(1).max(1);
        }
    }
}

/// Opens an address for what its lease has left, whatever was open before.
pub fn reopen(batch: &mut Batch, lease: Lease, now: Instant) {
    take_out(batch, OPEN, lease.address);
    let millis = lease.until.since(now).as_millis();
    if millis > 0 {
        element(batch, Change::Lend(millis), OPEN, lease.address);
    }
}

/// Takes an address out of a set, whether it is there or not: what is not there cannot be deleted.
pub fn take_out(batch: &mut Batch, set: &str, address: IpAddr) {
    element(batch, Change::Add, set, address);
    element(batch, Change::Delete, set, address);
}

const UNRULY: &str =
    "the packet filter's rules are changed by others faster than the gate of the VIPs can be put right";

/// A change that was refused, in words.
pub fn refused(error: &io::Error) -> String {
    format!("the kernel refuses a change of the nftables tables {}: {error}", TABLE)
}

/// Why there can be no gate, in words.
pub fn unsupported(error: &io::Error) -> String {
    let why = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM) => "the permission CAP_NET_ADMIN is missing",
        Some(Errno::EPROTONOSUPPORT) => "this kernel has no netfilter (CONFIG_NETFILTER_NETLINK)",
        // EINVAL: how a question to a subsystem is answered that is not there (nfnetlink_rcv_msg).
        Some(Errno::EINVAL | Errno::EOPNOTSUPP) => "this kernel has no nf_tables (CONFIG_NF_TABLES, module nf_tables)",
        Some(Errno::EAFNOSUPPORT) => {
            "this kernel's nf_tables lacks a family (CONFIG_NF_TABLES_ARP, CONFIG_NF_TABLES_IPV4, CONFIG_NF_TABLES_IPV6)"
        }
        _ => "nf_tables does not take the rules of the gate",
    };
    format!("no lease in milliseconds: {why}: {error}")
}
