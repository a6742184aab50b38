//! What of the gate is in the kernel.

use std::io;
use std::net::IpAddr;

use lubdub::time::Duration;
use nix::errno::Errno;

use super::message::{Body, kind};
use super::rules::{MARK, TABLE, Table, tables};
use super::socket::{Nfnetlink, attributes, family};
use crate::host::netlink::{self, Message, is};

/// An address in a set.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub address: IpAddr,
    /// The time until it leaves the set. None when it never does, or is in the set of one of its tables only.
    pub left: Option<Duration>,
}

/// The addresses in this set, one of every table. Empty where there are no tables.
pub fn members(kernel: &mut Nfnetlink, used: &[&Table], set: &str) -> io::Result<Vec<Member>> {
    let mut found = Vec::new();
    for table in used {
        found.extend(elements(kernel, table.family, set)?);
    }
    let mut addresses: Vec<IpAddr> = found.iter().map(|(_, address, _)| *address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let in_table = |family, address| found.iter().find(|(f, a, _)| (*f, *a) == (family, address))?.2;
    let left = |address| {
        let times = tables(address).iter().map(|table| in_table(table.family, address));
        times.collect::<Option<Vec<_>>>()?.into_iter().min()
    };
    Ok(addresses.into_iter().map(|address| Member { address, left: left(address) }).collect())
}

type Element = (u8, IpAddr, Option<Duration>);

fn elements(kernel: &mut Nfnetlink, family: u8, set: &str) -> io::Result<Vec<Element>> {
    let about = |body: &mut Body<'_>| {
        body.text(1, TABLE);
        body.text(2, set);
    };
    match kernel.list(kind::GET_ELEMENT, family, &about, collect) {
        Err(error) if is(&error, Errno::ENOENT) => Ok(Vec::new()),
        listed => listed,
    }
}

fn collect(found: &mut Vec<Element>, message: &Message<'_>) {
    let lists = attributes(message).filter(|(kind, _)| *kind == 3);
    let entries = lists.flat_map(|(_, list)| netlink::attributes(list));
    found.extend(entries.filter_map(|(_, entry)| element(family(message), entry)));
}

fn element(family: u8, entry: &[u8]) -> Option<Element> {
    let attribute = |wanted| netlink::attributes(entry).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let (_, key) = netlink::attributes(attribute(1)?).next()?;
    let address = match key.len() {
        4 => IpAddr::from(*key.first_chunk::<4>()?),
        _ => IpAddr::from(*key.first_chunk::<16>()?),
    };
    let millis = attribute(5).and_then(|left| Some(u64::from_be_bytes(*left.first_chunk()?)));
    Some((family, address, millis.map(Duration::from_millis)))
}

/// True when these tables have the rules of the gate, each once, and no others.
pub fn intact(kernel: &mut Nfnetlink, used: &[&Table]) -> io::Result<bool> {
    // One question each: asked for a table of any family the kernel shows the first (nf_tables_dump_rules).
    let mut found = Vec::new();
    for table in used {
        found.extend(kernel.list(kind::GET_RULE, table.family, &|body| body.text(1, TABLE), mark)?);
    }
    let mut expected: Vec<_> =
        used.iter().flat_map(|table| (0..table.rules()).map(|number| (table.family, Some(number)))).collect();
    found.sort_unstable();
    expected.sort_unstable();
    Ok(found == expected)
}

/// A rule's table and its number in the present layout. None for any other rule.
fn mark(found: &mut Vec<(u8, Option<usize>)>, message: &Message<'_>) {
    let attribute = |wanted| attributes(message).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    if attribute(1).and_then(|name| name.strip_suffix(&[0])) != Some(TABLE.as_bytes()) {
        return;
    }
    let number = || {
        let comment = std::str::from_utf8(attribute(7)?.get(2..)?.strip_suffix(&[0])?).ok()?;
        comment.strip_prefix(MARK)?.parse().ok()
    };
    found.push((family(message), number()));
}
