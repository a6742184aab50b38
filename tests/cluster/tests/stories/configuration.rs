//! A configuration that is no good is refused before anything is touched, and the person at the console is told where.

use lubdub_cluster_tests::{SOON, appliance, ran, says};
use lubdub_lab::{Exit, Lab, Pair, Result, VIP};

#[test]
fn an_unknown_word_in_ha_cf() -> Result<()> {
    let pair = appliance().with_ha_cf("deadtime 300ms", "deadtim 300ms");
    refused(pair, "/etc/ha.d/ha.cf:7:1: error", "deadtim 300ms", "deadtime").map(drop)
}

#[test]
fn a_deadtime_that_no_beat_can_meet() -> Result<()> {
    let pair = appliance().with_ha_cf("deadtime 300ms", "deadtime 50ms");
    refused(pair, "/etc/ha.d/ha.cf:7:10: error", "deadtime 50ms", "keepalive").map(drop)
}

#[test]
fn a_stranger_in_haresources() -> Result<()> {
    let pair = appliance().with_haresources("node3.a.com 192.168.20.100/24/eth0\n");
    refused(pair, "/etc/ha.d/haresources:1:1: error", "node3.a.com 192.168.20.100/24/eth0", "node1.a.com").map(drop)
}

#[test]
fn an_address_that_is_none() -> Result<()> {
    let pair = appliance().with_haresources("node1.a.com 192.168.20.300/24/eth0\n");
    refused(pair, "/etc/ha.d/haresources:1:13: error", "node1.a.com 192.168.20.300/24/eth0", "192.168.20.300").map(drop)
}

#[test]
fn a_method_that_is_none_and_the_key_stays_secret() -> Result<()> {
    let mut pair = appliance();
    pair.authkeys = "auth 1\n1 md6 topsecret\n".into();
    let log = refused(pair, "/etc/ha.d/authkeys:2:3: error", "1 ******", "md5")?;
    assert!(!log.contains("topsecret"), "{log}");
    Ok(())
}

#[test]
fn a_file_that_is_missing() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let (code, _, stderr) = ran(lab.node1(), "lubdub run --config-dir /run")?;
    assert_eq!(code, Some(78));
    assert!(stderr.contains("/run/ha.cf"), "{stderr}");
    Ok(())
}

#[test]
fn a_name_that_no_node_line_has() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let (code, _, stderr) = ran(lab.node1(), "lubdub run --node node7.a.com")?;
    assert_eq!(code, Some(78));
    assert!(stderr.contains("node7.a.com"), "{stderr}");
    Ok(())
}

#[test]
fn a_run_directory_that_cannot_be_written() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let (code, _, stderr) = ran(lab.node1(), "lubdub run --run-dir /etc/lubdub")?;
    assert_eq!(code, Some(71));
    assert!(stderr.contains("/etc/lubdub: Read-only file system") && stderr.contains("--run-dir"), "{stderr}");
    assert!(!lab.node1().has_address(VIP));
    Ok(())
}

/// `run` ends with 78 before anything happens: it shows the place, the line with a caret, and what to do; so does
/// `check`. What `run` said.
fn refused(pair: Pair, place: &str, line: &str, word: &str) -> Result<String> {
    let lab = Lab::new(pair)?;
    let one = lab.node1();
    one.start()?;
    assert_eq!(one.await_exit(SOON)?, Exit::Code(78));
    says(one, "configuration refused")?;
    let log = one.log().text();
    for part in [place, line, word, "^", "remedy: "] {
        assert!(log.contains(part), "no {part:?} in:\n{log}");
    }
    assert!(!one.has("/run/lubdub"), "nothing was touched");
    let (code, _, stderr) = ran(one, "lubdub check")?;
    assert_eq!(code, Some(78));
    assert!(stderr.contains(place), "{stderr}");
    Ok(log)
}
