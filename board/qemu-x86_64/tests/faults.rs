//! Every fault of the rig, and some at random: the client sees no two answers, and everybody is well in the end.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that shows its table")]

use lubdub_qemu::faults;

/// With them all tests of this package take 13 minutes of two shared cores.
const RANDOM: usize = 50;

#[test]
fn every_fault_as_the_client_sees_it() {
    // The process number: other faults each time, and the seed is in each row's name.
    let seed = u64::from(std::process::id());
    let rows = faults::tell_all("", RANDOM, seed, &mut |row| println!("{}", faults::table(std::slice::from_ref(row))))
        .unwrap();
    let table = faults::table(&rows);
    println!("{table}");
    assert!(rows.iter().all(|row| row.failed.is_none()), "seed {seed}\n{table}");
}
