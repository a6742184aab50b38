//! Faults of a whole machine. The other one takes over.

use std::time::Duration;

use lubdub_lab::{End, Result};

use super::{Tale, await_move};
use crate::appliance::BOOT;
use crate::cable::Wiring;
use crate::rig::{Rig, SOON};

/// At thaw a machine that stood still answers until its daemon has had a turn. `lubdub check` states 103 ms with a
/// processor of its own; an emulated one takes what its host gives it.
const THAW: Duration = Duration::from_secs(2);

pub fn plug_pulled(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    rig.power_off(owner)?;
    await_move(rig, owner, tale)?;
    rig.power_on(owner)?;
    rig.node(owner)?.await_shell(BOOT)?;
    Ok(())
}

fn plug_pulled_on(rig: &mut Rig, wiring: Wiring, tale: &mut Tale) -> Result<()> {
    rig.cable.rewire(wiring);
    // Whatever the lines have been until now, this run of both daemons has never seen them otherwise.
    for end in [0, 1] {
        rig.node(end)?.run("service heartbeat restart")?.ok()?;
    }
    rig.settle()?;
    rig.client.begin();
    plug_pulled(rig, tale)?;
    rig.cable.rewire(Wiring::Full);
    Ok(())
}

pub fn plug_pulled_three_wire(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    plug_pulled_on(rig, Wiring::ThreeWire, tale)
}

pub fn plug_pulled_strapped(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    plug_pulled_on(rig, Wiring::Strapped, tale)
}

pub fn frozen(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    rig.node(owner)?.freeze()?;
    await_move(rig, owner, tale)?;
    tale.double = THAW;
    rig.node(owner)?.thaw()
}

pub fn panic(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    let node = rig.node(owner)?;
    let count = node.qmp().count();
    node.run("(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")?.ok()?;
    node.await_event(count, "RESET", SOON)?;
    return_of(rig, owner, tale)
}

pub fn reset(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
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
    await_move(rig, owner, tale)
}
