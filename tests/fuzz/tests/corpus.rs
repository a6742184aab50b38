//! Every input of the corpora once more, on any compiler: what the fuzzer found worth keeping, and what once broke.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says for which input")]

use lubdub_fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of all corpora together at most.
const CORPORA_MAX: u64 = 200_000;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn the_corpora_hold() {
    for (name, target) in TARGETS {
        let inputs = entries(&corpora().join(name));
        assert!(!inputs.is_empty(), "no corpus for {name}");
        for path in inputs {
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_corpus_has_a_target_and_all_are_small() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| corpora().join(name)).collect();
    let folders: BTreeSet<_> = entries(&corpora()).into_iter().collect();
    assert_eq!(folders, names);
    let inputs = folders.iter().flat_map(|folder| entries(folder));
    let bytes: u64 = inputs.map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < CORPORA_MAX, "{bytes} bytes");
}

#[test]
fn nothing_and_little_hold_too() {
    for (_, target) in TARGETS {
        target(&[]);
        (0..=u8::MAX).for_each(|byte| target(&[byte; 40]));
    }
}
