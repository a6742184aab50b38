//! A hung daemon, a starved user space and a stuck stop each end in a hardware reset in time, and the node knows why.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that shows its table")]

use lubdub_qemu::faults;

#[test]
fn the_watchdog_bites_within_the_time_that_check_states() {
    let rows = faults::watchdog::tell_all("", false, &mut |row| println!("{}", row.fault)).unwrap();
    let table = faults::table(&rows);
    println!("{table}");
    assert!(rows.len() == 3 && rows.iter().all(|row| row.failed.is_none()), "\n{table}");
}
