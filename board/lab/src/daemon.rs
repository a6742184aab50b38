//! Which lubdub the nodes run: `$LUBDUB_BIN`, or what cargo builds from this tree, once for each process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::error::{Context, Error, Result};

/// The daemon's file: `$LUBDUB_BIN`, or what cargo builds in `$LUBDUB_PROFILE`, or else in this profile.
pub fn locate(profile: &str) -> Result<PathBuf> {
    if let Some(file) = env::var_os("LUBDUB_BIN") {
        return Ok(PathBuf::from(file));
    }
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build(profile).map_err(|error| error.to_string())).clone().map_err(Error::new)
}

fn build(profile: &str) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let profile = env::var("LUBDUB_PROFILE").unwrap_or_else(|_| profile.into());
    let output = Command::new(cargo)
        .current_dir(workspace)
        .args(["build", "--package", "lubdub", "--bin", "lubdub", "--message-format", "json-render-diagnostics"])
        .args(["--profile", &profile])
        .output()
        .context("run cargo; set LUBDUB_BIN to a built lubdub instead")?;
    if !output.status.success() {
        return Err(Error::new(format!("cannot build lubdub:\n{}", String::from_utf8_lossy(&output.stderr))));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable)
        .next_back()
        .ok_or_else(|| Error::new("cargo built no executable named lubdub"))
}

/// The executable in one of cargo's messages (The Cargo Book, "External tools").
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_ours = message.pointer("/target/name")?.as_str()? == "lubdub";
    message.get("executable")?.as_str().filter(|_| is_ours).map(PathBuf::from)
}
