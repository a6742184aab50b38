//! What the hardware watchdog ends: stories of another pair, whose ha.cf names it.

use std::time::{Duration, Instant};

use lubdub_lab::{End, Error, Pair, Result};
use serde_json::Value;

use super::{Row, Story, Tale, tell};
use crate::appliance::BOOT;
use crate::image::Image;
use crate::rig::{Rig, SOON};

const STORIES: [(&str, Story); 3] = [
    ("watchdog: hung daemon", hung_daemon),
    ("watchdog: starved user space", starved),
    ("watchdog: stuck stop", stuck_stop),
];
/// F, the first time: initdead of [`pair`].
const FAILBACK: Duration = Duration::from_secs(10);
/// Three failed stops, and the pauses between them.
const STOPS: Duration = Duration::from_secs(30);
/// An emulated watchdog is as late as its host.
const LATE: Duration = Duration::from_secs(2);
/// A resource that cannot be stopped when it is told so. (A stop that hangs fails after a minute, three times.)
const STUCK: &str = "#!/bin/sh
case $1 in
start) : >/run/stuck.runs ;;
stop)
    [ ! -e /run/stuck ] || { echo 'still busy'; exit 1; }
    rm -f /run/stuck.runs
    ;;
status) if [ -e /run/stuck.runs ]; then echo running; else echo stopped && exit 3; fi ;;
esac
";
/// A loop above every priority but the kernel's own, and no share of the processor for the others.
const HOG: &str = "(sleep 1; echo -1 >/proc/sys/kernel/sched_rt_runtime_us; exec chrt -f 99 sh -c 'while :; do :; done') \
                   >/dev/null 2>&1 &";

/// The pair: a watchdog that bites before anybody takes over needs deadtime 5.
pub fn pair() -> Pair {
    Pair::appliance()
        .with_ha_cf("warntime 200ms", "warntime 1")
        .with_ha_cf("deadtime 300ms", "deadtime 5\nwatchdog /dev/watchdog0")
        .with_ha_cf("initdead 3", "initdead 10")
        .with_haresources("node1.a.com 192.168.20.100/24/eth0 ipvsadm stuck\n")
        .with_script("stuck", STUCK.into())
}

/// Boots the pair and tells every story whose name contains `only`.
///
/// # Errors
/// It cannot be booted.
pub fn tell_all(only: &str, said: &mut dyn FnMut(&Row)) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let wanted: Vec<_> = STORIES.into_iter().filter(|(name, _)| name.contains(only)).collect();
    if wanted.is_empty() {
        return Ok(rows);
    }
    let mut rig = Rig::new(&Image::build()?, &pair())?;
    rig.boot()?;
    for (name, story) in wanted {
        let row = tell(&mut rig, name, &story)?;
        said(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// How long after the last beat, as `lubdub check` states it, the watchdog has bitten.
fn stated(rig: &mut Rig, end: End) -> Result<Duration> {
    let said = rig.node(end)?.run("lubdub check --json")?.ok()?;
    let check: Value = serde_json::from_str(&said).map_err(|why| Error::new(format!("check --json: {why}: {said}")))?;
    // Of the first resource without a lease, which is what the watchdog is for.
    let frozen = &check["guarantee"]["resources"][1]["daemon_frozen"];
    match (frozen["by"].as_str(), frozen["ms"].as_u64()) {
        (Some("watchdog"), Some(silence)) => Ok(Duration::from_millis(silence)),
        _ => Err(Error::new(format!("check states no watchdog that bites in time: {said}"))),
    }
}

/// Waits for the reset, for the peer's takeover, and for the node to be back and to know what has happened.
fn bitten(rig: &mut Rig, owner: End, events: usize, within: Duration, tale: &mut Tale) -> Result<Instant> {
    let stated = stated(rig, 1 - owner)?;
    let name = rig.name(owner).to_owned();
    let reset = rig.node(owner)?.await_event(events, "WATCHDOG", within + SOON)?;
    let took = rig.last_word(owner, reset.at).map_or(Duration::ZERO, |word| reset.at - word);
    tale.note = format!("reset {took:.2?} after the last word, {stated:.2?} stated");
    if took > stated + LATE {
        return Err(Error::new(format!("{name} was {}", tale.note)));
    }
    let node = rig.node(owner)?;
    node.await_shell(BOOT)?;
    node.await_success("lubdub status --json", SOON)?;
    rig.settle()?;
    let node = rig.node(owner)?;
    let known = node.run("lubdub status")?.stdout;
    let reason = known.lines().find(|line| line.starts_with("last reset: "));
    match reason {
        Some(line) if line.contains("reset by its watchdog") => Ok(reset.at),
        _ => Err(Error::new(format!("{name} does not know that its watchdog has reset it:\n{known}"))),
    }
}

/// Also: home again, and not before F.
fn hung_daemon(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    let count = rig.node(owner)?.qmp().count();
    rig.node(owner)?.run("kill -STOP $(cat /run/lubdub/pid)")?.ok()?;
    let reset = bitten(rig, owner, count, Duration::ZERO, tale)?;
    if owner != 0 {
        return Ok(());
    }
    let to = rig.mac(1);
    if !rig.client.verdict().announcements.iter().any(|one| one.mac == to && one.at > reset) {
        // Back before deadtime was over: its own again, and nothing has moved.
        return Ok(());
    }
    let heard = first_word(rig, reset)?;
    rig.client.await_owner(rig.mac(0), SOON)?;
    let home = rig.client.verdict().announcements.into_iter().find(|one| one.mac == rig.mac(0) && one.at > reset);
    let home = home.ok_or_else(|| Error::new("it has the group and never announced it"))?.at - heard;
    tale.note = format!("{}; home {home:.1?} after its first beat", tale.note);
    if home < FAILBACK {
        return Err(Error::new(format!("the group went home {home:?} after the first beat, F is {FAILBACK:?}")));
    }
    Ok(())
}

/// When node1 was heard for the first time since then.
fn first_word(rig: &Rig, since: Instant) -> Result<Instant> {
    let tap = rig.cable.tap(since);
    let first = tap.iter().find(|delivery| delivery.from == 0).map(|delivery| delivery.at);
    first.ok_or_else(|| Error::new("node1 has not been heard over the cable since its reset"))
}

fn starved(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    let node = rig.node(owner)?;
    let count = node.qmp().count();
    node.run(HOG)?.ok()?;
    bitten(rig, owner, count, Duration::ZERO, tale).map(drop)
}

fn stuck_stop(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.owner()?;
    let node = rig.node(owner)?;
    let count = node.qmp().count();
    node.run("touch /run/stuck; lubdub standby --wait 1 >/dev/null 2>&1 || :")?.ok()?;
    bitten(rig, owner, count, STOPS, tale).map(drop)
}
