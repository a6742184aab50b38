//! One heartbeat link fails while the other one works: nothing moves, and both nodes say that they are degraded.

use lubdub_cluster_tests::{
    ETHERNET, FAILOVER, SECOND, SERIAL, SERVICE, appliance, asking, exit_code, nothing_moved, running, sh, stays,
};
use lubdub_lab::{Fault, Lab, Result};

#[test]
fn the_cable_is_cut() -> Result<()> {
    one_link_fails(SERIAL, |lab, works| {
        if works {
            lab.cable().mend()
        } else {
            lab.cable().cut()
        }
        Ok(())
    })
}

#[test]
fn the_crossover_is_silent() -> Result<()> {
    one_link_fails(ETHERNET, |lab, works| if works { lab.crossover().mend() } else { lab.crossover().cut() })
}

#[test]
fn the_crossover_is_pulled_out() -> Result<()> {
    one_link_fails(ETHERNET, |lab, works| {
        if works {
            lab.crossover().replug()
        } else {
            lab.crossover().unplug()
        }
        Ok(())
    })
}

#[test]
fn the_interface_goes_down_and_up() -> Result<()> {
    one_link_fails(ETHERNET, |lab, works| {
        let state = if works { "up" } else { "down" };
        sh(lab.node2(), &format!("ip link set eth1 {state}")).map(drop)
    })
}

fn one_link_fails(link: &str, make_it_work: impl Fn(&Lab, bool) -> Result<()>) -> Result<()> {
    let lab = running(appliance())?;
    let [one, two] = lab.nodes();
    let judge = asking(&lab, one)?;
    make_it_work(&lab, false)?;
    for node in lab.nodes() {
        let status = node.await_status(FAILOVER * 2, |status| status.link(link).is_some_and(|l| l.state == "down"))?;
        assert!(status.peer_alive(), "{status:?}");
        assert!(status.link(link).is_some_and(|link| link.why.is_some()), "{status:?}");
        assert_eq!(exit_code(node, "lubdub status")?, Some(1));
    }
    stays(&judge, one, SECOND)?;
    make_it_work(&lab, true)?;
    lab.await_whole(SECOND * 10)?;
    for node in lab.nodes() {
        assert_eq!(exit_code(node, "lubdub status")?, Some(0));
    }
    nothing_moved(judge, one)?;
    assert_eq!(one.script(SERVICE).moves(), ["start"]);
    assert_eq!(two.script(SERVICE).moves(), [""; 0]);
    Ok(())
}

#[test]
fn one_direction_of_the_cable_is_lost() -> Result<()> {
    let lab = running(appliance())?;
    let judge = asking(&lab, lab.node1())?;
    for from in [0, 1] {
        lab.cable().set_fault(from, Fault::Cut);
        for node in lab.nodes() {
            node.await_status(FAILOVER * 2, |status| status.link(SERIAL).is_some_and(|link| link.state == "one-way"))?;
        }
        lab.cable().mend();
        lab.await_whole(SECOND * 10)?;
    }
    nothing_moved(judge, lab.node1()).map(drop)
}
