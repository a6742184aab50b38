//! The three files of `/etc/ha.d`.

use lubdub::conf::{self, Config, DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Severity, Source};
use lubdub::time::Duration;
use lubdub::wire::auth;
use std::borrow::Cow;

const FILES: [&str; 3] = ["ha.cf", "haresources", "authkeys"];
const ME: &str = "node1";
/// A pair as short as it can be.
const PAIR: [&str; 3] = [
    "node node1 node2\nserial /dev/ttyS1\nbcast eth1\nbaud 115200\nkeepalive 100ms\ndeadtime 1\nauto_failback on\n",
    "node1 192.168.20.100/24/eth0 ipvsadm\nnode2 backup::now\n",
    "auth 3\n3 md5 word-of-the-pair\n",
];
/// Stands in authkeys wherever the fuzzer has the byte [`SECRET_MARK`]; no message has it.
const SECRET: &str = "Kr0k0d1l";
const SECRET_MARK: u8 = 1;
/// Between the files of the target `configuration`, and before this node's name.
const NEXT_FILE: u8 = 0xff;

/// Any ha.cf.
pub fn ha_cf(data: &[u8]) {
    judge([&text(data), PAIR[1], PAIR[2]], ME);
}

/// Any haresources.
pub fn haresources(data: &[u8]) {
    judge([PAIR[0], &text(data), PAIR[2]], ME);
}

/// Any authkeys.
pub fn authkeys(data: &[u8]) {
    judge([PAIR[0], PAIR[1], &secretive(data)], ME);
}

/// Any three files, apart by the byte 0xff, and any name of this node.
pub fn configuration(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == NEXT_FILE);
    let mut next = || parts.next().unwrap_or_default();
    let (ha_cf, haresources, authkeys) = (text(next()), text(next()), secretive(next()));
    judge([&ha_cf, &haresources, &authkeys], parts.next().map_or(Cow::Borrowed(ME), text).as_ref());
}

/// As the shell reads a file.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn secretive(bytes: &[u8]) -> String {
    text(bytes).replace(char::from(SECRET_MARK), SECRET)
}

fn judge(texts: [&str; 3], me: &str) {
    let mut diagnostics = Diagnostics::new();
    let source = |file: usize| Source { name: FILES[file], text: texts[file] };
    let config = conf::read(source(0), source(1), source(2), me, &mut diagnostics);
    assert_eq!(config.is_none(), diagnostics.errors() > 0, "refused for errors, and for nothing else");
    judge_count(&diagnostics);
    for diagnostic in diagnostics.iter() {
        let file = FILES.iter().position(|name| *name == diagnostic.file).expect("one of the three files");
        judge_place(diagnostic, texts[file]);
        judge_output(diagnostic);
    }
    if let Some(config) = config {
        judge_config(&config);
    }
}

fn judge_count(diagnostics: &Diagnostics<'_>) {
    let kept = diagnostics.iter().count();
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    assert!(kept <= DIAGNOSTICS_MAX && (diagnostics.dropped() == 0 || kept == DIAGNOSTICS_MAX));
    assert!((errors..=errors + diagnostics.dropped()).contains(&diagnostics.errors()));
}

/// The line is one of the file's, and the column one of the line's or the one after its last.
fn judge_place(diagnostic: &Diagnostic<'_>, text: &str) {
    let line = text.split('\n').nth(diagnostic.line as usize - 1);
    let line = line.unwrap_or_else(|| panic!("no line {} in the file", diagnostic.line));
    let columns = line.strip_suffix('\r').unwrap_or(line).chars().count() + 1;
    assert!((1..=columns).contains(&(diagnostic.column as usize)), "column {} of {columns}", diagnostic.column);
}

/// Four lines for the console: no secret, nothing that moves a terminal's cursor, nothing too long to read.
fn judge_output(diagnostic: &Diagnostic<'_>) {
    let shown = diagnostic.to_string();
    assert!(!shown.contains(SECRET), "a secret is shown:\n{shown}");
    assert!(!format!("{diagnostic:?}").contains(SECRET), "a secret is in the debugging form");
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.lines().all(|line| line.chars().count() <= 400), "{shown}");
}

/// What the rest of the program takes for granted of a configuration that would run.
fn judge_config(config: &Config<'_>) {
    assert!(!format!("{config:?}").contains(SECRET), "a secret is in the debugging form");
    assert!(!config.me.eq_ignore_ascii_case(config.peer) && !config.links.is_empty());
    assert!(config.keepalive > Duration::ZERO && config.keepalive.times(2) < config.deadtime);
    assert!(config.deadtime <= config.initdead);
    assert!(lubdub::node::Name::try_from(config.me).is_ok() && lubdub::node::Cluster::try_from(config.cluster).is_ok());
    for group in &config.groups {
        assert_eq!(group.words().next(), Some(group.key));
        assert_eq!(group.words().count(), group.resources().count(), "every word is a resource: {group:?}");
        assert_eq!(group.preferred_me, group.preferred.eq_ignore_ascii_case(config.me));
    }
    let key = |key: &conf::Key<'_>| auth::Key::new(key.id, method(key.method), key.secret.as_bytes());
    let keys: Option<Vec<_>> = config.keys.iter().map(key).collect();
    assert!(keys.and_then(|keys| auth::Keyring::new(config.send_key, keys)).is_some(), "frames can be signed");
}

fn method(method: conf::Method) -> auth::Method {
    match method {
        conf::Method::Crc => auth::Method::Crc,
        conf::Method::Md5 => auth::Method::Md5,
        conf::Method::Sha1 => auth::Method::Sha1,
        conf::Method::Sha256 => auth::Method::Sha256,
    }
}
