//! `lubdub cable`, with both daemons stopped.

use std::thread;

use lubdub_cluster_tests::{SERIAL, appliance, exit_code, ran, running};
use lubdub_lab::{Fault, Lab, Node, Result};
use serde_json::Value;

const ONE: usize = 0;
const TWO: usize = 1;

/// Both ends at once: exit code and verdict of each.
fn test(lab: &Lab, options: [&str; 2]) -> Result<[(Option<i32>, Value); 2]> {
    let one_end = |node: &Node, options: &str| -> Result<(Option<i32>, Value)> {
        let (code, text, errors) = ran(node, &format!("lubdub cable --seconds 1 --json {options}"))?;
        assert_eq!(errors, "", "no progress but on a terminal");
        Ok((code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))))
    };
    let [one, two] = lab.nodes();
    thread::scope(|scope| {
        let other = scope.spawn(|| one_end(two, options[1]));
        let one = one_end(one, options[0]);
        Ok([one?, other.join().unwrap()?])
    })
}

fn first_fault(verdict: &Value) -> &str {
    verdict["remarks"][0]["what"].as_str().unwrap_or_default()
}

#[test]
fn a_good_cable_at_both_ends() -> Result<()> {
    let lab = Lab::new(appliance())?;
    for (code, verdict) in test(&lab, ["", SERIAL])? {
        assert_eq!((code, &verdict["kind"], &verdict["good"]), (Some(0), &"data".into(), &true.into()), "{verdict}");
        assert_eq!((&verdict["lines"], &verdict["measured_baud"]), (&"unknown".into(), &115_200.into()));
        assert!(verdict["received"].as_u64() > Some(20) && verdict["bit_errors"] == 0, "{verdict}");
        assert!(verdict["round_trip_us"]["min"].as_u64() > Some(8_000), "{verdict}");
    }
    Ok(())
}

#[test]
fn the_speed_of_the_other_end_is_found() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let [(one, mine), (two, theirs)] = test(&lab, ["", "--baud 19200"])?;
    assert_eq!((one, two), (Some(1), Some(1)));
    assert_eq!((&mine["peer_baud"], &theirs["peer_baud"]), (&19_200.into(), &115_200.into()));
    assert_eq!(first_fault(&mine), "the other end is set to 19200, this one to 115200");
    Ok(())
}

#[test]
fn noise_and_a_broken_direction_are_found() -> Result<()> {
    let lab = Lab::new(appliance())?;
    lab.cable().set_fault(ONE, Fault::Noise { rate: 0.002, seed: 5 });
    let [(one, mine), (two, theirs)] = test(&lab, ["", ""])?;
    assert_eq!((one, two), (Some(1), Some(1)), "{mine} {theirs}");
    assert!(theirs["bit_errors"].as_u64() > Some(0) && mine["bit_errors"] == 0, "{mine} {theirs}");
    lab.cable().set_fault(ONE, Fault::Cut);
    let [(one, mine), (two, theirs)] = test(&lab, ["--wait 5", "--wait 5"])?;
    assert_eq!((one, two), (Some(1), Some(1)));
    assert_eq!((&mine["kind"], &theirs["kind"]), (&"unheard".into(), &"nothing".into()));
    Ok(())
}

#[test]
fn a_loopback_plug_needs_no_other_end() -> Result<()> {
    let lab = Lab::new(appliance())?;
    lab.cable().set_fault(TWO, Fault::Loop);
    let (code, text, errors) = ran(lab.node2(), "lubdub cable --seconds 1")?;
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    assert!(text.starts_with("/dev/ttyS1  good  a loopback: this end hears itself\n"), "{text}");
    assert!(text.contains("bit errors none in "), "{text}");
    Ok(())
}

#[test]
fn a_getty_at_the_other_end_is_named() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let (code, text, _) = thread::scope(|scope| {
        let tester = scope.spawn(|| ran(lab.node1(), "lubdub cable --wait 4"));
        // The prompt comes again and again, as a getty's does that is started anew.
        while !tester.is_finished() {
            lab.cable().inject(ONE, b"\r\nnode2.a.com ttyS1\r\n\r\nnode2 login: ")?;
            lab.cable().await_more(TWO, u64::MAX, std::time::Duration::from_millis(300));
        }
        tester.join().unwrap()
    })?;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("a getty or a console speaks at the other end") && text.contains("login:"), "{text}");
    Ok(())
}

#[test]
fn a_running_daemon_keeps_its_cable_and_a_missing_tty_is_said() -> Result<()> {
    let lab = running(appliance())?;
    let one = lab.node1();
    for (command, part) in [
        ("lubdub cable", "the daemon of /run/lubdub runs on /dev/ttyS1: stop it first"),
        ("lubdub cable /dev/ttyS1", "stop the daemon first, it holds its cable"),
        ("lubdub cable /dev/ttyS9", "/dev/ttyS9 is not there"),
    ] {
        let (code, _, errors) = ran(one, command)?;
        assert_eq!(code, Some(69), "{command}: {errors}");
        assert!(errors.contains(part), "{command}: {errors}");
    }
    assert_eq!(exit_code(one, "lubdub cable --baud 12345 /dev/ttyS1")?, Some(64));
    assert_eq!(exit_code(one, "lubdub cable --config-dir /nowhere")?, Some(78));
    assert!(one.status()?.link_up(SERIAL), "the daemon has not noticed");
    Ok(())
}
