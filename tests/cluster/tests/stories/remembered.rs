//! What the peer remembers of a life that ended: said beside a node's own last words after a boot.

use lubdub_cluster_tests::{GROUP, ran, running, said, says, sedentary, settled};
use lubdub_lab::Result;

/// The last words of a life in another boot, as a node writes them before it resets itself.
const LAST_WORDS: &str = "stop-failed 2026-01-02T03:04:05.678Z another-boot group web could not be stopped 3 times\n";

#[test]
fn after_a_reset_the_log_the_status_and_why_tell_what_the_peer_saw() -> Result<()> {
    let lab = running(sedentary())?;
    let [one, two] = lab.nodes();
    one.power_off()?;
    two.await_status(lubdub_cluster_tests::FAILOVER * 2, |status| status.holds(GROUP))?;
    one.power_on()?;
    one.exec(&["mkdir", "-p", "/run/lubdub"])?.ok()?;
    one.write("/run/lubdub/last-words", LAST_WORDS)?;
    one.start()?;
    settled(&lab, two)?;
    let own = "this node reset itself at 2026-01-02T03:04:05.678Z: group web could not be stopped 3 times";
    let whole = format!("{own}; node2.a.com says: it fell silent on every link");
    says(one, &whole)?;
    says(one, "node node2.a.com: new session with a new run; it had lost this node: it fell silent on every link")?;
    for command in ["lubdub status", "lubdub status --why"] {
        let (_, text, _) = ran(one, command)?;
        assert!(text.contains(&whole), "{command}: {text}");
    }
    for command in ["lubdub status --json", "lubdub status --why --json"] {
        let (_, json, _) = ran(one, command)?;
        assert!(
            json.contains("\"epitaph\":\"stop-failed\"") && json.contains("\"peer\":\"silence\""),
            "{command}: {json}"
        );
    }
    // The daemon alone starts again: the peer now remembers a goodbye, which is not why the machine was reset.
    one.stop()?;
    one.start()?;
    settled(&lab, two)?;
    says(one, "it had lost this node: it said goodbye")?;
    let (_, text, _) = ran(one, "lubdub status")?;
    assert!(text.contains(&whole), "{text}");
    assert_eq!(said(one, &whole), 1, "said once in a boot");
    Ok(())
}
