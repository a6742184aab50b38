//! The field journal: why a node did what it did, and the same decision once more from its file.

use lubdub_cluster_tests::{
    ETHERNET, FAILOVER, GROUP, SERIAL, appliance, await_state, ran, running, sedentary, settled, sh,
};
use lubdub_lab::{Error, Node, Result};
use lubdub_sim::journal::{Verdict, tell};
use serde_json::Value;

const FILE: &str = "/run/lubdub/journal";

#[test]
fn a_takeover_by_silence_names_the_link_the_moment_and_the_rule() -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    one.power_off()?;
    two.await_status(FAILOVER * 2, |status| status.holds(GROUP))?;
    let why = why(two)?;
    let group = &why["groups"][0];
    let decision = &group["decision"];
    assert_eq!((&group["group"], &decision["why"]), (&GROUP.into(), &"silence".into()), "{why}");
    assert_eq!((&decision["from"], &decision["to"]), (&"stopped".into(), &"starting".into()));
    assert!(decision["rule"].as_str().unwrap().starts_with("silence: nothing fresh on any link for deadtime (300 ms)"));
    assert_eq!(group["outcome"]["to"], "held");
    let links = decision["links"].as_array().unwrap();
    assert_eq!(links.iter().map(|link| link["link"].as_str().unwrap()).collect::<Vec<_>>(), [SERIAL, ETHERNET]);
    let before: Vec<u64> = links.iter().map(|link| link["heard_before_us"].as_u64().unwrap()).collect();
    assert!(before.iter().all(|before| (280_000..450_000).contains(before)), "{before:?}");
    // The last beat came on one link first, and as a copy on the other.
    let last = decision["heard_before_us"].as_u64().unwrap();
    assert!(last >= 300_000 && before.contains(&last), "{last} is not of {before:?}");
    assert_eq!(decision["silent_ms"].as_u64(), Some(last / 1_000));
    assert!(links.iter().all(|link| link["beat"].as_u64() > Some(1)), "{links:?}");
    assert_eq!(decision["peer_said"]["state"], "held");
    assert_eq!(why["peer"]["decision"]["to"], "dead");
    let text = said(two, &format!("lubdub status --why {GROUP}"))?;
    for part in
        ["stopped -> starting: takeover, node1.a.com has been silent for 3", "rule: silence", "<- the last word"]
    {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert!(text.contains(&format!("{SERIAL}: ")) && !text.contains("peer node1"), "{text}");
    reproduced(two, "Silence")?;
    lab_survivor_dies(two)
}

/// What the daemon wrote is there after its end.
fn lab_survivor_dies(node: &Node) -> Result<()> {
    node.kill()?;
    let text = said(node, "lubdub status --why")?;
    assert!(text.contains("no daemon answers") && text.contains("rule: silence"), "{text}");
    reproduced(node, "Silence")
}

#[test]
fn a_planned_takeover_shows_the_consent_on_one_node_and_the_order_on_the_other() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    said(two, "lubdub takeover")?;
    settled(&lab, two)?;
    let decision = &why(two)?["groups"][0]["decision"];
    assert_eq!(decision["why"], "consent", "{decision}");
    assert_eq!((&decision["peer_said"]["state"], &decision["peer_said"]["grants"]), (&"stopped".into(), &true.into()));
    assert!(decision["heard_before_us"].as_u64().unwrap() < 50_000, "the beat that brought it: {decision}");
    assert!(said(two, "lubdub status --why")?.contains("agrees to give it"));
    let given = &why(one)?["groups"][0];
    assert_eq!((&given["decision"]["why"], &given["outcome"]["to"]), (&"handover".into(), &"stopped".into()));
    assert_eq!(given["decision"]["peer_said"]["asks"], true);
    reproduced(two, "Consent")?;
    reproduced(one, "Handover")
}

#[test]
fn a_reload_is_lived_through_again() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    for node in [one, two] {
        node.configure("authkeys", "auth 5\n3 md5 redhat\n5 sha1 a-new-one\n")?;
        node.hang_up()?;
        lubdub_cluster_tests::says(node, "reload: done")?;
    }
    said(two, "lubdub takeover")?;
    settled(&lab, two)?;
    let file = file(two)?;
    for secret in ["redhat", "a-new-one"] {
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret} is in the journal");
    }
    reproduced(two, "Consent")
}

#[test]
fn a_tampered_file_is_refused_in_words_and_hinders_nobody() -> Result<()> {
    let lab = running(appliance())?;
    let [one, _] = lab.nodes();
    one.kill()?;
    sh(one, &format!("printf X | dd of={FILE} bs=1 seek=300 conv=notrunc status=none"))?;
    let (code, stdout, stderr) = ran(one, "lubdub status --why")?;
    assert_eq!((code, stdout.as_str()), (Some(65), ""), "{stderr}");
    assert!(stderr.contains(FILE) && stderr.contains("damaged: its checksum is wrong"), "{stderr}");
    assert!(matches!(tell(&file(one)?, false, &mut Vec::new()), Ok(Verdict::Refused(_))));
    one.start()?;
    await_state(one, "held")?;
    assert!(said(one, "lubdub status --why")?.contains("-> held"));
    let (code, _, stderr) = ran(one, "lubdub status --why nosuchgroup")?;
    assert_eq!(code, Some(64));
    assert!(stderr.contains(GROUP), "the groups there are: {stderr}");
    sh(one, &format!("test -s {FILE}.old && test $(stat -c %a {FILE}) = 600"))?;
    Ok(())
}

#[test]
fn without_a_daemon_there_is_no_journal() -> Result<()> {
    let lab = lubdub_lab::Lab::new(appliance())?;
    lab.node1().power_on()?;
    let (code, _, stderr) = ran(lab.node1(), "lubdub status --why")?;
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains("lubdub run"), "{stderr}");
    Ok(())
}

/// What the command prints, where it succeeds.
fn said(node: &Node, command: &str) -> Result<String> {
    match ran(node, command)? {
        (Some(0), stdout, _) => Ok(stdout),
        other => Err(Error::new(format!("{command}: {other:?}"))),
    }
}

fn why(node: &Node) -> Result<Value> {
    let json = said(node, "lubdub status --why --json")?;
    serde_json::from_str(&json).map_err(|error| Error::new(format!("{error}: {json}")))
}

fn file(node: &Node) -> Result<Vec<u8>> {
    let hex = sh(node, &format!("od -An -v -tx1 {FILE}"))?;
    hex.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).map_err(|error| Error::new(format!("{byte}: {error}"))))
        .collect()
}

/// The replay of this node's journal comes to the same decisions, one of them for this cause.
fn reproduced(node: &Node, cause: &str) -> Result<()> {
    let mut out = Vec::new();
    let verdict = tell(&file(node)?, false, &mut out).map_err(|error| Error::new(error.to_string()))?;
    let out = String::from_utf8_lossy(&out);
    assert!(matches!(verdict, Verdict::Reproduced), "{verdict:?}\n{out}");
    assert!(out.contains(&format!("cause: {cause}")), "no {cause} in:\n{out}");
    assert!(out.lines().last().is_some_and(|line| line.starts_with("reproduced: ")), "{out}");
    Ok(())
}
