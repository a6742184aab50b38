//! What brings lubdub to a machine says what lubdub does: man pages, samples, boards, services.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "deploy/boards.rs"]
mod boards;
#[path = "deploy/help.rs"]
mod help;
#[path = "deploy/man.rs"]
mod man;
#[path = "deploy/samples.rs"]
mod samples;
#[path = "deploy/services.rs"]
mod services;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn lubdub() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lubdub"))
}

/// A folder of this test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lubdub-deploy-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What `lubdub check --offline` says of a folder: whether it would run, and its standard error.
fn check(folder: &Folder, node: &str) -> (bool, String) {
    let output = lubdub().args(["check", "--offline", "--node", node, "--config-dir"]).arg(&folder.0).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}
