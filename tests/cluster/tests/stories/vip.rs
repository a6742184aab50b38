//! The VIP on its interface: somebody takes it away, and what else happens to an address.

use lubdub_cluster_tests::{
    FAILOVER, GROUP, SERVICE, SOON, UNNOTICED, appliance, asking, gap, running, said, says, settled, sh, verdict_with,
};
use lubdub_lab::{Lab, Pair, Result, VIP};

#[test]
fn removed_by_hand_it_is_put_back() -> Result<()> {
    put_back("ip addr del 192.168.20.100/24 dev eth0")
}

#[test]
fn removed_with_its_primary_address_it_is_put_back() -> Result<()> {
    put_back("echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries || true; ip addr del 192.168.20.10/24 dev eth0")
}

#[test]
fn flushed_it_is_put_back() -> Result<()> {
    // It cannot be done: ip(8) gives up after ten rounds.
    put_back("ip addr flush dev eth0 || true")
}

fn put_back(how: &str) -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    // The burst of the start is over, so that what is announced from here on is the return.
    judge.await_verdict(SOON, |verdict| verdict.asked > 3_000).unwrap();
    sh(one, how)?;
    judge.await_owner(one.mac(), SOON)?;
    let verdict = verdict_with(judge, one)?;
    assert!(gap(how, &verdict) < FAILOVER);
    assert_eq!(verdict.doubles, []);
    assert!(one.has_address(VIP));
    let addresses = sh(one, "ip -o -4 addr show dev eth0")?;
    assert!(addresses.contains(" brd 192.168.20.255 ") && addresses.contains(" eth0:0"), "{addresses}");
    assert!(verdict.announcements.iter().all(|a| a.mac == one.mac()));
    assert_eq!(one.script(SERVICE).moves(), ["start"], "the service behind it is left alone");
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    settled(&lab, one)
}

#[test]
fn a_label_too_long_is_left_out_with_one_warning() -> Result<()> {
    const LONG: &str = "a-service-lan0";
    let pair = Pair::appliance().with_haresources(&format!("node1.a.com 192.168.20.100/24/{LONG}\n"));
    let lab = Lab::new(pair)?;
    let [one, two] = lab.nodes();
    for node in lab.nodes() {
        sh(node, &format!("ip link set eth0 down && ip link set eth0 name {LONG} && ip link set {LONG} up"))?;
    }
    lab.boot()?;
    let key = format!("192.168.20.100/24/{LONG}");
    lab.await_held(&key, one, SOON)?;
    let addresses = sh(one, &format!("ip -o -4 addr show dev {LONG}"))?;
    let vip = addresses.lines().find(|line| line.contains(" 192.168.20.100/24 ")).unwrap_or_default();
    assert!(vip.contains(" brd 192.168.20.255 ") && !vip.contains(&format!("{LONG}:")), "{addresses}");
    let judge = asking(&lab, one)?;
    one.stop()?;
    assert_eq!(verdict_with(judge, two)?.doubles, []);
    says(two, "15 characters")?;
    assert_eq!(said(two, "15 characters"), 1);
    Ok(())
}

#[test]
fn every_taker_announces_it_in_both_forms() -> Result<()> {
    let lab = running(Pair::appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    one.power_off()?;
    let verdict = verdict_with(judge, two)?;
    let by_two = |reply| verdict.announcements.iter().filter(|a| a.mac == two.mac() && a.reply == reply).count();
    assert!(by_two(false) >= 1 && by_two(true) >= 1, "{:?}", verdict.announcements);
    assert!(verdict.gap() < verdict.arp.longest() + UNNOTICED, "the client was told at once");
    two.await_status(SOON, |status| status.holds(GROUP)).map(drop)
}
