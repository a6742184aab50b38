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
    choose_with(texts, config, diagnostics, Gate::open)
}

fn choose_with<'a>(
    texts: &'a Texts,
    config: &Config<'a>,
    diagnostics: &mut Diagnostics<'a>,
    open: impl FnOnce(&[IpAddr]) -> Result<Gate, String>,
) -> Choice {
    let fine = Guarantee::of(config, true).lease.kind == Kind::Fine;
    let gate = Some(vips(config)).filter(|vips| fine && !vips.is_empty()).map(|vips| open(&vips));
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
    prepare_with(resources, config, gate, || {
        // Nothing is loaded only to look.
        if Path::new(NF_TABLES).exists() { Gate::clear(&vips(config)) } else { Ok(()) }
    })
}

/// `clear`: removes what a former run left of a fine lease.
fn prepare_with(
    resources: &mut Resources,
    config: &Config<'_>,
    gate: Option<Gate>,
    clear: impl FnOnce() -> Result<(), String>,
) -> Result<Option<String>, String> {
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
        return Ok(None);
    }
    // A former run may have had a fine lease, which would silence what this one holds.
    Ok(clear().err())
}

/// There while nf_tables is loaded or built in.
const NF_TABLES: &str = "/sys/module/nf_tables";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::rc::Rc;

    use super::*;
    use crate::host::check;
    use crate::host::resources::Paths;
    use crate::host::script::Timeouts;

    const HA_CF: &str = "node alpha beta\nbaud 115200\nserial /dev/ttyS1\nbcast eth1\nauto_failback on\n";

    /// A configuration directory of a test's own, gone with it.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str, times: &str) -> Self {
            let files = Self(std::env::temp_dir().join(format!("lubdub-leases-{name}-{}", std::process::id())));
            fs::create_dir_all(&files.0).unwrap();
            let texts = [
                ("ha.cf", format!("{HA_CF}{times}")),
                ("haresources", "alpha 10.0.0.1/24/eth0\n".into()),
                ("authkeys", "auth 1\n1 md5 secret\n".into()),
            ];
            for (file, text) in texts {
                fs::write(files.0.join(file), text).unwrap();
                fs::set_permissions(files.0.join(file), fs::Permissions::from_mode(0o600)).unwrap();
            }
            files
        }

        fn texts(&self) -> Texts {
            check::load(&self.0).unwrap()
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_kernel_without_a_fine_lease_is_told_with_what_it_costs() {
        let files = Files::new("fine", "keepalive 100ms\nwarntime 200ms\ndeadtime 300ms\ninitdead 3\n");
        let texts = files.texts();
        let mut diagnostics = Diagnostics::default();
        let config = texts.read("alpha", &mut diagnostics).unwrap();
        let Choice { guarantee, gate, warning } =
            choose_with(&texts, &config, &mut diagnostics, |_| Err("no nf_tables".into()));
        assert!(gate.is_none() && guarantee.lease.kind == Kind::Address);
        let takeover = Ms(guarantee.lease.takeover);
        let cost = format!(
            "no lease of milliseconds on this kernel: no nf_tables; a silent peer is taken over after {takeover}"
        );
        assert_eq!(warning, Some(cost));
        assert!(guarantee.lease.takeover > config.deadtime, "it costs something");
    }

    #[test]
    fn a_pair_that_needs_no_fine_lease_asks_for_none_and_says_nothing() {
        let files = Files::new("address", "deadtime 10\n");
        let texts = files.texts();
        let mut diagnostics = Diagnostics::default();
        let config = texts.read("alpha", &mut diagnostics).unwrap();
        let choice = choose_with(&texts, &config, &mut diagnostics, |_| panic!("nf_tables is asked for"));
        assert!(choice.gate.is_none() && choice.warning.is_none());
    }

    #[test]
    fn what_is_left_of_a_fine_lease_and_cannot_be_removed_is_told_and_keeps_nobody_from_starting() {
        let files = Files::new("left", "deadtime 10\n");
        let texts = files.texts();
        let mut diagnostics = Diagnostics::default();
        let config = texts.read("alpha", &mut diagnostics).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let log: crate::host::resources::Log = Rc::new(|_, _| ());
        let mut resources =
            Resources::new(Vec::new(), Paths::new(&files.0, "alpha"), Timeouts::default(), log).unwrap();
        let busy = || Err("the table lubdub is owned by another process".to_owned());
        let told = prepare_with(&mut resources, &config, None, busy).unwrap();
        assert_eq!(told.as_deref(), Some("the table lubdub is owned by another process"));
        assert_eq!(prepare_with(&mut resources, &config, None, || Ok(())).unwrap(), None);
    }
}
