//! The command line as `--help` tells it.

use std::collections::BTreeMap;

use super::lubdub;

/// Every command, `fence confirm` being one, with its options; the empty one is lubdub itself.
pub fn commands() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![String::new()];
    while let Some(command) = todo.pop() {
        let help = lubdub().args(command.split_whitespace()).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let section = |title| {
            let lines = help.lines().skip_while(move |line| *line != title).skip(1);
            // A description that goes on is further to the right.
            lines.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  ") && !line.starts_with("    "))
        };
        let option = |line: &str| line.split([' ', ',']).find(|word| word.starts_with("--")).map(str::to_owned);
        let subcommands = section("Commands:").filter_map(|line| line.split_whitespace().next());
        todo.extend(subcommands.map(|name| format!("{command} {name}").trim().to_owned()));
        found.insert(command, section("Options:").filter_map(option).collect());
    }
    found
}

#[test]
fn help_is_read_to_its_leaves() {
    let commands = commands();
    assert!(commands["run"].contains(&"--config-dir".to_owned()), "{commands:?}");
    assert!(commands.contains_key("fence confirm") && commands[""].contains(&"--version".to_owned()), "{commands:?}");
}
