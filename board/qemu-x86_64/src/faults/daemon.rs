//! Faults of the daemon, and orders to it.

use std::time::Duration;

use lubdub_lab::{End, Error, Result, now};

use super::{ETHERNET, SPOILT, Tale, await_link, await_move, nothing_moved, nothing_moves};
use crate::rig::{Rig, SOON};

/// The supervisor begins the next life at once.
const ANOTHER_LIFE: &str = "! cmp -s /tmp/killed /run/lubdub/pid";

/// A run that is heard so long after the last beat of the one before may have found too little of the lease to go on with
/// it: VIPs are renewed when half of their three seconds is over, and the kernel tells what is left in whole ones.
const TOO_LATE: Duration = Duration::from_millis(500);

pub fn write_to_the_root(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    for place in ["/etc/ha.d/ha.cf", "/usr/sbin/lubdub", "/var/x", "/x"] {
        let output = rig.node(owner)?.run(&format!("echo x >{place}"))?;
        let refused = output.stderr.contains("Read-only file system");
        if place == "/var/x" && output.exit.success() || place != "/var/x" && !refused {
            return Err(Error::new(format!("a write to {place} is not refused: {} {}", output.exit, output.stderr)));
        }
    }
    tale.note = "refused".into();
    nothing_moves(rig, owner)
}

/// Its port closes and its lines fall; the carrier stays, and the VIP answers.
pub fn killed(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    kill_adopted(rig, owner, tale)
}

/// The same of a daemon or an ownership that may have begun a moment ago. A daemon that has not lived for five seconds is
/// begun again after a pause of one, and a VIP just added has less than a lease: a run that finds too little of it starts
/// clean, and the group may move.
pub fn killed_at_any_age(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    kill(rig, owner, tale)?;
    if nothing_moved(rig, owner).is_err() {
        tale.note += ", moved";
    }
    Ok(())
}

/// The same where the cable is the only link, so that every link has lost its other end: the VIP alone tells that its
/// machine lives.
pub fn killed_on_one_link(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.set_crossover(false)?;
    await_link(rig, owner, ETHERNET, "down")?;
    await_link(rig, 1 - owner, ETHERNET, "down")?;
    // Also: a daemon that had lived for five seconds is begun again without a pause.
    nothing_moves(rig, owner)?;
    kill_adopted(rig, owner, tale)?;
    rig.set_crossover(true)
}

/// The next run goes on with what the last one held.
fn kill_adopted(rig: &mut Rig, owner: End, tale: &mut Tale) -> Result<()> {
    let silence = kill(rig, owner, tale)?;
    nothing_moved(rig, owner).map_err(|why| {
        let spoilt = if silence >= TOO_LATE { SPOILT } else { "not adopted" };
        Error::new(format!("{spoilt}: {why}; {}, no reply for {:?}", tale.note, rig.client.verdict().gap()))
    })
}

/// Until a node holds the group again; for how long no beat came from the one whose daemon was killed.
fn kill(rig: &mut Rig, owner: End, tale: &mut Tale) -> Result<Duration> {
    let begun = now();
    let node = rig.node(owner)?;
    node.run("cat /run/lubdub/pid >/tmp/killed; kill -9 $(cat /tmp/killed)")?.ok()?;
    node.await_success(ANOTHER_LIFE, SOON)?;
    let holder = rig.await_holder()?;
    rig.client.await_owner(rig.mac(holder), SOON)?;
    let fell = rig.cable.fell(1 - owner, begun);
    if fell.is_none() {
        return Err(Error::new(format!("the lines at {} did not fall", rig.name(1 - owner))));
    }
    let silence = rig.silence(owner, begun);
    tale.note = format!("no word for {silence:.2?}, the lines were down for {:.2?}", fell.unwrap_or_default());
    Ok(silence)
}

pub fn frozen(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    rig.node(owner)?.run("kill -STOP $(cat /run/lubdub/pid)")?.ok()?;
    await_move(rig, owner, tale)?;
    rig.node(owner)?.run("kill -CONT $(cat /run/lubdub/pid)")?.ok()?;
    Ok(())
}

pub fn takeover(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    let said = rig.node(1 - owner)?.run("lubdub takeover")?.ok()?;
    rig.client.await_owner(rig.mac(1 - owner), SOON)?;
    tale.note = said.trim().into();
    Ok(())
}
