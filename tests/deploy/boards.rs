//! Real boards: each folder of board/ with a fragment of ha.cf says where its facts are from, and the fragment is read.

use std::fs;

use super::{Folder, check, project};

const HARESOURCES: &str = "node1.a.com 192.168.20.100/24/eth0\n";
const AUTHKEYS: &str = "auth 1\n1 sha256 a-test\n";
const NODES: &str = "node node1.a.com\nnode node2.a.com\nauto_failback on\n";

#[test]
fn each_boards_fragment_is_a_whole_configuration_with_the_nodes() {
    let mut boards = 0;
    for entry in fs::read_dir(project().join("board")).unwrap() {
        let board = entry.unwrap().path();
        let Ok(fragment) = fs::read_to_string(board.join("ha.cf")) else { continue };
        boards += 1;
        let name = board.file_name().unwrap().to_string_lossy().into_owned();
        let folder = Folder::new(&format!("board-{name}"));
        folder.put("ha.cf", &format!("{fragment}{NODES}"));
        folder.put("haresources", HARESOURCES);
        folder.put("authkeys", AUTHKEYS);
        let (would_run, said) = check(&folder, "node1.a.com");
        assert!(would_run, "{name}: {said}");
        assert!(fragment.contains("\nserial /dev/tty"), "{name}: a board is about a serial port");

        let readme = fs::read_to_string(board.join("README.md")).unwrap_or_else(|why| panic!("{name}: {why}"));
        for part in ["## Port", "## Cable", "## Watchdog", "## Pitfalls", "## Sources"] {
            assert!(readme.contains(part), "{name}: no `{part}`");
        }
        let (facts, sources) = readme.split_once("## Sources").unwrap();
        let listed: Vec<&str> = sources
            .lines()
            .filter_map(|line| line.strip_prefix('['))
            .filter_map(|line| line.split(']').next())
            .collect();
        assert!(!listed.is_empty() && sources.contains("https://"), "{name}: no sources");
        for source in &listed {
            assert!(facts.contains(&format!("[{source}]")), "{name}: source {source} is of nothing");
        }
        // Whatever is said of a port or a watchdog is somebody's finding; of cables and pitfalls much is advice.
        for part in ["## Port", "## Watchdog"] {
            let (_, section) = facts.split_once(part).unwrap();
            let section = section.split("\n## ").next().unwrap();
            for fact in section.split("\n* ").skip(usize::from(section.trim_start().starts_with("* "))) {
                let sourced = fact.split('[').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
                assert!(sourced, "{name}: no source in {part}: {fact}");
            }
        }
        let cited = facts.split('[').skip(1).filter_map(|rest| rest.split(']').next());
        for cited in cited.filter(|cited| cited.bytes().all(|b| b.is_ascii_digit())) {
            assert!(listed.contains(&cited), "{name}: [{cited}] is not among the sources");
        }
    }
    assert!(boards >= 4, "{boards} boards");
}
