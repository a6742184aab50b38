//! `lubdub check`: would this configuration run on this machine?
//!
//! The same files are read, by the same code, as `run` reads them; then the machine is looked at.

mod files;
mod guarantee;
mod probe;
mod report;

pub use files::{Texts, load, load_ha_cf};
use probe::probe;

use guarantee::{Fine, Statement};
use lubdub::conf::{Config, Diagnostics, Resource, Severity};
use report::Report;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::path::Path;

/// Something about the machine or about a file as a whole. Displays as the person at the console reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// An error keeps lubdub from running.
    pub severity: Severity,
    /// What is the case and what was expected.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    fn error(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), remedy: remedy.into() }
    }

    fn warning(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, message: message.into(), remedy: remedy.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  remedy: {}", self.severity, self.message, self.remedy)
    }
}

/// Whether the kernel can end a lease of these addresses to the millisecond, or why not.
pub type FineLease = fn(&[IpAddr]) -> Result<(), String>;

/// Reads the files in `config_dir` for the node `node`, looks at the machine unless `offline`, and prints what was found:
/// for people on stderr with one line on stdout when all is well, or with `json` one object on stdout. Returns the exit
/// code: 0 would run, 78 would not, 77 this user may not read the files, 74 nobody could be told.
///
/// `fine_lease` tells whether this kernel can end a lease of these addresses to the millisecond, or why not; offline it
/// is not asked.
#[inline(never)] // Its frame is none of the daemon's.
pub fn check(config_dir: &Path, node: &str, offline: bool, json: bool, fine_lease: FineLease) -> u8 {
    let texts = match load(config_dir) {
        Ok(texts) => texts,
        Err(unfit) => {
            Report::new(node, &Diagnostics::new(), &unfit.findings).print(None, json);
            return unfit.exit_code();
        }
    };
    let mut diagnostics = Diagnostics::new();
    let mut findings = texts.doubts().to_vec();
    let Some(config) = texts.read(node, &mut diagnostics) else {
        return Report::new(node, &diagnostics, &findings).print(None, json);
    };
    let fine = if offline {
        Fine::Assumed
    } else {
        findings.extend(probe(&config, config_dir));
        fine_lease(&addresses(&config)).map_or_else(Fine::Absent, Fine::there)
    };
    let guarantee = texts.judge(&config, fine.is_available(), &mut diagnostics);
    let statement = Statement::new(&config, guarantee, fine);
    Report::new(node, &diagnostics, &findings).print(Some((&config, &statement)), json)
}

/// What keeps a tty from being the cable's: not there, a console, a getty.
pub fn tty(device: &str) -> Option<Finding> {
    probe::tty(device)
}

/// What `check` finds about the scripts of the resources and the plug-ins of the fencing devices as files: none of them is
/// run, so it takes no longer than to look.
pub fn programs(config: &Config<'_>, config_dir: &Path) -> Vec<Finding> {
    probe::programs(config, config_dir)
}

/// The addresses that move with the groups.
fn addresses(config: &Config<'_>) -> Vec<IpAddr> {
    let address = |resource| match resource {
        Resource::Vip(vip) => Some(vip.address),
        Resource::Script { .. } => None,
    };
    config.groups.iter().flat_map(|group| group.resources()).filter_map(address).collect()
}
