//! Faults of the two heartbeat links. None of them moves anything.

use lubdub_lab::{End, Error, Result, now};

use super::{ETHERNET, SERIAL, Tale, WATCH, await_lines, await_link, nothing_moves, vip_held};
use crate::cable::Wire;
use crate::rig::{Rig, SOON};

fn shown(rig: &mut Rig, link: &str, state: &str) -> Result<()> {
    await_link(rig, 0, link, state)?;
    await_link(rig, 1, link, state)
}

pub fn serial_cut(rig: &mut Rig, _: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.cable.cut();
    shown(rig, SERIAL, "down")?;
    nothing_moves(rig, owner)?;
    rig.cable.mend();
    Ok(())
}

pub fn ethernet_cut(rig: &mut Rig, _: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.set_crossover(false)?;
    shown(rig, ETHERNET, "down")?;
    nothing_moves(rig, owner)?;
    rig.set_crossover(true)
}

/// Every line falls, as when the peer loses its power; but the VIP answers.
pub fn both_cut(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.cable.cut();
    rig.set_crossover(false)?;
    await_lines(rig, SERIAL, "lost")?;
    await_lines(rig, ETHERNET, "lost")?;
    let deadline = now() + SOON;
    let mut peer = rig.node(1 - owner)?.status()?.peer;
    while peer.state != "split-suspected" {
        if now() > deadline {
            return Err(Error::new(format!("the standby suspects no split: {peer:?}")));
        }
        peer = rig.node(1 - owner)?.status()?.peer;
    }
    tale.note = "split suspected".into();
    rig.pass(WATCH);
    vip_held(rig, owner)?;
    rig.set_crossover(true)?;
    rig.cable.mend();
    Ok(())
}

pub fn one_wire_broken(rig: &mut Rig, _: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.cable.set_wire(owner, Wire::Broken);
    shown(rig, SERIAL, "one-way")?;
    nothing_moves(rig, owner)?;
    rig.cable.mend();
    Ok(())
}

pub fn noise(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    let errors = |rig: &mut Rig, end: End| -> Result<u64> {
        Ok(rig.node(end)?.status()?.link(SERIAL).map_or(0, |link| link.rx_errors))
    };
    let before = [errors(rig, 0)?, errors(rig, 1)?];
    for end in [0, 1] {
        rig.cable.set_wire(end, Wire::Noisy { rate: 0.02, seed: end as u64 });
    }
    nothing_moves(rig, owner)?;
    let after = [errors(rig, 0)?, errors(rig, 1)?];
    if before.iter().zip(after).any(|(before, after)| after <= *before) {
        return Err(Error::new(format!("no noise is counted: {before:?}, {after:?}")));
    }
    tale.note = format!("{} and {} damaged frames counted", after[0] - before[0], after[1] - before[1]);
    rig.cable.mend();
    Ok(())
}

pub fn wrong_baud(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.node(1 - owner)?.run("stty -F /dev/ttyS1 9600")?.ok()?;
    await_link(rig, owner, SERIAL, "down")?;
    await_link(rig, 1 - owner, SERIAL, "down")?;
    let mut whys = Vec::new();
    for end in [owner, 1 - owner] {
        let status = rig.node(end)?.status()?;
        whys.push(status.link(SERIAL).and_then(|link| link.why.clone()).unwrap_or_default());
    }
    tale.note = format!("shown as {} and {}", whys[0], whys[1]);
    nothing_moves(rig, owner)?;
    rig.node(1 - owner)?.run("stty -F /dev/ttyS1 115200")?.ok()?;
    Ok(())
}
