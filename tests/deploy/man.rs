//! The man pages name everything that there is.

use super::{help, text};

/// The words of `const NAME` in a source, which are strings.
fn words(source: &str, name: &str) -> Vec<String> {
    let (_, rest) = source.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("no {name}"));
    let (_, rest) = rest.split_once("= [").unwrap();
    let (list, _) = rest.split_once("];").unwrap();
    let words: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!words.is_empty(), "{name}");
    words
}

#[test]
fn every_directive_is_in_the_page_of_ha_cf_and_no_other() {
    let source = text("src/conf/directive.rs");
    let mut known = words(&source, "READ");
    known.extend(words(&source, "OURS"));
    let page = text("deploy/man/lubdub-ha.cf.5");
    let mut described: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".It Ic "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    known.sort();
    described.sort_unstable();
    assert_eq!(described, known);
}

#[test]
fn bounds_and_rates_are_those_of_the_sources() {
    let page = text("deploy/man/lubdub-ha.cf.5");
    let option = text("src/conf/option.rs");
    let (_, rates) = option.split_once("const BAUDS").and_then(|(_, rest)| rest.split_once("= [")).unwrap();
    let (rates, _) = rates.split_once(']').unwrap();
    for rate in rates.split(',').map(|rate| rate.trim().replace('_', "")) {
        assert!(page.contains(&rate), "{rate}");
    }
    let haresources = text("deploy/man/lubdub-haresources.5");
    let authkeys = text("deploy/man/lubdub-authkeys.5");
    let bounds = [
        (&page, format!("{} at most, serial and broadcast", lubdub::conf::LINKS_MAX)),
        (&page, format!("at most {} bytes; case", lubdub::conf::NODE_NAME_MAX)),
        (&page, format!("name of the pair, at most {} bytes", lubdub::conf::CLUSTER_NAME_MAX)),
        (&page, format!("name of at most {} bytes", lubdub::conf::INTERFACE_NAME_MAX)),
        (&page, format!("At most {} for a node", lubdub::conf::STONITH_MAX)),
        (&page, format!("At most {} addresses", lubdub::conf::PINGS_MAX)),
        (&page, format!("the file at most {} KiB", lubdub::conf::FILE_MAX / 1024)),
        (
            &haresources,
            format!("At most {} groups of {} resources", lubdub::conf::GROUPS_MAX, lubdub::conf::RESOURCES_MAX),
        ),
        (&authkeys, format!("from 0 to {}, each once", lubdub::conf::KEYS_MAX - 1)),
        (&authkeys, format!("one word of at most {} bytes", lubdub::conf::SECRET_MAX)),
    ];
    for (page, bound) in bounds {
        assert!(page.contains(&bound), "not in the page: {bound}");
    }
}

#[test]
fn every_method_is_in_the_page_of_authkeys() {
    let page = text("deploy/man/lubdub-authkeys.5");
    for method in words(&text("src/conf/authkeys.rs"), "METHODS") {
        assert!(page.contains(&format!(".It Cm {method}\n")), "{method}");
    }
}

#[test]
fn every_command_and_option_is_in_the_page_of_lubdub() {
    let page = text("deploy/man/lubdub.8");
    let (synopsis, described) = page.split_once(".Sh DESCRIPTION").unwrap();
    for (command, options) in help::commands() {
        // `fence` alone is none.
        if !command.is_empty() && command != "fence" {
            assert!(described.contains(&format!(".It Cm {command}\n")), "{command} is not described");
            let shown = command.split(' ').all(|word| synopsis.contains(word));
            assert!(shown, "{command} is not in the synopsis");
        }
        for option in options {
            let option = option.trim_start_matches("--");
            let described = described.lines().any(|line| {
                line.starts_with(".It Fl ") && line.split(' ').any(|word| word.trim_start_matches('-') == option)
            });
            assert!(described, "--{option} of `{command}` is not described");
        }
    }
}

/// What sysexits.h and the main module say that the program ends with.
#[test]
fn every_exit_code_is_in_the_page_of_lubdub() {
    let page = text("deploy/man/lubdub.8");
    let (_, codes) = page.split_once(".Sh EXIT STATUS").unwrap();
    for code in ["0", "1", "64", "65", "69", "71", "75", "77", "78"] {
        assert!(codes.contains(&format!(".It {code}\n")), "{code}");
    }
}
