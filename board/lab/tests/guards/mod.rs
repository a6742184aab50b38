//! The pid 1 of each box of a lab: gone when the lab is gone.

use std::fs;
use std::path::{Path, PathBuf};

/// The guards whose parent is this process, as paths in /proc.
pub fn of(parent: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| is_guard(path, parent)).collect()
}

fn is_guard(path: &Path, parent: u32) -> bool {
    fs::read_to_string(path.join("stat")).is_ok_and(|stat| {
        let mut after_name = stat.rsplit(") ").next().unwrap_or("").split(' ');
        stat.contains("(lab-guard)") && after_name.nth(1) == Some(&parent.to_string())
    })
}
