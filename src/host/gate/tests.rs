mod lan;
mod measure;

use std::io;

use super::message::kind;
use super::*;
use crate::host::netlink::namespace::{inside, ip};
use lan::{VIPS, vip, with_lan};

fn all() -> Vec<IpAddr> {
    (0..VIPS.len()).map(vip).collect()
}

fn open() -> Gate {
    Gate::open(&all()).unwrap()
}

fn in_millis(millis: u64) -> Instant {
    clock::now() + Duration::from_millis(millis)
}

/// Longer than any of these tests.
fn long() -> Instant {
    in_millis(60_000)
}

fn admit_all(gate: &mut Gate, until: Instant) {
    for address in all() {
        gate.admit(address, until).unwrap();
    }
}

/// What `nft flush ruleset` sends.
fn flush_ruleset() {
    let mut kernel = Nfnetlink::new().unwrap();
    let mut batch = Batch::with_capacity(256);
    batch.begin(kernel.next_sequence(), None);
    batch.message(kind::DELETE_TABLE, 0, 0, |_| {});
    batch.end();
    assert_eq!(kernel.transact(&batch, &mut |_, error| panic!("{error}")).unwrap(), Verdict::Done);
}

/// Somebody else's table, in a transaction of its own.
fn change_by_others(name: &str) {
    let mut kernel = Nfnetlink::new().unwrap();
    let mut batch = Batch::with_capacity(256);
    batch.begin(kernel.next_sequence(), None);
    batch.message(kind::NEW_TABLE, crate::host::netlink::NLM_F_CREATE, 2, |body| body.text(1, name));
    batch.end();
    assert_eq!(kernel.transact(&batch, &mut |_, error| panic!("{error}")).unwrap(), Verdict::Done);
}

/// Waits for the last moment of a lease, as the kernel counts it.
fn lapse(gate: &mut Gate, address: IpAddr) {
    let end = in_millis(5_000);
    while gate.remaining().unwrap().iter().any(|(open, _)| *open == address) {
        assert!(clock::now() < end, "{address} never lapses");
    }
}

#[test]
fn answers_while_open_and_says_nothing_while_closed() {
    with_lan(|lan| {
        let mut gate = open();
        for address in all() {
            assert!(lan.answers(address), "not gated yet");
            gate.admit(address, long()).unwrap();
            assert!(lan.answers(address), "open");
            gate.close(address).unwrap();
            assert!(!lan.answers(address), "closed");
            gate.close(address).unwrap();
            gate.release(address).unwrap();
            assert!(lan.answers(address), "released");
            gate.release(address).unwrap();
        }
        gate.close(vip(0)).unwrap();
        gate.remove().unwrap();
        assert!(lan.answers(vip(0)), "without a gate");
    });
}

#[test]
fn what_a_former_life_closed_is_open_again_when_it_is_cleared() {
    with_lan(|lan| {
        let mut former = open();
        former.close(vip(0)).unwrap();
        drop(former);
        assert!(!lan.answers(vip(0)), "the tables outlive the daemon");
        Gate::clear(&all()).unwrap();
        assert!(lan.answers(vip(0)), "cleared");
        Gate::clear(&all()).unwrap();
    });
}

#[test]
fn one_address_does_not_open_another() {
    with_lan(|lan| {
        let mut gate = open();
        for address in all() {
            gate.close(address).unwrap();
        }
        gate.admit(vip(1), long()).unwrap();
        gate.admit(vip(2), long()).unwrap();
        assert_eq!(all().iter().map(|a| lan.answers(*a)).collect::<Vec<_>>(), [false, true, true, false]);
    });
}

#[test]
fn the_kernels_own_questions_do_not_teach_a_closed_vip() {
    with_lan(|lan| {
        for (setting, value) in [("retrans_time_ms", "20"), ("mcast_solicit", "20")] {
            std::fs::write(format!("/proc/sys/net/ipv4/neigh/eth0/{setting}"), value).unwrap();
        }
        let mut gate = open();
        gate.admit(vip(0), long()).unwrap();
        // Two packets to stations that are not there: the kernel asks for those with the packets' source as its own.
        lan.ear(vip(0)).send_to(b"?", "192.168.20.77:7").unwrap();
        assert_eq!(lan.next_claim(), vip(0));
        gate.close(vip(0)).unwrap();
        lan.ear(vip(1)).send_to(b"?", "192.168.20.78:7").unwrap();
        let mut after = 0;
        let mut asked = 0;
        while asked < 8 {
            match lan.next_claim() {
                claimed if claimed == vip(0) => after += 1,
                claimed => asked += u32::from(claimed == vip(1)),
            }
        }
        // One may have been on its way.
        assert!(after <= 1, "{after} questions from a closed VIP");
    });
}

#[test]
fn renewed_in_time_it_stays_and_expired_it_is_not_opened_again() {
    with_lan(|lan| {
        let mut gate = open();
        admit_all(&mut gate, in_millis(500));
        let end = in_millis(1_200);
        while clock::now() < end {
            let renewal = gate.renew(&all(), in_millis(500)).unwrap();
            assert_eq!((renewal.lapsed, renewal.rebuilt), (&[][..], false));
            assert!(lan.claims(vip(0)) && lan.hears(vip(2)));
        }
        gate.renew(&all(), long()).unwrap();
        for address in [vip(1), vip(2)] {
            gate.admit(address, in_millis(20)).unwrap();
        }
        lapse(&mut gate, vip(1));
        lapse(&mut gate, vip(2));
        let renewal = gate.renew(&all(), long()).unwrap();
        let mut lapsed = renewal.lapsed.to_vec();
        lapsed.sort();
        assert_eq!((lapsed, renewal.rebuilt), (vec![vip(1), vip(2)], false));
        let answering = |lan: &lan::Lan| all().iter().map(|a| lan.answers(*a)).collect::<Vec<_>>();
        assert_eq!(answering(lan), [true, false, false, true]);
        assert_eq!(gate.renew(&[vip(1)], long()).unwrap().lapsed, [vip(1)]);
        gate.admit(vip(1), long()).unwrap();
        assert_eq!(answering(lan), [true, true, false, true]);
    });
}

#[test]
fn a_time_that_is_over_closes() {
    with_lan(|lan| {
        let mut gate = open();
        gate.admit(vip(0), long()).unwrap();
        assert_eq!(gate.renew(&[vip(0)], clock::now()).unwrap().lapsed, [vip(0)]);
        assert!(!lan.answers(vip(0)));
        gate.admit(vip(0), clock::now()).unwrap();
        assert!(!lan.answers(vip(0)));
    });
}

#[test]
fn a_new_life_adopts_what_is_open() {
    with_lan(|lan| {
        let mut gate = open();
        gate.admit(vip(0), in_millis(30_000)).unwrap();
        gate.admit(vip(3), in_millis(20_000)).unwrap();
        gate.close(vip(1)).unwrap();
        drop(gate);
        assert_eq!(all().iter().map(|a| lan.answers(*a)).collect::<Vec<_>>(), [true, false, true, true]);
        let mut gate = open();
        let remaining = gate.remaining().unwrap();
        assert_eq!(remaining.iter().map(|(address, _)| *address).collect::<Vec<_>>(), [vip(0), vip(3)]);
        let seconds = [29, 19];
        for ((_, left), second) in remaining.iter().zip(seconds) {
            assert!(*left <= Duration::from_secs(second + 1) && *left > Duration::from_secs(second - 5), "{left:?}");
        }
        assert_eq!(all().iter().map(|a| lan.answers(*a)).collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!(gate.renew(&[vip(0), vip(3)], long()).unwrap(), Renewal { lapsed: &[], rebuilt: false });
        assert!(gate.remaining().unwrap()[1].1 > Duration::from_secs(50));
    });
}

#[test]
fn a_flushed_ruleset_is_noticed_and_rebuilt_without_a_new_lease_for_what_had_none() {
    with_lan(|lan| {
        let mut gate = open();
        gate.admit(vip(0), long()).unwrap();
        gate.admit(vip(1), in_millis(10)).unwrap();
        gate.close(vip(2)).unwrap();
        lapse(&mut gate, vip(1));
        // The last of its jiffies, too, is over by the daemon's own clock.
        while gate.leases.iter().any(|lease| lease.address == vip(1) && lease.until > clock::now()) {}
        flush_ruleset();
        assert!(lan.answers(vip(2)), "nothing gates it now");
        assert_eq!(gate.renew(&[vip(0), vip(1)], long()).unwrap(), Renewal { lapsed: &[vip(1)], rebuilt: true });
        assert_eq!(all().iter().map(|a| lan.answers(*a)).collect::<Vec<_>>(), [true, false, false, true]);
        assert_eq!(gate.renew(&[vip(0)], long()).unwrap(), Renewal { lapsed: &[], rebuilt: false });
        flush_ruleset();
        gate.close(vip(0)).unwrap();
        assert!(!lan.answers(vip(0)));
        gate.admit(vip(1), long()).unwrap();
        assert!(gate.renew(&[vip(1)], long()).unwrap().rebuilt, "told later");
    });
}

/// Packets that IPVS has taken in so far, of all processors (net/netfilter/ipvs/ip_vs_ctl.c, `ip_vs_stats_percpu_show`).
fn taken_by_ipvs() -> u64 {
    let stats = std::fs::read_to_string("/proc/thread-self/net/ip_vs_stats_percpu").unwrap();
    let rows = stats.lines().skip(2).take_while(|row| !row.trim_start().starts_with('~'));
    rows.map(|row| u64::from_str_radix(row.split_whitespace().nth(2).unwrap(), 16).unwrap()).sum()
}

#[test]
#[ignore = "needs a kernel with ip_vs, and ipvsadm"]
fn ipvs_works_while_open_and_gets_nothing_while_closed() {
    with_lan(|lan| {
        for rule in ["-A -u 192.168.20.100:7777 -s rr", "-a -u 192.168.20.100:7777 -r 192.168.20.1:7777 -g"] {
            assert!(std::process::Command::new("ipvsadm").args(rule.split(' ')).status().unwrap().success());
        }
        let mut gate = open();
        let taken = || {
            let before = taken_by_ipvs();
            assert!(!lan.hears(vip(0)), "a real server's");
            taken_by_ipvs() - before
        };
        assert_eq!(taken(), 1, "not gated");
        gate.admit(vip(0), long()).unwrap();
        assert_eq!(taken(), 1, "open");
        gate.close(vip(0)).unwrap();
        assert_eq!(taken(), 0, "closed");
    });
}

#[test]
fn rules_that_were_taken_away_or_added_are_put_right() {
    with_lan(|lan| {
        let mut gate = open();
        gate.admit(vip(0), long()).unwrap();
        gate.close(vip(1)).unwrap();
        for table in tables(vip(1)) {
            let others = Nfnetlink::new().unwrap();
            gate.batch.begin(others.next_sequence(), None);
            gate.batch.message(kind::DELETE_RULE, 0, table.family, |body| body.text(1, "lubdub"));
            gate.batch.end();
            let mut others = others;
            assert_eq!(others.transact(&gate.batch, &mut |_, error| panic!("{error}")).unwrap(), Verdict::Done);
            assert!(gate.renew(&[vip(0)], long()).unwrap().rebuilt);
            assert!(lan.answers(vip(0)) && !lan.answers(vip(1)));
        }
        // A predecessor's that crashed, too.
        drop(gate);
        let mut others = Gate::unbuilt(&all()).unwrap();
        others.begin(None);
        others.tables[1].fill(&mut others.batch);
        others.batch.message(kind::DELETE_RULE, 0, others.tables[0].family, |body| body.text(1, "lubdub"));
        others.batch.end();
        assert_eq!(others.outcome().unwrap().0, Verdict::Done);
        assert!(lan.claims(vip(1)) && !lan.hears(vip(1)));
        let mut gate = open();
        assert!(lan.answers(vip(0)) && !lan.answers(vip(1)));
        assert!(!gate.renew(&[vip(0)], long()).unwrap().rebuilt);
    });
}

#[test]
fn a_table_of_another_form_is_replaced_and_what_is_open_stays_open() {
    with_lan(|lan| {
        let mut gate = open();
        gate.admit(vip(0), long()).unwrap();
        gate.close(vip(1)).unwrap();
        flush_ruleset();
        let mut others = Gate::unbuilt(&all()).unwrap();
        others.begin(None);
        others.batch.message(kind::NEW_TABLE, crate::host::netlink::NLM_F_CREATE, 2, |body| body.text(1, "lubdub"));
        // A chain without a hook where there should be one with.
        others.batch.message(kind::NEW_CHAIN, crate::host::netlink::NLM_F_CREATE, 2, |body| {
            body.text(1, "lubdub");
            body.text(3, "input");
        });
        others.batch.end();
        assert_eq!(others.outcome().unwrap().0, Verdict::Done);
        assert_eq!(gate.renew(&[vip(0)], long()).unwrap(), Renewal { lapsed: &[], rebuilt: true });
        assert!(lan.answers(vip(0)) && !lan.answers(vip(1)));
    });
}

#[test]
fn other_peoples_changes_cost_a_look_and_no_lease() {
    with_lan(|lan| {
        let mut gate = open();
        gate.admit(vip(0), long()).unwrap();
        for name in ["one", "two", "three"] {
            change_by_others(name);
            assert_eq!(gate.renew(&[vip(0)], long()).unwrap(), Renewal { lapsed: &[], rebuilt: false });
        }
        assert!(lan.answers(vip(0)));
        let generation = gate.kernel.generation().unwrap();
        assert_eq!(gate.generation, generation, "the next renewal is one transaction");
        gate.renew(&[vip(0)], long()).unwrap();
        assert_eq!(gate.kernel.generation().unwrap(), generation + 1);
    });
}

#[test]
fn a_trial_changes_nothing() {
    inside(|| {
        let mut kernel = Nfnetlink::new().unwrap();
        let before = kernel.generation().unwrap();
        assert_eq!(supported(&all()), Ok(()));
        assert_eq!(kernel.generation().unwrap(), before);
        let used: Vec<&Table> = tables(vip(0)).iter().collect();
        assert!(!inventory::intact(&mut kernel, &used).unwrap(), "there is no table");
        open().remove().unwrap();
        open().remove().unwrap();
    });
}

#[test]
fn what_the_kernel_lacks_is_said_in_words() {
    let said = |errno| unsupported(&io::Error::from_raw_os_error(errno));
    assert!(said(libc::EPERM).contains("CAP_NET_ADMIN"));
    assert!(said(libc::EPROTONOSUPPORT).contains("CONFIG_NETFILTER_NETLINK"));
    assert!(said(libc::EINVAL).contains("CONFIG_NF_TABLES"));
    assert!(said(libc::EAFNOSUPPORT).contains("CONFIG_NF_TABLES_ARP"));
}

#[test]
fn a_thousand_addresses_fit_in_one_renewal() {
    inside(|| {
        ip("link set lo up");
        let many: Vec<IpAddr> = (0..500_u16)
            .flat_map(|n| {
                let [high, low] = n.to_be_bytes();
                [IpAddr::from([10, 0, high, low]), IpAddr::from([0xfd20, 0, 0, 0, 0, 0, 0, n])]
            })
            .collect();
        let mut gate = Gate::open(&many).unwrap();
        for address in &many {
            gate.admit(*address, long()).unwrap();
        }
        let renewal = gate.renew(&many, long()).unwrap();
        assert_eq!((renewal.lapsed.len(), renewal.rebuilt), (0, false));
        assert_eq!(gate.remaining().unwrap().len(), many.len());
    });
}
