//! The words that the stories in `tests/stories` are told with.
//!
//! A story takes a pair of appliances, does something to it, and lets the client judge: who answers, how long nobody
//! did, whether two did. Nothing sleeps: a story awaits an event, or watches for a while that something does not happen.

pub mod rival;
pub mod trial;

use std::time::Duration;

use lubdub_lab::script::recording;
use lubdub_lab::{Error, Judge, Lab, Node, Output, Pair, Result, Status, VIP, Verdict, now};

/// The tutorial's group.
pub const GROUP: &str = "192.168.20.100/24/eth0";
/// The null-modem cable, as the nodes call it.
pub const SERIAL: &str = "/dev/ttyS1";
/// The crossover cable, as the nodes call it.
pub const ETHERNET: &str = "eth1";
/// The recording script of [`appliance`].
pub const SERVICE: &str = "service";

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);
/// Anything that takes initdead (3 s) at most, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(20);
/// A client's gap when an owner dies: deadtime 300 ms, and what a busy machine adds.
pub const FAILOVER: Duration = Duration::from_millis(1500);
/// A client's gap when a group moves by agreement: frames and the work of scripts.
pub const HANDOVER: Duration = Duration::from_millis(700);
/// What a client does not notice; above it something has moved.
pub const UNNOTICED: Duration = Duration::from_millis(250);
/// Longer than F, the wait before a failback: initdead, 3 s.
pub const LONGER_THAN_F: Duration = Duration::from_millis(4500);

/// Configuration B with a recording service behind the VIP, at home on node1.
pub fn appliance() -> Pair {
    Pair::appliance()
        .with_haresources(&format!("node1.a.com {GROUP} {SERVICE}\n"))
        .with_script(SERVICE, recording(SERVICE))
}

/// The same with auto_failback off: whatever moves stays there.
pub fn sedentary() -> Pair {
    appliance().with_ha_cf("auto_failback on", "auto_failback off")
}

/// A pair with both daemons up, node1 holding its group, everything healthy.
pub fn running(pair: Pair) -> Result<Lab> {
    let lab = Lab::new(pair)?;
    lab.boot()?;
    settled(&lab, lab.node1())?;
    Ok(lab)
}

/// Waits until this node holds the group, the other one nothing, and both see each other on every link.
pub fn settled(lab: &Lab, owner: &Node) -> Result<()> {
    lab.await_held(GROUP, owner, SOON)?;
    lab.await_whole(SOON)
}

/// A judge that has found the VIP at this node, by ARP and by echo request.
pub fn asking(lab: &Lab, node: &Node) -> Result<Judge> {
    let judge = lab.judge(VIP)?;
    judge.await_owner(node.mac(), SOON)?;
    judge.await_verdict(SOON, |verdict| verdict.ping.answers > 20).ok_or_else(|| Error::new("no echo replies"))?;
    Ok(judge)
}

/// Watches for a while that nobody but this node answers, and that it goes on answering.
pub fn stays(judge: &Judge, node: &Node, span: Duration) -> Result<()> {
    if judge.await_verdict(span, |verdict| verdict.owner != Some(node.mac())).is_some() {
        return Err(Error::new(format!("{:?} answers instead of {}", judge.so_far().owner, node.name())));
    }
    let last = judge.so_far().arp.last();
    if last.is_none_or(|last| now() - last > FAILOVER) {
        return Err(Error::new(format!("{} answers no longer", node.name())));
    }
    Ok(())
}

/// Watches for a while that nobody answers.
pub fn silent(judge: &Judge, span: Duration) -> Result<()> {
    let answers = judge.so_far().arp.answers;
    match judge.await_verdict(span, |verdict| verdict.arp.answers > answers) {
        None => Ok(()),
        Some(()) => Err(Error::new(format!("{:?} answers", judge.so_far().owner))),
    }
}

/// The verdict once the new owner answers and the client's own ARP cache is right again.
pub fn verdict_with(judge: Judge, owner: &Node) -> Result<Verdict> {
    judge.await_owner(owner.mac(), SOON)?;
    let answers = judge.so_far().ping.answers;
    judge
        .await_verdict(SOON, |verdict| verdict.ping.answers > answers + 100)
        .ok_or_else(|| Error::new("the client gets no echo replies any more"))?;
    let verdict = judge.verdict();
    if verdict.owner == Some(owner.mac()) { Ok(verdict) } else { Err(Error::new("the VIP has moved on")) }
}

/// The verdict of a client that has noticed nothing: this node answered all the time, and nobody else ever spoke up.
pub fn nothing_moved(judge: Judge, owner: &Node) -> Result<Verdict> {
    let verdict = verdict_with(judge, owner)?;
    let others = verdict.announcements.iter().filter(|announcement| announcement.mac != owner.mac()).count();
    let gap = gap("nothing moved", &verdict);
    if verdict.doubles.is_empty() && others == 0 && gap < UNNOTICED + verdict.late {
        return Ok(verdict);
    }
    Err(Error::new(format!("{} double answers, {others} announcements of others, gap {gap:?}", verdict.doubles.len())))
}

/// The client's gap, also printed: cargo shows it when the story fails, or with `--nocapture`.
pub fn gap(what: &str, verdict: &Verdict) -> Duration {
    let (gap, late) = (verdict.gap(), verdict.late);
    eprintln!("{what}: gap {gap:?}; {} double answers; the judge was late by {late:?} at most", verdict.doubles.len());
    gap
}

/// Waits until the node has said something with `part` in it, at any time since it was built.
pub fn says(node: &Node, part: &str) -> Result<String> {
    node.log().await_line(Default::default(), SOON, part).map(|line| line.text)
}

/// How often the node has said something with `part` in it. What it says this moment may not be counted yet.
pub fn said(node: &Node, part: &str) -> usize {
    node.log().since(Default::default()).iter().filter(|line| line.text.contains(part)).count()
}

/// Exit status, standard output and standard error of a command on a node.
pub fn ran(node: &Node, command: &str) -> Result<(Option<i32>, String, String)> {
    let Output { exit, stdout, stderr } = node.exec(&command.split_whitespace().collect::<Vec<_>>())?;
    Ok((exit.code(), stdout, stderr))
}

/// The exit status alone.
pub fn exit_code(node: &Node, command: &str) -> Result<Option<i32>> {
    ran(node, command).map(|(code, ..)| code)
}

/// A shell script on the node, which must succeed. What it prints.
pub fn sh(node: &Node, script: &str) -> Result<String> {
    node.exec(&["sh", "-c", script])?.ok()
}

/// What this node itself says of the tutorial's group.
pub fn group_state(node: &Node) -> Result<String> {
    Ok(node.status()?.group(GROUP).map(|group| group.state.clone()).unwrap_or_default())
}

/// Waits until this node says so of the tutorial's group.
pub fn await_state(node: &Node, state: &str) -> Result<Status> {
    node.await_status(SOON, |status| status.group(GROUP).is_some_and(|group| group.state == state))
}
