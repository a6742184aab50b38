//! The fine lease: the kernel itself silences a VIP some milliseconds after the last renewal.
//!
//! Tables of nf_tables(8) named `lubdub` (see [`rules`]) drop what a VIP says and hears unless it is in a set whose
//! elements time out. The loop renews those elements; when it stops, the VIP falls silent without anybody's help. What
//! is sent on packet sockets passes no such table: whoever announces a VIP asks first whether its lease runs.
//!
//! **Time.** A timeout is told in milliseconds and kept in jiffies, both rounded down (`nf_msecs_to_jiffies64` and
//! `nft_set_elem_expired`, include/net/netfilter/nf_tables.h), and a lookup compares with the present jiffy: no timer
//! has to fire. So a VIP falls silent up to two jiffies before its time. Measured over 24 rounds each (Linux 6.18, 250 Hz,
//! `tests::measure::figures` under SCHED_FIFO): the last answer came 14 us after the end of the lease at the latest, the
//! silence 2.0 ms before it for 50 ms and 4.0 ms before it for 220 and 300 ms (medians). What makes the kernel count a
//! jiffy late makes the silence late: interrupts that are off, or a host that does not run its guest (1.4 ms, and 12 ms at
//! a load of 15, on an emulated machine with Linux 6.1).
//!
//! **An expired element stays expired.** Kernels before 6.12 ignore a new timeout for an element that is there, so a
//! renewal deletes and adds it in one transaction, which packets see as one moment. Deleting an element that has expired
//! fails (`ENOENT`), and with it the transaction: that is how a lapse is noticed, without asking and without a race.
//!
//! **Other people's rules.** Each transaction names the generation of the rules that it builds on; a change by anybody
//! else makes the kernel refuse it (`ERESTART`, `nf_tables_valid_genid`, net/netfilter/nf_tables_api.c), and the gate
//! looks at its tables before it goes on. A renewal in peace is two system calls for all VIPs (3 us for one, 7 us for
//! two of each family). A change by others costs a list of the gate's rules more; between a flush of the ruleset and the
//! next renewal nothing but the address's own lifetime bounds a VIP.

mod inventory;
mod message;
mod rules;
mod socket;
#[cfg(test)]
mod tests;
mod upkeep;

use std::mem;
use std::net::IpAddr;

use lubdub::time::{Duration, Instant};
use nix::errno::Errno;

use super::clock;
use super::netlink::is;
use inventory::{Member, members};
use message::Batch;
use rules::{Change, GATED, OPEN, Table, element, element_of, tables};
use socket::{Nfnetlink, Verdict};
use upkeep::{refused, reopen, take_out, unsupported};

/// Bytes of a renewal for one VIP: at most four messages of 84 bytes for IPv4, two of 96 for IPv6.
const RENEWAL: usize = 384;
/// The rules and all that is around them.
const REBUILD: usize = 4096;
/// A renewal that others' changes or its own lateness made void is tried again so many times.
const ATTEMPTS: u32 = 6;
/// A renewal may take so long from reading the clock to the kernel's answer, and so much may a VIP outlive its time: the
/// millisecond that the margin g of the fine lease has beside its jiffy.
const SLACK: Duration = Duration::from_millis(1);

/// The gates of all VIPs in one network namespace.
pub struct Gate {
    kernel: Nfnetlink,
    batch: Batch,
    tables: Vec<&'static Table>,
    /// Of the rules, after the latest transaction here.
    generation: u32,
    gated: Vec<IpAddr>,
    leases: Vec<Lease>,
    /// The address of each message of a renewal.
    places: Vec<IpAddr>,
    lapsed: Vec<IpAddr>,
    /// Not told yet.
    rebuilt: bool,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    address: IpAddr,
    until: Instant,
}

/// What a renewal found.
#[derive(Debug, PartialEq, Eq)]
pub struct Renewal<'a> {
    /// Addresses whose lease had run out before it. They are closed; only [`Gate::admit`] opens them again.
    pub lapsed: &'a [IpAddr],
    /// Somebody had removed or changed the gate's rules, and VIPs were without a lease since. They are there again.
    /// Told once, whichever call it was that noticed.
    pub rebuilt: bool,
}

/// Tells whether this kernel can gate these addresses; changes nothing. Takes some milliseconds.
///
/// # Errors
/// Why it cannot, in words.
pub fn supported(vips: &[IpAddr]) -> Result<(), String> {
    let mut gate = Gate::unbuilt(vips)?;
    gate.begin(None);
    for table in &gate.tables {
        table.frame(&mut gate.batch);
        table.fill(&mut gate.batch);
    }
    gate.batch.end_trial();
    gate.outcome().map_err(|error| unsupported(&error))?.1.map_or(Ok(()), |error| Err(unsupported(&error)))
}

impl Gate {
    /// Builds the tables for these VIPs in the calling thread's network namespace, or adopts those of a former life:
    /// what is open stays open, with the time that it has left. An address is not gated before it is admitted or closed.
    ///
    /// # Errors
    /// In words: no nf_tables in this kernel, no permission (CAP_NET_ADMIN).
    pub fn open(vips: &[IpAddr]) -> Result<Self, String> {
        let mut gate = Self::unbuilt(vips)?;
        let now = clock::now();
        let gated = gate.members(GATED)?;
        gate.gated.extend(gated.iter().map(|member| member.address));
        let open = gate.members(OPEN)?;
        let lease = |member: &Member| Some(Lease { address: member.address, until: now + member.left? });
        gate.leases.extend(open.iter().filter_map(lease));
        gate.mend()?;
        gate.rebuilt = false;
        // In one of its tables only, or for ever: nobody's lease.
        for member in open.iter().filter(|member| member.left.is_none()) {
            gate.close(member.address)?;
        }
        Ok(gate)
    }

    /// Deletes the tables for these VIPs, if a former life has left any.
    ///
    /// # Errors
    /// The kernel refused, in words.
    pub fn clear(vips: &[IpAddr]) -> Result<(), String> {
        Self::unbuilt(vips)?.remove()
    }

    fn unbuilt(vips: &[IpAddr]) -> Result<Self, String> {
        let mut kernel = Nfnetlink::new().map_err(|error| unsupported(&error))?;
        let generation = kernel.generation().map_err(|error| unsupported(&error))?;
        let mut used: Vec<&'static Table> = Vec::new();
        for table in vips.iter().flat_map(|vip| tables(*vip)) {
            if used.iter().all(|other| other.family != table.family) {
                used.push(table);
            }
        }
        Ok(Self {
            kernel,
            batch: Batch::with_capacity(REBUILD + vips.len() * 2 * RENEWAL),
            tables: used,
            generation,
            gated: Vec::with_capacity(vips.len()),
            leases: Vec::with_capacity(vips.len()),
            places: Vec::with_capacity(vips.len() * 4),
            lapsed: Vec::with_capacity(vips.len()),
            rebuilt: false,
        })
    }

    /// Gates an address and opens it until then: the start of a VIP, to be called before the address is added.
    ///
    /// # Errors
    /// The kernel refused, in words.
    pub fn admit(&mut self, address: IpAddr, until: Instant) -> Result<(), String> {
        for _ in 0..ATTEMPTS {
            let begun = clock::now();
            self.change(&|batch| {
                element(batch, Change::Add, GATED, address);
                reopen(batch, Lease { address, until }, begun);
            })?;
            if clock::now().since(begun) <= SLACK {
                self.gate(address);
                self.note(&[address], until);
                return Ok(());
            }
        }
        self.close(address)?;
        Err("this machine is too busy to lend an address for milliseconds: it was stopped in every attempt".into())
    }

    /// Renews the leases of these addresses until then, all in one transaction. One that has run out stays closed and is
    /// told, and so is every address when the time is over before the kernel could be told.
    ///
    /// Allocates nothing unless a lease ran out or others changed the rules.
    ///
    /// # Errors
    /// The kernel refused, in words; leases then end when they would have ended.
    pub fn renew(&mut self, addresses: &[IpAddr], until: Instant) -> Result<Renewal<'_>, String> {
        self.lapsed.clear();
        let mut reserve = Duration::ZERO;
        for attempt in 1..=ATTEMPTS {
            let begun = clock::now();
            let millis = until.since(begun + reserve).as_millis();
            if millis == 0 || self.lapsed.len() == addresses.len() {
                break;
            }
            // The last attempt is made even while others change their rules without end.
            let generation = (attempt < ATTEMPTS).then_some(self.generation);
            match self.lend(addresses, millis, generation)? {
                Verdict::Outdated => self.mend()?,
                Verdict::Refused => {}
                Verdict::Done => {
                    self.note(addresses, until);
                    let took = clock::now().since(begun);
                    if took <= reserve + SLACK {
                        return self.finish();
                    }
                    // This process was stopped on the way, and the leases run too long by that much.
                    reserve = took;
                }
            }
        }
        self.lapsed.clear();
        self.lapsed.extend_from_slice(addresses);
        self.finish()
    }

    /// Closes what has lapsed in whichever table it has not.
    fn finish(&mut self) -> Result<Renewal<'_>, String> {
        for index in 0..self.lapsed.len() {
            self.close(self.lapsed[index])?;
        }
        Ok(Renewal { lapsed: &self.lapsed, rebuilt: mem::take(&mut self.rebuilt) })
    }

    /// Silences an address at once, whether its lease runs or not.
    ///
    /// # Errors
    /// The kernel refused, in words.
    pub fn close(&mut self, address: IpAddr) -> Result<(), String> {
        self.leases.retain(|lease| lease.address != address);
        self.change(&|batch| {
            element(batch, Change::Add, GATED, address);
            take_out(batch, OPEN, address);
        })?;
        self.gate(address);
        Ok(())
    }

    /// Forgets an address that is not on this machine's network any more. Another copy of it, such as a real server's on
    /// loopback, is then as free as before.
    ///
    /// # Errors
    /// The kernel refused, in words.
    pub fn release(&mut self, address: IpAddr) -> Result<(), String> {
        self.gated.retain(|gated| *gated != address);
        self.leases.retain(|lease| lease.address != address);
        self.change(&|batch| {
            take_out(batch, OPEN, address);
            take_out(batch, GATED, address);
        })
    }

    /// The open addresses, with the time that their leases have left, as the kernel counts it.
    ///
    /// # Errors
    /// The kernel refused, in words.
    pub fn remaining(&mut self) -> Result<Vec<(IpAddr, Duration)>, String> {
        Ok(self.members(OPEN)?.iter().filter_map(|member| Some((member.address, member.left?))).collect())
    }

    fn members(&mut self, set: &str) -> Result<Vec<Member>, String> {
        members(&mut self.kernel, &self.tables, set).map_err(|error| refused(&error))
    }

    /// Deletes the tables: no address is gated any more. For the orderly exit, when nothing is held.
    ///
    /// # Errors
    /// The kernel refused, in words.
    pub fn remove(mut self) -> Result<(), String> {
        self.begin(None);
        for table in &self.tables {
            table.remove(&mut self.batch);
        }
        self.batch.end();
        match self.outcome().map_err(|error| refused(&error))? {
            (_, Some(error)) => Err(refused(&error)),
            _ => Ok(()),
        }
    }

    fn gate(&mut self, address: IpAddr) {
        if !self.gated.contains(&address) {
            self.gated.push(address);
        }
    }

    fn note(&mut self, addresses: &[IpAddr], until: Instant) {
        for address in addresses.iter().filter(|address| !self.lapsed.contains(address)) {
            match self.leases.iter_mut().find(|lease| lease.address == *address) {
                Some(lease) => lease.until = until,
                None => self.leases.push(Lease { address: *address, until }),
            }
        }
    }

    /// One attempt of a renewal; adds to those lapsed.
    fn lend(&mut self, addresses: &[IpAddr], millis: u64, generation: Option<u32>) -> Result<Verdict, String> {
        self.begin(generation);
        self.places.clear();
        for address in addresses.iter().filter(|address| !self.lapsed.contains(address)) {
            for table in tables(*address) {
                for change in [Change::Delete, Change::Lend(millis)] {
                    element_of(&mut self.batch, table.family, change, OPEN, *address);
                    self.places.push(*address);
                }
            }
        }
        self.batch.end();
        let (places, lapsed) = (&self.places, &mut self.lapsed);
        let mut failure = None;
        let verdict = self.kernel.transact(&self.batch, &mut |place, error| match places.get(place - 1) {
            Some(address) if is(&error, Errno::ENOENT) => {
                if !lapsed.contains(address) {
                    lapsed.push(*address);
                }
            }
            _ => failure = Some(error),
        });
        let verdict = verdict.map_err(|error| refused(&error))?;
        self.advance(&verdict);
        failure.map_or(Ok(verdict), |error| Err(refused(&error)))
    }
}
