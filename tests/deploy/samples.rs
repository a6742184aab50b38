//! The commented sample of /etc/ha.d would run, on both nodes, without a warning.

use super::{Folder, check, text};

fn put_sample(folder: &Folder) {
    for name in ["ha.cf", "haresources", "authkeys"] {
        folder.put(name, &text(&format!("deploy/ha.d/{name}")));
    }
}

#[test]
fn the_sample_is_accepted_on_both_nodes_without_a_warning() {
    let folder = Folder::new("sample");
    put_sample(&folder);
    for node in ["node1.a.com", "node2.a.com"] {
        assert_eq!(check(&folder, node), (true, String::new()), "{node}");
    }
    assert!(!check(&folder, "node3.a.com").0);
}

/// A line that is a comment is meant to be taken in by removing its `#`.
#[test]
fn what_the_sample_has_as_a_comment_is_accepted_too() {
    for (name, lines) in [("ha.cf", 5), ("haresources", 1)] {
        let folder = Folder::new(&format!("comments-{name}"));
        put_sample(&folder);
        let sample = text(&format!("deploy/ha.d/{name}"));
        let meant = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
        assert_eq!(sample.lines().filter(meant).count(), lines, "{name}");
        let taken_in: Vec<&str> =
            sample.lines().map(|line| if meant(&line) { line.trim_start_matches('#') } else { line }).collect();
        folder.put(name, &(taken_in.join("\n") + "\n"));
        let (would_run, said) = check(&folder, "node2.a.com");
        assert!(would_run, "{said}");
    }
}
