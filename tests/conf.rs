//! The configuration room, through its public interface.
//!
//! Each file of `tests/conf` is one case: the three files, and what must come of them. To add a case write a file with a
//! first line that says what it shows and its sections; `CONF_CASES=write cargo test --test conf` fills in `expected`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conf/case.rs"]
mod case;

use case::{Case, outcome};
use lubdub::conf::{self, Diagnostics, Source};
use std::{fmt::Write, fs, path::Path};

const SEED: [&str; 3] = [
    "logfacility\tlocal0\nauto_failback on\nbcast eth1 # Linux\n#node kathy\nnode node1.a.com\nnode node2.a.com\n",
    "#node-name resource1\nnode1.a.com 192.168.20.100/24/eth0 ipvsadm\n#\n",
    "auth 3\n#1 crc\n#2 sha1 HI!\n3 md5 redhat\n",
];

#[test]
fn every_case_comes_out_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf");
    let write = std::env::var("CONF_CASES").is_ok_and(|mode| mode == "write");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {}", folder.display());
    let mut failures = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let case = Case::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let actual = case.run();
        if write {
            fs::write(&path, case.with_expected(&actual)).unwrap();
        } else if actual != case.expected {
            let name = path.display();
            writeln!(failures, "{name}\n--- expected\n{}--- actual\n{actual}", case.expected).unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn a_malformed_case_is_refused() {
    let why = |text| Case::parse(text).err().unwrap_or_default();
    assert_eq!(why("== ha.cf\nnode a b\n"), "the first line does not say what the case shows");
    assert_eq!(why("title\n"), "no input section");
    assert_eq!(why("title\n== hacf\nx\n== expected\ny\n"), "unknown section `hacf`");
    assert_eq!(why("title\n== node\na\n== node\nb\n== expected\ny\n"), "section `node` twice");
    assert_eq!(why("title\n== node\n\\x7\n== expected\ny\n"), "`\\x` without `;`");
}

#[test]
fn no_prefix_of_a_file_panics() {
    for file in 0..3 {
        for end in 0..=SEED[file].len() {
            let mut texts = SEED;
            texts[file] = &SEED[file][..end];
            outcome("node1.a.com", texts);
        }
    }
}

#[test]
fn no_mutation_of_a_file_panics() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    for round in 0..6_000 {
        let file = round % 3;
        let mut bytes = SEED[file].as_bytes().to_vec();
        for _ in 0..=random.below(8) {
            mutate(&mut bytes, &mut random);
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut texts = SEED;
        texts[file] = &text;
        outcome("node1.a.com", texts);
    }
}

#[test]
fn resources_beyond_the_limit_are_refused_and_those_at_it_are_not() {
    for (count, runs) in [(conf::RESOURCES_MAX, true), (conf::RESOURCES_MAX + 1, false)] {
        let line: String = (0..count).map(|i| format!(" script{i}")).collect();
        let text = outcome("node1.a.com", [SEED[0], &format!("node1.a.com{line}\n"), SEED[2]]);
        assert_eq!(text.contains("=> would run"), runs, "{text}");
        assert_eq!(text.contains("error: more than 256 resources in a group"), !runs, "{text}");
    }
}

#[test]
fn groups_beyond_the_limit_are_refused_and_those_at_it_are_not() {
    for (count, runs) in [(conf::GROUPS_MAX, true), (conf::GROUPS_MAX + 1, false)] {
        let lines: String = (0..count).map(|i| format!("node1.a.com script{i}\n")).collect();
        let text = outcome("node1.a.com", [SEED[0], &lines, SEED[2]]);
        assert_eq!(text.contains("=> would run"), runs, "{text}");
        assert_eq!(text.contains("haresources:33:1: error: more than 32 groups"), !runs, "{text}");
    }
}

#[test]
fn a_secret_longer_than_a_frame_is_signed_with_is_refused() {
    let file = |len| format!("auth 3\n3 md5 {}\n", "x".repeat(len));
    assert!(outcome("node1.a.com", [SEED[0], SEED[1], &file(conf::SECRET_MAX)]).contains("=> would run"));
    let text = outcome("node1.a.com", [SEED[0], SEED[1], &file(conf::SECRET_MAX + 1)]);
    assert!(text.contains("authkeys:2:7: error: the key is longer than 128 bytes"), "{text}");
    assert_eq!(conf::SECRET_MAX, lubdub::wire::auth::SECRET_MAX);
}

#[test]
fn the_debugging_form_of_a_diagnostic_holds_no_secret() {
    let source = |file: usize, text| Source { name: ["ha.cf", "haresources", "authkeys"][file], text };
    let mut found = Diagnostics::new();
    let authkeys = source(2, "auth 3\n3 md5 redhat more\n");
    conf::read(source(0, SEED[0]), source(1, SEED[1]), authkeys, "node1.a.com", &mut found);
    assert!(found.iter().any(|diagnostic| diagnostic.file == "authkeys"));
    assert!(!format!("{found:?}").contains("redhat"), "{found:?}");
}

#[test]
fn the_end_of_a_file_is_before_a_carriage_return() {
    let text = outcome("node1.a.com", ["node node1.a.com node2.a.com\r", SEED[1], SEED[2]]);
    assert!(text.contains("ha.cf:1:29: error:") && !text.contains("ha.cf:1:30:"), "{text}");
}

#[test]
fn a_line_longer_than_heartbeat_reads_is_refused() {
    let fits = format!("{}#{}\n", SEED[1], "x".repeat(5117));
    assert!(outcome("node1.a.com", [SEED[0], &fits, SEED[2]]).contains("=> would run"));
    let long = format!("{}#{}\n", SEED[1], "x".repeat(5118));
    let text = outcome("node1.a.com", [SEED[0], &long, SEED[2]]);
    assert!(
        text.contains("haresources:4:5119: error: the line has 5119 bytes; Heartbeat cuts it after 5118"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() < 130), "the excerpt is cut: {text}");
}

#[test]
fn a_file_longer_than_64_kib_is_refused() {
    let mut fits = SEED[1].to_owned();
    fits.push_str(&"# x\n".repeat((conf::FILE_MAX - fits.len()) / 4));
    assert!(outcome("node1.a.com", [SEED[0], &fits, SEED[2]]).contains("=> would run"));
    fits.push_str("# x\n");
    let text = outcome("node1.a.com", [SEED[0], &fits, SEED[2]]);
    assert!(text.contains("haresources:1:1: error: the file has "), "{text}");
}

#[test]
fn diagnostics_beyond_the_limit_are_counted() {
    let wrong = "frobnicate 1\n".repeat(conf::DIAGNOSTICS_MAX + 10);
    let text = outcome("node1.a.com", [&format!("{}{wrong}", SEED[0]), SEED[1], SEED[2]]);
    assert!(text.contains("(and 11 more)"), "74 words and one missing cable, 64 kept: {text}");
}

#[test]
fn no_diagnostic_shows_a_secret() {
    let lines = [
        "3 md5 hunter2",
        "3 hunter2",
        "hunter2",
        "md5 hunter2",
        "3 md6 hunter2",
        "3 crc hunter2",
        "3 md5 x hunter2",
        "a hunter2",
        "auth hunter2",
        "16 md5 hunter2",
        "3 md5 #hunter2",
        "3 md5 hunter2\u{fffd}",
        "3 sha hunter2 x",
        "auth 3 hunter2",
        "3,md5,hunter2",
        "3 md5hunter2",
        "#3 md5 hunter2",
    ];
    for line in lines {
        for file in [format!("{line}\n"), format!("auth 3\n{line}\n"), format!("auth 1\n{line}\n{line}")] {
            let text = outcome("node1.a.com", [SEED[0], SEED[1], &file]);
            assert!(text.contains("authkeys:") || line.starts_with("3 md5 "), "{file:?}: {text}");
            assert!(!text.contains("hunter2"), "{file:?}: {text}");
        }
    }
}

#[test]
fn no_diagnostic_shows_the_password_of_a_fencing_device() {
    let lines = [
        "stonith_host * external/ipmi node2 192.168.1.2 hunter2",
        "stonith_host * ../ipmi hunter2",
        "stonith_host nobody external/ipmi hunter2",
        "stonith_host * external/ipmi hunter2\u{fffd}",
        "stonith external/ipmi /etc/ipmi hunter2",
        "stonith external/ipmi ipmi hunter2",
        "stonithhost * external/ipmi hunter2",
        "STONITH_HOST * external/ipmi hunter2",
    ];
    for line in lines {
        let ha_cf = format!("{}{line}\n", SEED[0]);
        let text = outcome("node1.a.com", [&ha_cf, SEED[1], SEED[2]]);
        assert!(text.contains("ha.cf:7:") || line.starts_with(lines[0]), "{line:?}: {text}");
        let shown = text.split("=> ").next().unwrap_or("");
        assert!(!shown.contains("hunter2"), "{line:?}: {text}");
    }
    let ha_cf = format!("{}{}\n", SEED[0], lines[0]);
    let mut found = Diagnostics::new();
    let source = |file: usize, text| Source { name: ["ha.cf", "haresources", "authkeys"][file], text };
    let config = conf::read(source(0, &ha_cf), source(1, SEED[1]), source(2, SEED[2]), "node1.a.com", &mut found);
    let config = config.expect("the files are good");
    assert_eq!(config.stonith.len(), 1);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn equal_meaning_has_an_equal_digest() {
    let digest = |haresources: &str, failback: &str| {
        let ha_cf = SEED[0].replace("auto_failback on", &format!("auto_failback {failback}"));
        let mut diagnostics = Diagnostics::new();
        let source = |name, text| Source { name, text };
        let (ha_cf, keys) = (source("ha.cf", &ha_cf), source("authkeys", SEED[2]));
        let config = conf::read(ha_cf, source("haresources", haresources), keys, "node2.a.com", &mut diagnostics);
        let mut bytes = Vec::new();
        config.expect("the files are good").digest_input(&mut |part| bytes.extend_from_slice(part));
        String::from_utf8(bytes).unwrap()
    };
    let plain = digest("node1.a.com 10.0.0.1/24 web::a\nnode2.a.com ftp\n", "on");
    assert_eq!(plain, "node1.a.com 10.0.0.1/24 web::a\nnode2.a.com ftp\nauto_failback on\n");
    let same = "# comment\n\n  NODE1.a.com\t10.0.0.1/24 \\\r\n  web::a # web\r\nNode2.A.com ftp";
    assert_eq!(digest(same, "yes"), plain);
    assert_eq!(digest(same, "legacy"), plain);
    for other in ["node1.a.com 10.0.0.1/24 web::a ftp\n", "node2.a.com ftp\nnode1.a.com 10.0.0.1/24 web::a\n"] {
        assert_ne!(digest(other, "on"), plain);
    }
    assert_ne!(digest(same, "off"), plain);
}

/// Marsaglia's xorshift64: the same numbers in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Xorshift) {
    const TELLING: &[u8] = b"\\\n\r#/:,.[]\t \0\xff09a'";
    let at = random.below(bytes.len() + 1);
    let byte = if random.below(3) == 0 { random.below(256) as u8 } else { TELLING[random.below(TELLING.len())] };
    match random.below(4) {
        0 => bytes.insert(at, byte),
        1 if at < bytes.len() => bytes[at] = byte,
        2 if at < bytes.len() => drop(bytes.remove(at)),
        _ => {
            let end = (at + random.below(12)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}
