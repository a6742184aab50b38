//! What can happen to a pair, and what must be true then.

use std::time::Duration;

use lubdub_lab::{Context, Error, Lab, Result, Verdict, now};

use super::Scene;
use crate::{FAILOVER, GROUP, SECOND, SOON, UNNOTICED, await_state};

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both heartbeat links are silent, the service LAN is whole.
    LinksCut,
    /// The same, and then the owner loses its power.
    PowerOffWhileCut,
    /// The same, and then the owner gets SIGSTOP, and SIGCONT when the other node has taken over, whom it cannot hear.
    FrozenWhileCut,
    /// SIGKILL; the daemon is started again when the other node has taken over.
    Killed,
    /// SIGKILL, and the daemon is started again at once.
    Respawned,
    /// SIGSTOP, and SIGCONT when the other node has taken over.
    Frozen,
    /// SIGSTOP, and SIGCONT at any moment, before or after the end of the lease and of deadtime.
    Thawed,
    /// The owner loses every path: its port at the service LAN, with the carrier, and both heartbeat links.
    CutOff,
    /// The standby's port at the service LAN is dead, with or without its carrier, and both heartbeat links are cut.
    BlindStandby,
    /// The switch reboots and takes every path with it, the heartbeats' too, for this long.
    SwitchReboot(Duration),
    /// The owner is cut off with its carrier up, so that both own the group; then its port heals before the cables.
    LanHealsFirst,
}

/// What `check` says of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Exclusive: not one question has two answers.
    OneAnswer,
    /// Every path is cut: not covered.
    Nothing,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::LinksCut,
        Self::PowerOffWhileCut,
        Self::FrozenWhileCut,
        Self::Killed,
        Self::Respawned,
        Self::Frozen,
        Self::Thawed,
        Self::CutOff,
        Self::BlindStandby,
        Self::SwitchReboot(Duration::from_secs(10)),
        Self::LanHealsFirst,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinksCut => "both heartbeat links cut",
            Self::PowerOffWhileCut => "both cut, then the owner powered off",
            Self::FrozenWhileCut => "both cut, then SIGSTOP and SIGCONT",
            Self::Killed => "SIGKILL",
            Self::Respawned => "SIGKILL, respawned at once",
            Self::Frozen => "SIGSTOP, SIGCONT after the takeover",
            Self::Thawed => "SIGSTOP, SIGCONT at random",
            Self::CutOff => "owner cut off from everything",
            Self::BlindStandby => "blind standby, both cut",
            Self::SwitchReboot(_) => "switch reboot, every path lost",
            Self::LanHealsFirst => "every path cut, the service LAN heals first",
        }
    }

    /// What `check` says of it.
    pub fn promise(self) -> Promise {
        if self == Self::LanHealsFirst { Promise::Nothing } else { Promise::OneAnswer }
    }

    /// It happens, and everything is mended again.
    pub fn happen(self, scene: &mut Scene<'_>) -> Result<()> {
        match self {
            Self::LinksCut => links_cut(scene),
            Self::PowerOffWhileCut => power_off_while_cut(scene),
            Self::FrozenWhileCut => frozen_while_cut(scene),
            Self::Killed => killed(scene),
            Self::Respawned => respawned(scene),
            Self::Frozen => frozen(scene),
            Self::Thawed => thawed(scene),
            Self::CutOff => cut_off(scene),
            Self::BlindStandby => blind_standby(scene),
            Self::SwitchReboot(length) => switch_reboot(scene, length),
            Self::LanHealsFirst => lan_heals_first(scene),
        }
    }

    /// What the client must not have seen.
    pub fn judge(self, verdict: &Verdict) -> Result<()> {
        if self.promise() == Promise::OneAnswer && !verdict.doubles.is_empty() {
            let (count, time) = (verdict.doubles.len(), verdict.double_time());
            return Err(Error::new(format!("{count} questions had two answers within {time:?}")));
        }
        let unnoticed = matches!(self, Self::LinksCut | Self::Respawned | Self::BlindStandby);
        if unnoticed && verdict.gap() > UNNOTICED + verdict.late {
            return Err(Error::new(format!("nobody answered for {:?}", verdict.gap())));
        }
        Ok(())
    }
}

/// L9: the VIP answers, so nobody takes it.
fn links_cut(scene: &mut Scene<'_>) -> Result<()> {
    scene.lab.cut_heartbeats()?;
    scene.await_standby(|status| status.peer.state == "split-suspected")?;
    scene.owner().await_status(SOON, |status| !status.peer_alive())?;
    scene.stays(scene.owner(), scene.lease.deadtime())?;
    scene.lab.mend_heartbeats()?;
    scene.unmoved()
}

/// The VIP answers no longer, and that is all the standby needs.
fn power_off_while_cut(scene: &mut Scene<'_>) -> Result<()> {
    scene.lab.cut_heartbeats()?;
    scene.await_standby(|status| status.peer.state == "split-suspected")?;
    scene.stays(scene.owner(), FAILOVER / 5)?;
    scene.owner().power_off()?;
    scene.await_takeover()?;
    scene.owner().boot()?;
    scene.lab.mend_heartbeats()?;
    scene.moved()
}

/// Nothing tells it that it has lost the group but its own clock and the VIP, which the other one answers for.
fn frozen_while_cut(scene: &mut Scene<'_>) -> Result<()> {
    scene.lab.cut_heartbeats()?;
    scene.await_standby(|status| status.peer.state == "split-suspected")?;
    scene.owner().freeze()?;
    scene.await_takeover()?;
    scene.pass_up_to(scene.lease.length());
    scene.owner().thaw()?;
    scene.stays(scene.standby(), scene.lease.deadtime() * 2)?;
    await_state(scene.owner(), "stopped")?;
    scene.lab.mend_heartbeats()?;
    scene.moved()
}

fn killed(scene: &mut Scene<'_>) -> Result<()> {
    scene.owner().kill()?;
    scene.await_takeover()?;
    scene.owner().start()?;
    scene.moved()
}

/// ADOPT: nobody notices.
fn respawned(scene: &mut Scene<'_>) -> Result<()> {
    scene.owner().kill()?;
    scene.owner().start()?;
    scene.stays(scene.owner(), scene.lease.deadtime())?;
    scene.unmoved()
}

fn frozen(scene: &mut Scene<'_>) -> Result<()> {
    scene.owner().freeze()?;
    scene.await_takeover()?;
    scene.pass_up_to(scene.lease.length());
    scene.owner().thaw()?;
    scene.stays(scene.standby(), scene.lease.length())?;
    scene.moved()
}

fn thawed(scene: &mut Scene<'_>) -> Result<()> {
    scene.owner().freeze()?;
    scene.pass_up_to(scene.lease.deadtime() * 2);
    scene.owner().thaw()
}

/// EYES: nobody can use the VIP there, and nobody says that it lives.
fn cut_off(scene: &mut Scene<'_>) -> Result<()> {
    let port = scene.number();
    scene.lab.cut_heartbeats()?;
    scene.lab.lan().unplug(port)?;
    await_state(scene.owner(), "stopped").context("make the owner give up")?;
    scene.await_takeover()?;
    scene.lab.lan().replug(port)?;
    scene.stays(scene.standby(), FAILOVER / 5)?;
    scene.lab.mend_heartbeats()?;
    scene.moved()
}

/// EYES: who cannot see takes nothing.
fn blind_standby(scene: &mut Scene<'_>) -> Result<()> {
    let (lan, port) = (scene.lab.lan(), 1 - scene.number());
    let carrier = scene.choose(2) == 0;
    if carrier { lan.cut(port) } else { lan.unplug(port) }?;
    scene.lab.cut_heartbeats()?;
    scene.await_standby(|status| status.group(GROUP).is_some_and(|g| g.held_off.as_deref() == Some("blind")))?;
    scene.stays(scene.owner(), scene.lease.deadtime())?;
    if carrier { lan.mend(port) } else { lan.replug(port) }?;
    scene.await_standby(|status| status.peer.state == "split-suspected")?;
    scene.lab.mend_heartbeats()?;
    scene.unmoved()
}

/// Nobody is left to see anything: the owner gives up, the standby takes nothing, and afterwards they agree.
fn switch_reboot(scene: &mut Scene<'_>, length: Duration) -> Result<()> {
    let (lab, standby) = (scene.lab, scene.standby());
    switch(lab, false)?;
    scene.pass(length);
    if standby.status()?.holds(GROUP) {
        return Err(Error::new(format!("{} took the group blind", standby.name())));
    }
    switch(lab, true)
}

fn switch(lab: &Lab, on: bool) -> Result<()> {
    // The client is at the same switch.
    let port = |owner| if on { lab.lan().replug(owner) } else { lab.lan().unplug(owner) };
    (0..3).try_for_each(port)?;
    if on {
        lab.crossover().replug();
        lab.cable().mend();
    } else {
        lab.crossover().unplug();
        lab.cable().cut();
    }
    Ok(())
}

/// HEAL 3: two owners until their LAN is one again, and one within a second of that, while no heartbeat gets through.
fn lan_heals_first(scene: &mut Scene<'_>) -> Result<()> {
    let port = scene.number();
    scene.lab.cut_heartbeats()?;
    scene.lab.lan().cut(port)?;
    scene.await_takeover()?;
    await_state(scene.owner(), "held")?;
    let healed = now();
    scene.lab.lan().mend(port)?;
    await_state(scene.standby(), "stopped").context("make the provisional owner yield")?;
    scene.pass(SECOND);
    let last = scene.judge.look(|verdict| verdict.doubles.last().map(|double| double.at));
    if last.is_some_and(|at| at - healed > SECOND) {
        return Err(Error::new("two nodes still answer a second after the service LAN has healed"));
    }
    scene.judge.await_owner(scene.owner().mac(), SECOND)?;
    scene.lab.mend_heartbeats()?;
    scene.unmoved()
}
