//! What the hardware watchdog ends: stories of another pair, whose ha.cf names it.

use std::time::{Duration, Instant};

use lubdub_lab::{End, Error, Pair, Result, now};
use serde_json::Value;

use super::{Row, Story, Tale, tell};
use crate::appliance::BOOT;
use crate::image::Image;
use crate::rig::{Rig, SOON};

const STORIES: [(&str, Story); 3] = [
    ("watchdog: hung daemon", hung_daemon),
    ("watchdog: starved user space", starved),
    ("watchdog: failing stop", failing_stop),
];
/// It takes five minutes.
const LONG: [(&str, Story); 1] = [("watchdog: hanging stop", hanging_stop)];
/// F, the first time: initdead of [`pair`].
const FAILBACK: Duration = Duration::from_secs(10);
/// Three failed stops, and the pauses between them.
const STOPS: Duration = Duration::from_secs(30);
/// The same where each hangs for its minute, and is killed.
const HANGS: Duration = Duration::from_secs(240);
/// An emulated watchdog is as late as its host.
const LATE: Duration = Duration::from_secs(2);
/// A resource that fills the IPVS table, as ldirectord does, and whose stop fails or hangs when it is told so. Nothing but
/// SIGKILL ends one that hangs, nor its child.
const STUCK: &str = "#!/bin/sh
case $1 in
start) ipvsadm -C && ipvsadm -R </etc/sysconfig/ipvsadm && : >/run/stuck.runs ;;
stop)
    case $(cat /run/stuck 2>/dev/null) in
    fails) echo 'still busy'; exit 1 ;;
    hangs)
        trap '' TERM
        sleep 1000 &
        echo $$ $! >>/run/stuck.pids
        while :; do sleep 1; done
        ;;
    esac
    ipvsadm -C
    rm -f /run/stuck.runs
    ;;
status) if [ -e /run/stuck.runs ]; then echo running; else echo stopped && exit 3; fi ;;
esac
";
/// Neither VIP nor IPVS table is left, nor a process of the first stop that hung.
const NOTHING_LEFT: &str = "! ip -4 addr show dev eth0 | grep -q 192.168.20.100 && \
                            ! ipvsadm -Ln | grep -q 192.168.20.100 && \
                            (for pid in $(head -n 1 /run/stuck.pids); do [ ! -e /proc/$pid ] || exit 1; done)";
/// What the peer says of a stop that takes long.
const PEER_WAITS: &str = "logread | grep -c 'has been stopping it for'";
/// A loop above every priority but the kernel's own, and no share of the processor for the others.
const HOG: &str = "(sleep 1; echo -1 >/proc/sys/kernel/sched_rt_runtime_us; exec chrt -f 99 sh -c 'while :; do :; done') \
                   >/dev/null 2>&1 &";

/// The pair: a watchdog that bites before anybody takes over needs deadtime 5.
pub fn pair() -> Pair {
    Pair::appliance()
        .with_ha_cf("warntime 200ms", "warntime 1")
        .with_ha_cf("deadtime 300ms", "deadtime 5\nwatchdog /dev/watchdog0")
        .with_ha_cf("initdead 3", "initdead 10")
        .with_haresources("node1.a.com 192.168.20.100/24/eth0 stuck\n")
        .with_script("stuck", STUCK.into())
}

/// Boots the pair and tells every story whose name contains `only`; those that take minutes only if `long`.
///
/// # Errors
/// It cannot be booted.
pub fn tell_all(only: &str, long: bool, said: &mut dyn FnMut(&Row)) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let stories = STORIES.into_iter().chain(LONG.into_iter().filter(|_| long));
    let wanted: Vec<_> = stories.filter(|(name, _)| name.contains(only)).collect();
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
    let owner = rig.await_holder()?;
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
    let owner = rig.await_holder()?;
    let node = rig.node(owner)?;
    let count = node.qmp().count();
    node.run(HOG)?.ok()?;
    bitten(rig, owner, count, Duration::ZERO, tale).map(drop)
}

fn failing_stop(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    stuck(rig, owner, "fails", STOPS, tale)
}

/// Also: the peer is told all the while.
fn hanging_stop(rig: &mut Rig, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    let said = |rig: &mut Rig| -> Result<String> { Ok(rig.node(1 - owner)?.run(PEER_WAITS)?.stdout) };
    let before = said(rig)?;
    stuck(rig, owner, "hangs", HANGS, tale)?;
    if said(rig)? == before {
        return Err(Error::new(format!("{} was not told of the stop that hung", rig.name(1 - owner))));
    }
    Ok(())
}

/// The first stop that fails leaves nothing that answers, the third one ends in the reset, and until then the peer takes
/// nothing.
fn stuck(rig: &mut Rig, owner: End, how: &str, within: Duration, tale: &mut Tale) -> Result<()> {
    let node = rig.node(owner)?;
    let count = node.qmp().count();
    let begun = now();
    node.run(&format!("echo {how} >/run/stuck; lubdub standby --wait 1 >/dev/null 2>&1 || :"))?.ok()?;
    node.await_success(NOTHING_LEFT, within)?;
    let gone = now() - begun;
    let peer = rig.node(1 - owner)?.status()?;
    let reset = bitten(rig, owner, count, within, tale)?;
    tale.note = format!("VIP and table gone after {gone:.1?}, reset after {:.1?}: {}", reset - begun, tale.note);
    let to = rig.mac(1 - owner);
    if !peer.idle() || rig.client.verdict().announcements.iter().any(|one| one.mac == to && one.at < reset) {
        return Err(Error::new(format!("{} has taken what may still run: {:?}", peer.node, peer.groups)));
    }
    Ok(())
}
