//! Which lease the VIPs are held on, and what of a former run's is left.

use std::net::IpAddr;
use std::path::Path;

use lubdub::conf::{Config, Diagnostics, Guarantee, Resource};
use lubdub::lease::{Exclusive, Kind};
use lubdub::node::Guard;
use lubdub::time::Instant;

use super::check::Texts;
use super::clock;
use super::gate::Gate;
use super::narrate::Ms;
use super::resources::Resources;

/// The VIPs of a configuration.
pub fn vips(config: &Config<'_>) -> Vec<IpAddr> {
    let address = |resource| match resource {
        Resource::Vip(vip) => Some(vip.address),
        Resource::Script { .. } => None,
    };
    config.groups.iter().flat_map(|group| group.resources().filter_map(address)).collect()
}

/// What a configuration comes to on this kernel.
pub struct Choice {
    /// What it guarantees.
    pub guarantee: Guarantee,
    /// The gate of a fine lease, where that is the best there is.
    pub gate: Option<Gate>,
    /// What it costs that this kernel cannot have one.
    pub warning: Option<String>,
}

/// The lease that this kernel can keep; `diagnostics` gets an error for whatever `exclusive on` does not allow.
pub fn choose<'a>(texts: &'a Texts, config: &Config<'a>, diagnostics: &mut Diagnostics<'a>) -> Choice {
    let fine = Guarantee::of(config, true).lease.kind == Kind::Fine;
    let gate = Some(vips(config)).filter(|vips| fine && !vips.is_empty()).map(|vips| Gate::open(&vips));
    let guarantee = texts.judge(config, !fine || matches!(gate, Some(Ok(_))), diagnostics);
    let cost = |why: &String| {
        let takeover = Ms(guarantee.lease.takeover);
        format!("no lease of milliseconds on this kernel: {why}; a silent peer is taken over after {takeover}")
    };
    let warning = gate.as_ref().and_then(|gate| gate.as_ref().err().map(cost));
    Choice { guarantee, gate: gate.and_then(Result::ok), warning }
}

/// What the node is told of it.
pub fn guard(config: &Config<'_>, guarantee: &Guarantee) -> Guard {
    Guard {
        lease: Some(guarantee.lease.length).filter(|_| !vips(config).is_empty()),
        outlast: config.exclusive != Exclusive::Off,
        probes: true,
        fencing: !config.stonith.is_empty(),
    }
}

/// Prepares the resources for a lease: nothing is added before it has begun. What is left of a fine lease of a former run
/// goes on, until the node says what becomes of it. Where this run has none, it is removed; a warning tells why it cannot.
///
/// # Errors
/// The kernel does not tell what is left.
pub fn prepare(resources: &mut Resources, config: &Config<'_>, gate: Option<Gate>) -> Result<Option<String>, String> {
    if vips(config).is_empty() {
        return Ok(None);
    }
    resources.require_lease(true);
    if let Some(mut gate) = gate {
        let now = clock::now();
        let left: Vec<(IpAddr, Instant)> =
            gate.remaining()?.into_iter().map(|(address, left)| (address, now + left)).collect();
        resources.limit_by(Box::new(move |address| {
            let (_, until) = left.iter().find(|(known, _)| *known == address)?;
            let left = until.since(clock::now());
            (left.as_micros() > 0).then_some(left)
        }));
        resources.gate(gate);
    } else if Path::new(NF_TABLES).exists() {
        // A former run may have had a fine lease, which would silence what this one holds.
        return Ok(Gate::open(&[]).and_then(Gate::remove).err());
    }
    Ok(None)
}

/// There while nf_tables is loaded or built in, so that nothing is loaded only to look.
const NF_TABLES: &str = "/sys/module/nf_tables";
