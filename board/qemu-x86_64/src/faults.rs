//! Every fault that the rig can make, as a story that a client judges; and the table of them.
//!
//! A story begins with a pair that is well and ends with one. In between a fault comes and goes, and the client says who
//! answered, for how long nobody did, and whether two did. A takeover that should not have been is excused where the
//! cables' own records show that the host stood still for deadtime: then the story is told again.

mod cables;
mod daemon;
mod power;
mod random;
mod row;
mod upgrade;
pub mod watchdog;

use std::time::Duration;

use lubdub_lab::{End, Error, Link, Pair, Result, Verdict, now};

use crate::image::Image;
use crate::rig::{Rig, SOON};
pub use random::some as random;
pub use row::{Row, table};

/// Without a beat for so long the peer is dead.
pub const DEADTIME: Duration = Duration::from_secs(5);
/// The nodes of [`pair`] beat so often.
const KEEPALIVE: Duration = Duration::from_millis(100);
/// The heartbeat links.
const SERIAL: &str = "/dev/ttyS1";
const ETHERNET: &str = "eth1";
/// A VIP that answers nothing for so long, three probes' time, is silent; where every link has lost its other end that is
/// evidence of a death, and an emulated machine stands still for as long now and then.
const UNANSWERED: Duration = Duration::from_millis(30);
/// How long it is watched that nothing moves.
const WATCH: Duration = Duration::from_secs(5);
/// How often a story that the host has spoilt is told.
const TIMES: usize = 3;
/// Begins the error of such a story.
const SPOILT: &str = "the host stood still";

/// What is told of one fault.
type Story = fn(&mut Rig, &mut Tale) -> Result<()>;

/// What a story has to say beside what the client saw.
#[derive(Debug, Default)]
pub struct Tale {
    /// For the table's last column.
    pub note: String,
    /// Two nodes may answer for so long: a paused machine knows nothing of its pause.
    pub double: Duration,
}

/// Every story for a pair without a watchdog.
const STORIES: [(&str, Story); 18] = [
    ("serial cut", cables::serial_cut),
    ("Ethernet cut", cables::ethernet_cut),
    ("both cut", cables::both_cut),
    ("one data wire broken", cables::one_wire_broken),
    ("noise, 1 bit of 50 bytes", cables::noise),
    ("wrong baud", cables::wrong_baud),
    ("write to the root", daemon::write_to_the_root),
    ("daemon killed", daemon::killed),
    ("daemon killed, Ethernet cut", daemon::killed_on_one_link),
    ("daemon frozen, thawed", daemon::frozen),
    ("plug pulled", power::plug_pulled),
    ("plug pulled, 3-wire cable", power::plug_pulled_three_wire),
    ("plug pulled, strapped cable", power::plug_pulled_strapped),
    ("machine frozen, thawed", power::frozen),
    ("kernel panic", power::panic),
    ("reset button", power::reset),
    ("takeover by order", daemon::takeover),
    ("rolling upgrade", upgrade::rolling),
];

/// The pair that the stories are told of. Groups stay where they are, so that a story needs no node by name; the lease is
/// one of three seconds, which an emulated machine can keep: it is renewed only in a turn that is not late by 5 ms.
pub fn pair() -> Pair {
    Pair::appliance()
        .with_ha_cf("auto_failback on", "auto_failback off")
        .with_ha_cf("warntime 200ms", "warntime 1")
        .with_ha_cf("deadtime 300ms", "deadtime 5")
        .with_ha_cf("initdead 3", "initdead 10")
}

/// Boots a pair and tells every story whose name contains `only`, and then so many random faults. `said` hears each row
/// as it is known.
///
/// # Errors
/// The pair cannot be booted.
pub fn tell_all(only: &str, faults: usize, seed: u64, said: &mut dyn FnMut(&Row)) -> Result<Vec<Row>> {
    let mut rig = Rig::new(&Image::build()?, &pair())?;
    rig.boot()?;
    let mut rows = Vec::new();
    let mut add = |row: Row| {
        said(&row);
        rows.push(row);
    };
    for (name, story) in STORIES.into_iter().filter(|(name, _)| name.contains(only)) {
        add(tell(&mut rig, name, &story)?);
    }
    random(&mut rig, faults, seed, &mut add)?;
    Ok(rows)
}

/// Tells one story; after one that failed the pair is booted anew.
///
/// # Errors
/// It cannot be booted.
fn tell(rig: &mut Rig, name: &str, story: &dyn Fn(&mut Rig, &mut Tale) -> Result<()>) -> Result<Row> {
    for time in 1.. {
        let begun = now();
        let mut tale = Tale::default();
        let outcome = rig.settle().and_then(|_| {
            rig.client.begin();
            story(rig, &mut tale)?;
            rig.settle()?;
            judge(&rig.client.verdict(), tale.double)
        });
        match outcome {
            Ok(()) => return Ok(Row::new(name, &rig.client.verdict(), tale, None)),
            Err(why) => {
                let logs = rig.logs();
                let why = format!("{why}\n(told {time} times, the last in {:?})\n{logs}", now() - begun);
                let row = Row::new(name, &rig.client.verdict(), tale, Some(why.clone()));
                rig.renew()?;
                if time == TIMES || !why.starts_with(SPOILT) {
                    return Ok(row);
                }
            }
        }
    }
    Err(Error::new("not told"))
}

fn judge(verdict: &Verdict, allowed: Duration) -> Result<()> {
    match verdict.double_time() {
        _ if verdict.doubles.is_empty() => Ok(()),
        time if time < allowed => Ok(()),
        time => {
            Err(Error::new(format!("{} double answers in {time:?}: {:?}", verdict.doubles.len(), verdict.doubles[0])))
        }
    }
}

/// The other node answers now; and how long after the last word of the old one it announced that, if that is on record.
fn await_move(rig: &Rig, from: End, tale: &mut Tale) -> Result<Option<Duration>> {
    let to = 1 - from;
    rig.client.await_owner(rig.mac(to), SOON)?;
    let verdict = rig.client.verdict();
    let announced = verdict.announcements.iter().find(|one| one.mac == rig.mac(to)).map(|one| one.at);
    let took = announced.and_then(|at| Some(at - rig.last_word(from, at)?));
    if let Some(took) = took {
        tale.note = format!("announced {took:.2?} after the last word");
    }
    Ok(took)
}

/// The owner of the beginning answers for all the time of [`WATCH`].
fn nothing_moves(rig: &Rig, owner: End) -> Result<()> {
    let (begun, other) = (now(), rig.mac(1 - owner));
    if !rig.client.await_verdict(WATCH, |verdict| verdict.owner == Some(other)) {
        return Ok(());
    }
    let silence = rig.silence(owner, begun - DEADTIME);
    let spoilt = if silence >= DEADTIME { SPOILT } else { "the group moved" };
    Err(Error::new(format!("{spoilt}: the longest time without a delivery is {silence:?}")))
}

/// Nobody but the owner of the beginning has announced the VIP since then.
fn nothing_moved(rig: &Rig, owner: End) -> Result<()> {
    let other = rig.mac(1 - owner);
    match rig.client.verdict().announcements.iter().find(|one| one.mac == other) {
        None => Ok(()),
        Some(_) => Err(Error::new("the group moved")),
    }
}

/// The same where both links are cut and nothing but the answers for the VIP tells that the owner lives.
fn vip_held(rig: &Rig, owner: End) -> Result<()> {
    nothing_moved(rig, owner).map_err(|why| {
        let gap = rig.client.verdict().gap();
        let spoilt = if gap >= UNANSWERED { SPOILT } else { "the VIP was answered" };
        Error::new(format!("{spoilt}: {why}; the VIP was silent for {gap:?}"))
    })
}

/// Waits until a node shows a link like this.
fn await_link(rig: &mut Rig, end: End, link: &str, state: &str) -> Result<()> {
    await_shown(rig, end, link, state, |found| &found.state)
}

/// Waits until both nodes show that the modem lines of the cable, or the carrier of the crossover, are like this.
fn await_lines(rig: &mut Rig, link: &str, shown: &str) -> Result<()> {
    await_shown(rig, 0, link, shown, |found| &found.lines)?;
    await_shown(rig, 1, link, shown, |found| &found.lines)
}

fn await_shown(rig: &mut Rig, end: End, link: &str, wanted: &str, what: impl Fn(&Link) -> &str) -> Result<()> {
    let deadline = now() + SOON;
    loop {
        let status = rig.node(end)?.status()?;
        match status.link(link) {
            Some(found) if what(found) == wanted => return Ok(()),
            found if now() > deadline => {
                return Err(Error::new(format!("{}: {link} is not {wanted} but {found:?}", rig.name(end))));
            }
            _ => {}
        }
    }
}
