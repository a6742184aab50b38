//! The lab of an ordinary user: nodes without realtime rights, which say so in one line and go on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use lubdub_cluster_tests::{FAILOVER, SOON, appliance, asking, gap, running, said, says, verdict_with};
use lubdub_lab::{Result, locate_daemon};

/// Set in the process that tells the story: the daemon's file.
const DAEMON: &str = "LUBDUB_STORY_DAEMON";
/// nobody and nogroup
const NOBODY: u32 = 65_534;

#[test]
fn has_a_pair_of_appliances_too() {
    // Root's files may be where nobody can read them, so that both programs are copied.
    let dir = std::env::temp_dir().join(format!("lubdub-story-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = as_nobody(&dir);
    fs::remove_dir_all(&dir).unwrap();
    let output = outcome.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success() && said.contains("1 passed"));
}

fn as_nobody(dir: &Path) -> std::io::Result<std::process::Output> {
    let (story, daemon) = (dir.join("story"), dir.join("lubdub"));
    fs::copy(std::env::current_exe()?, &story)?;
    fs::copy(locate_daemon("dev").map_err(|error| std::io::Error::other(error.to_string()))?, &daemon)?;
    let mut command = Command::new(story);
    command.args(["--exact", "ordinary_user::story", "--ignored", "--nocapture"]).env(DAEMON, daemon).current_dir("/");
    // Another user than the one who runs the tests only where that one is root.
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output()
}

#[test]
#[ignore = "told by an ordinary user, see above"]
fn story() -> Result<()> {
    let daemon = std::env::var(DAEMON).unwrap();
    let lab = running(appliance().with_daemon(daemon))?;
    let [one, two] = lab.nodes();
    for node in lab.nodes() {
        says(node, "no realtime scheduling")?;
        assert_eq!(said(node, "no realtime scheduling"), 1);
    }
    let judge = asking(&lab, one)?;
    one.power_off()?;
    let verdict = verdict_with(judge, two)?;
    assert!(gap("power-off, an ordinary user's lab", &verdict) < FAILOVER);
    assert_eq!(verdict.doubles, []);
    one.boot()?;
    lab.await_whole(SOON)
}
