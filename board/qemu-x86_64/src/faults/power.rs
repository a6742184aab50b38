//! Faults of a whole machine. The other one takes over.

use std::time::Duration;

use lubdub_lab::{End, Error, Result};

use super::{DEADTIME, ETHERNET, KEEPALIVE, SERIAL, SPOILT, Tale, await_lines, await_move};
use crate::appliance::BOOT;
use crate::cable::Wiring;
use crate::rig::{Rig, SOON};

/// At thaw a machine that stood still answers until its daemon has had a turn. `lubdub check` states 103 ms with a
/// processor of its own; an emulated one takes what its host gives it.
const THAW: Duration = Duration::from_secs(2);

/// Every link loses its other end and the VIP is silent, so nobody waits for deadtime.
pub fn plug_pulled(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    await_lines(rig, SERIAL, "up")?;
    await_lines(rig, ETHERNET, "up")?;
    let took = pull(rig, tale)?;
    if took < DEADTIME / 2 {
        return Ok(());
    }
    let late = rig.client.verdict().late;
    let spoilt = if late >= DEADTIME / 4 { SPOILT } else { "the loss that every link shows was not believed" };
    Err(Error::new(format!("{spoilt}: announced {took:?} after the last word; the client was late by {late:?}")))
}

/// The other one takes over, and the old owner gets its power back.
fn pull(rig: &mut Rig, tale: &mut Tale) -> Result<Duration> {
    let owner = rig.await_holder()?;
    rig.power_off(owner)?;
    let took = await_move(rig, owner, tale)?.ok_or_else(|| Error::new("no announcement, or no word before it"))?;
    rig.power_on(owner)?;
    rig.node(owner)?.await_shell(BOOT)?;
    Ok(took)
}

/// On a cable whose lines prove nothing only silence does.
fn plug_pulled_on(rig: &mut Rig, wiring: Wiring, shown: &str, tale: &mut Tale) -> Result<()> {
    rewire(rig, wiring)?;
    await_lines(rig, SERIAL, shown)?;
    rig.client.begin();
    let took = pull(rig, tale)?;
    rig.settle()?;
    rewire(rig, Wiring::Full)?;
    await_lines(rig, SERIAL, "up")?;
    if took < DEADTIME - KEEPALIVE {
        return Err(Error::new(format!("announced {took:?} after the last word, which is sooner than deadtime")));
    }
    Ok(())
}

/// Another cable. Whatever its lines were until now, the next run of each daemon never sees them otherwise.
fn rewire(rig: &mut Rig, wiring: Wiring) -> Result<()> {
    rig.cable.rewire(wiring);
    for end in [0, 1] {
        rig.node(end)?.run("service heartbeat restart")?.ok()?;
        rig.settle()?;
    }
    Ok(())
}

pub fn plug_pulled_three_wire(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    plug_pulled_on(rig, Wiring::ThreeWire, "none", tale)
}

pub fn plug_pulled_strapped(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    plug_pulled_on(rig, Wiring::Strapped, "strapped", tale)
}

pub fn frozen(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.node(owner)?.freeze()?;
    await_move(rig, owner, tale)?;
    tale.double = THAW;
    rig.node(owner)?.thaw()
}

pub fn panic(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    let node = rig.node(owner)?;
    let count = node.qmp().count();
    node.run("(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")?.ok()?;
    node.await_event(count, "RESET", SOON)?;
    return_of(rig, owner, tale)
}

pub fn reset(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.node(owner)?.reset()?;
    return_of(rig, owner, tale)
}

/// A machine that is back before deadtime is over may have its group again, since its new run says that it has nothing.
fn return_of(rig: &mut Rig, owner: End, tale: &mut Tale) -> Result<()> {
    rig.node(owner)?.await_shell(BOOT)?;
    if rig.settle()? == owner {
        tale.note = "back before deadtime".into();
        return Ok(());
    }
    await_move(rig, owner, tale).map(drop)
}
