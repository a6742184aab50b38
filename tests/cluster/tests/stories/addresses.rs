//! VIPs that need more than an IPv4 address to be added: IPv6, several of them, one that a stranger has already.

use lubdub_cluster_tests::{FAILOVER, SOON, appliance, exit_code, running, says, sh};
use lubdub_lab::{Lab, Pair, Result};

const GROUP: &str = "192.168.20.100/24/eth0";
const SIX: &str = "2001:db8:20::100";

#[test]
fn ipv6_and_several_vips_move_together() -> Result<()> {
    let line = format!("node1.a.com {GROUP} 192.168.20.101/24/eth0 {SIX}/64/eth0 [2001:db8:20::101]/64/eth0\n");
    let lab = running(Pair::appliance().with_haresources(&line))?;
    let [one, two] = lab.nodes();
    let shown = sh(one, "ip address show dev eth0")?;
    for part in ["192.168.20.100/24", "eth0:0", "192.168.20.101/24", "eth0:1", SIX, "2001:db8:20::101/64"] {
        assert!(shown.contains(part), "no {part} in:\n{shown}");
    }
    assert_eq!(tentative(&shown), 0, "a takeover does not wait for duplicate address detection:\n{shown}");
    one.power_off()?;
    two.await_status(FAILOVER * 2, |status| status.holds(GROUP))?;
    let shown = sh(two, "ip address show dev eth0")?;
    assert!(shown.contains(SIX) && shown.contains("eth0:1") && tentative(&shown) == 0, "{shown}");
    assert_eq!(exit_code(two, "lubdub standby")?, Some(1), "nobody is left to give it to");
    Ok(())
}

fn tentative(shown: &str) -> usize {
    shown.lines().filter(|line| line.contains("2001:db8") && line.contains("tentative")).count()
}

#[test]
fn an_ipv6_vip_removed_by_hand_is_put_back() -> Result<()> {
    let lab = running(Pair::appliance().with_haresources(&format!("node1.a.com {GROUP} {SIX}/64/eth0\n")))?;
    let one = lab.node1();
    sh(one, &format!("ip address del {SIX}/64 dev eth0"))?;
    says(one, "put back")?;
    assert!(sh(one, "ip -6 address show dev eth0")?.contains(SIX));
    assert!(sh(one, "lubdub status; true")?.contains("put back: 1"));
    Ok(())
}

/// The client has the VIP already, before anybody starts.
#[test]
fn a_vip_that_a_stranger_has_is_an_alarm() -> Result<()> {
    let lab = Lab::new(appliance())?;
    let interface = lab
        .client_exec(&["sh", "-c", "ip -o -4 address | sed -n 's/.*: \\([^ ]*\\) .*192.168.20.1\\/.*/\\1/p'"], SOON)?;
    let interface = interface.ok()?.trim().to_owned();
    lab.client_exec(&["ip", "address", "add", "192.168.20.100/32", "dev", &interface], SOON)?.ok()?;
    lab.boot()?;
    says(lab.node1(), "ALARM VIP 192.168.20.100 is used by")?;
    // What comes first in the list of what is wrong is shown: everything else has to be well.
    lab.await_whole(SOON)?;
    assert_eq!(exit_code(lab.node1(), "lubdub status")?, Some(1));
    assert!(sh(lab.node1(), "lubdub status; true")?.contains("is used by"));
    Ok(())
}
