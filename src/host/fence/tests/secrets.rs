//! Passwords stay with the device.

use super::bench::{Bench, bench};

const SECRET: &str = "hunter2-swordfish";

#[test]
fn what_a_plugin_prints_of_its_parameters_is_not_logged() {
    bench(async |directory| {
        directory.plugin("talker", "set -x; env >&2; echo \"login $secret on $hosts\"; : $secret; exit 4");
        let mut node = Bench::new(&directory, &[("external/talker", &format!("beta {SECRET}"))]);
        node.begin();
        let (text, _) = node.failure().await;
        let logged = node.logged();
        assert!(logged.contains("external/talker: login ****** on beta"), "{logged}");
        assert!(logged.contains("secret=******") && logged.contains("hosts=beta"), "{logged}");
        assert!(!logged.contains("hunter2") && !text.contains("hunter2"), "{logged}\n{text}");
    });
}

#[test]
fn the_environment_carries_them_and_no_command_line_does() {
    bench(async |directory| {
        directory.plugin("reader", "tr '\\0' ' ' < /proc/$$/cmdline > $T/cmdline; echo \"$secret\" > $T/secret");
        let mut node = Bench::new(&directory, &[("external/reader", &format!("beta {SECRET} with blanks"))]);
        node.begin();
        assert_eq!(node.success().await, "external/reader");
        assert_eq!(directory.read("secret"), format!("{SECRET} with blanks\n"));
        let cmdline = directory.read("cmdline");
        assert!(cmdline.contains("external/reader reset beta") && !cmdline.contains(SECRET), "{cmdline}");
    });
}

#[test]
fn parameters_in_the_wrong_order_are_not_told_either() {
    bench(async |directory| {
        directory.plugin("swapped", "exit 0");
        let mut node = Bench::new(&directory, &[("external/swapped", &format!("{SECRET} beta"))]);
        node.begin();
        let (text, _) = node.failure().await;
        assert!(text.contains("beta is not among its hosts") && !text.contains(SECRET), "{text}");
        assert!(!node.logged().contains(SECRET));
    });
}
