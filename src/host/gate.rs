//! The fine lease: the kernel itself silences a VIP some milliseconds after the last renewal.
//!
//! Tables of nf_tables(8) named `lubdub` (see [`rules`]) drop what a VIP says and hears unless it is in a set whose
//! elements time out. The loop renews those elements; when it stops, the VIP falls silent without anybody's help. What
//! is sent on packet sockets passes no such table: whoever announces a VIP asks first whether its lease runs.
//!
//! **Time.** A timeout is told in milliseconds and kept in jiffies, both rounded down (`nf_msecs_to_jiffies64` and
//! `nft_set_elem_expired`, include/net/netfilter/nf_tables.h), and a lookup compares with the present jiffy: no timer
//! has to fire. So a VIP falls silent up to two jiffies early and not late, but for a jiffy that is counted late.
//! Measured (Linux 6.18, 250 Hz, two busy cores): see `tests::lateness`.
//!
//! **An expired element stays expired.** Kernels before 6.12 ignore a new timeout for an element that is there, so a
//! renewal deletes and adds it in one transaction, which packets see as one moment. Deleting an element that has expired
//! fails (`ENOENT`), and with it the transaction: that is how a lapse is noticed, without asking and without a race.
//!
//! **Other people's rules.** Each transaction names the generation of the rules that it builds on; a change by anybody
//! else makes the kernel refuse it (`ERESTART`, `nf_tables_valid_genid`, net/netfilter/nf_tables_api.c), and the gate
//! looks at its tables before it goes on. A renewal in peace is two system calls for all VIPs.

mod inventory;
mod message;
mod rules;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
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
            self.change(|batch| {
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
        self.change(|batch| {
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
        self.change(|batch| {
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
        let verdict = self.kernel.transact(&self.batch, |place, error| match places.get(place - 1) {
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

    /// A transaction that needs the tables, which are put back if they are gone.
    fn change(&mut self, fill: impl Fn(&mut Batch)) -> Result<(), String> {
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
    fn mend(&mut self) -> Result<(), String> {
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
}

impl Gate {
    fn begin(&mut self, generation: Option<u32>) {
        self.batch.begin(self.kernel.next_sequence(), generation);
    }

    /// Sends the batch; tells the first refusal.
    fn outcome(&mut self) -> io::Result<(Verdict, Option<io::Error>)> {
        let mut first = None;
        let verdict = self.kernel.transact(&self.batch, |_, error| {
            first.get_or_insert(error);
        })?;
        self.advance(&verdict);
        Ok((verdict, first))
    }

    /// Each transaction makes a generation (`nf_tables_commit`); 0 is left out. If others have made some too, this one is
    /// behind, and the next renewal notices.
    fn advance(&mut self, verdict: &Verdict) {
        if *verdict == Verdict::Done {
            self.generation = self.generation.wrapping_add(1).max(1);
        }
    }
}

/// Opens an address for what its lease has left, whatever was open before.
fn reopen(batch: &mut Batch, lease: Lease, now: Instant) {
    take_out(batch, OPEN, lease.address);
    let millis = lease.until.since(now).as_millis();
    if millis > 0 {
        element(batch, Change::Lend(millis), OPEN, lease.address);
    }
}

/// Takes an address out of a set, whether it is there or not: what is not there cannot be deleted.
fn take_out(batch: &mut Batch, set: &str, address: IpAddr) {
    element(batch, Change::Add, set, address);
    element(batch, Change::Delete, set, address);
}

const UNRULY: &str =
    "the packet filter's rules are changed by others faster than the gate of the VIPs can be put right";

fn refused(error: &io::Error) -> String {
    format!("the kernel refuses a change of the nftables tables {}: {error}", rules::TABLE)
}

fn unsupported(error: &io::Error) -> String {
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
