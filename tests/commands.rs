//! The commands as a person calls them: what they refuse, in which words and with which exit code. No daemon runs here;
//! what the commands and a daemon do together is told in `tests/cluster`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const HA_CF: &str = "serial /dev/no-such-cable\nauto_failback on\nnode alpha beta\n";
/// nobody and nogroup
const NOBODY: u32 = 65_534;

/// A folder with `ha.d` in it; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lubdub-commands-{test}-{}", std::process::id()));
        fs::create_dir_all(path.join("ha.d")).unwrap();
        for (name, text) in [("ha.cf", HA_CF), ("haresources", "alpha web\n"), ("authkeys", "auth 1\n1 md5 secret\n")] {
            fs::write(path.join("ha.d").join(name), text).unwrap();
        }
        fs::set_permissions(path.join("ha.d/authkeys"), Permissions::from_mode(0o600)).unwrap();
        Self(path)
    }

    /// `lubdub WORDS`, called in the folder.
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lubdub"));
        command.args(words.split_whitespace()).current_dir(&self.0);
        command
    }

    /// The exit code and standard error.
    fn ran(&self, words: &str) -> (Option<i32>, String) {
        ended(self.command(words))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ended(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_relative_config_dir_is_one_of_where_lubdub_was_called() {
    let folder = Folder::new("relative");
    assert_eq!(folder.ran("check --offline --node alpha --config-dir ha.d").0, Some(0));
    fs::remove_file(folder.0.join("ha.d/haresources")).unwrap();
    let (code, said) = folder.ran("check --offline --node alpha --config-dir ha.d");
    assert_eq!(code, Some(78));
    assert!(said.contains(&format!("{}/ha.d/haresources: cannot be read", folder.0.display())), "{said}");
}

#[test]
fn a_user_who_may_not_read_the_keys_is_not_told_that_they_are_bad() {
    let folder = Folder::new("keys");
    // Root's files may be where nobody can read them.
    let program = folder.0.join("lubdub");
    fs::copy(env!("CARGO_BIN_EXE_lubdub"), &program).unwrap();
    fs::set_permissions(&folder.0, Permissions::from_mode(0o755)).unwrap();
    let config = folder.0.join("ha.d");
    for words in ["check --offline --node alpha", "run --node alpha", "cable"] {
        let mut command = Command::new(&program);
        command.args(words.split_whitespace()).arg("--config-dir").arg(&config);
        if words == "cable" {
            fs::set_permissions(config.join("ha.cf"), Permissions::from_mode(0o600)).unwrap();
        }
        let output = command.uid(NOBODY).gid(NOBODY).output().expect("this test needs root: it becomes nobody");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(77), "{words}: {said}");
        assert!(said.contains("cannot be read: Permission denied"), "{words}: {said}");
    }
}

#[test]
fn an_answer_that_could_not_be_written_is_no_answer() {
    let folder = Folder::new("full");
    let run_dir = folder.0.join("run");
    fs::create_dir(&run_dir).unwrap();
    let daemon = UnixListener::bind(run_dir.join("control")).unwrap();
    let daemon = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = daemon.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            stream.write_all(b"0 out\na table\n").unwrap();
        }
    });
    for words in ["check --offline --node alpha --config-dir ha.d", "status --run-dir run", "--version"] {
        let mut command = folder.command(words);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let (code, said) = (command.spawn().unwrap().wait().unwrap().code(), words);
        assert_eq!(code, Some(74), "{said}");
    }
    // A reader that has gone has seen enough: `lubdub status | head -1`.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = folder.command("status --run-dir run");
    assert_eq!(command.stdout(writer).spawn().unwrap().wait().unwrap().code(), Some(0));
    drop(command);
    daemon.join().unwrap();
}

#[test]
fn a_daemon_that_does_not_answer_is_not_called_dead() {
    let folder = Folder::new("silent");
    let _daemon = UnixListener::bind(folder.0.join("control")).unwrap();
    let (code, said) = folder.ran("status --run-dir .");
    assert_eq!(code, Some(69));
    assert!(said.contains("the daemon is there") && said.contains("too many clients"), "{said}");
    assert!(!said.contains("start it") && !said.contains("os error"), "{said}");
}

#[test]
fn the_cable_tester_says_first_what_to_do() {
    let folder = Folder::new("cable");
    for (words, expected) in [
        ("cable --seconds 0", "--seconds 0: expected 1 to 86400"),
        ("cable --seconds 18446744073709551615", "--seconds 18446744073709551615: expected 1 to 86400"),
        ("cable --wait 86401", "--wait 86401: expected 1 to 86400"),
    ] {
        let (code, said) = folder.ran(words);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.starts_with(&format!("lubdub cable: {expected}")), "{said}");
    }
    let (code, said) = folder.ran("cable --config-dir nowhere");
    assert_eq!(code, Some(78));
    assert!(said.starts_with("lubdub cable: give the tty: lubdub cable /dev/ttyS1; "), "{said}");
    assert!(!said.contains("haresources") && !said.contains("authkeys"), "{said}");
    // Of the three files ha.cf is enough.
    for name in ["haresources", "authkeys"] {
        fs::remove_file(folder.0.join("ha.d").join(name)).unwrap();
    }
    let (code, said) = folder.ran("cable --config-dir ha.d --run-dir run --node alpha");
    assert_eq!(code, Some(69));
    assert!(said.contains("/dev/no-such-cable is not there"), "{said}");
    let (code, said) = folder.ran("cable /dev/null");
    assert_eq!(code, Some(1));
    assert!(said.contains("/dev/null is no tty"), "{said}");
}
