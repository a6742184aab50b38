//! A machine that has no time: nobody is taken for dead.

use lubdub_cluster_tests::{SECOND, appliance, asking, nothing_moved, running, settled, stays};
use lubdub_lab::Result;

#[test]
fn programs_that_never_sleep_on_both_nodes() -> Result<()> {
    let lab = running(appliance())?;
    let judge = asking(&lab, lab.node1())?;
    for node in lab.nodes() {
        node.exec(&["sh", "-c", "for n in 1 2; do timeout 4 sh -c 'while :; do :; done' & done"])?.ok()?;
    }
    stays(&judge, lab.node1(), SECOND * 4)?;
    for node in lab.nodes() {
        assert!(node.status()?.peer_alive());
    }
    settled(&lab, lab.node1())?;
    nothing_moved(judge, lab.node1()).map(drop)
}
