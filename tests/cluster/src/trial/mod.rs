//! One fault, done to a pair again and again while the client asks every millisecond: how many questions had two
//! answers, and how long nobody answered.
//!
//! A round begins with a pair at peace, whoever holds the group, and ends with one: the client watches from before the
//! fault until after everything is mended.

mod fault;
mod scene;
mod table;
mod tally;

pub use fault::{Fault, Promise};
pub use scene::Scene;
pub use table::print;
pub use tally::Tally;

use std::path::Path;
use std::time::Duration;

use lubdub_lab::{Error, Judge, Lab, Line, Mark, Pair, Random, Result, Verdict, Way};

use crate::{GROUP, SECOND, running};

/// What ends the VIP of an owner that does not renew it, and the timings that make it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// `valid_lft`: 1 s, for keepalive 200 ms and deadtime 3 s.
    Address,
    /// nf_tables: 279 ms, for keepalive 100 ms and deadtime 300 ms (configuration B).
    Fine,
}

impl Lease {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fine, Self::Address];

    /// As `check` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Fine => "nf_tables",
        }
    }

    /// Two appliances with one VIP that goes home by order only, so that no round waits for a failback.
    pub fn pair(self) -> Pair {
        let pair = Pair::appliance()
            .with_haresources(&format!("node1.a.com {GROUP}\n"))
            .with_ha_cf("auto_failback on", "auto_failback off");
        match self {
            Self::Fine => pair,
            Self::Address => pair
                .with_ha_cf("keepalive 100ms", "keepalive 200ms")
                .with_ha_cf("warntime 200ms", "warntime 1")
                .with_ha_cf("deadtime 300ms", "deadtime 3")
                .with_ha_cf("initdead 3", "initdead 6"),
        }
    }

    /// deadtime, which is no shorter than the lease takes to end.
    pub fn deadtime(self) -> Duration {
        match self {
            Self::Address => SECOND * 3,
            Self::Fine => Duration::from_millis(300),
        }
    }

    /// L.
    pub fn length(self) -> Duration {
        match self {
            Self::Address => SECOND,
            Self::Fine => Duration::from_millis(279),
        }
    }
}

/// Does the fault so many times to one pair. An error tells the round, and what was not as it must be.
pub fn rounds(lease: Lease, fault: Fault, count: usize, daemon: Option<&Path>) -> Result<Tally> {
    let pair = daemon.map_or_else(|| lease.pair(), |daemon| lease.pair().with_daemon(daemon));
    let lab = running(pair)?;
    let mut tally = Tally::new(lease, fault);
    // The same moments in every run; which beat they meet is chance all the same.
    let mut random = Random::new(count as u64);
    for number in 0..count {
        let marks = lab.nodes().each_ref().map(|node| node.log().mark());
        let round = one(&lab, lease, fault, &mut random).map_err(|error| {
            let (fault, lease) = (fault.name(), lease.name());
            Error::new(format!("{fault} ({lease}), round {number}: {error}\n{}", said_since(&lab, marks)))
        });
        tally.add(&round?);
    }
    Ok(tally)
}

fn one(lab: &Lab, lease: Lease, fault: Fault, random: &mut Random) -> Result<Verdict> {
    let mut scene = Scene::begin(lab, lease, random)?;
    fault.happen(&mut scene)?;
    let verdict = scene.end()?;
    fault.judge(&verdict)?;
    Ok(verdict)
}

/// Both logs of a round.
fn said_since(lab: &Lab, marks: [Mark; 2]) -> String {
    let mut lines: Vec<_> = lab
        .nodes()
        .iter()
        .zip(marks)
        .flat_map(|(node, mark)| node.log().since(mark).into_iter().map(|l| (l, node.name())))
        .collect();
    lines.retain(|(line, _)| line.way == Way::Stream);
    lines.sort_by_key(|(line, _)| line.at);
    let first = lines.first().map(|(line, _)| line.at);
    let at = |line: &Line| first.map_or(0.0, |first| (line.at - first).as_secs_f64());
    lines.iter().fold(String::new(), |text, (line, name)| text + &format!("  {:.3} {name} {}\n", at(line), line.text))
}

/// Lets the time pass, while the client asks on.
pub fn pass(judge: &Judge, span: Duration) {
    judge.await_verdict(span, |_| false);
}
