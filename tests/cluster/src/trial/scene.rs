//! A pair at peace, a client, and who is who.

use std::time::Duration;

use lubdub_lab::{Error, Judge, Lab, Node, Random, Result, Status, Verdict, now};

use super::{Lease, pass};
use crate::{FAILOVER, GROUP, SECOND, SOON, asking};

/// One round of a trial.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The pair.
    pub lab: &'a Lab,
    /// How it holds its VIP.
    pub lease: Lease,
    /// The client.
    pub judge: Judge,
    random: &'a mut Random,
    owner: usize,
}

impl<'a> Scene<'a> {
    /// Waits until the pair is at peace, and lets a random part of a keepalive or two pass.
    pub fn begin(lab: &'a Lab, lease: Lease, random: &'a mut Random) -> Result<Self> {
        let owner = at_peace(lab)?;
        let judge = asking(lab, &lab.nodes()[owner])?;
        let mut scene = Self { lab, lease, judge, random, owner };
        scene.pass_up_to(lease.deadtime());
        Ok(scene)
    }

    /// The number of the node that held the group when the round began.
    pub fn number(&self) -> usize {
        self.owner
    }

    /// The node that held the group when the round began.
    pub fn owner(&self) -> &'a Node {
        &self.lab.nodes()[self.owner]
    }

    /// The other one.
    pub fn standby(&self) -> &'a Node {
        &self.lab.nodes()[1 - self.owner]
    }

    /// Lets the time pass, while the client asks on.
    pub fn pass(&self, span: Duration) {
        pass(&self.judge, span);
    }

    /// A time at random, at most this.
    pub fn pass_up_to(&mut self, most: Duration) {
        let micros = self.random.below(most.as_micros() as usize) as u64;
        self.pass(Duration::from_micros(micros));
    }

    /// Which of so many things happens this time.
    pub fn choose(&mut self, among: usize) -> usize {
        self.random.below(among)
    }

    /// The standby has the VIP, and a client of its service has noticed.
    pub fn await_takeover(&self) -> Result<()> {
        let mac = self.standby().mac();
        self.judge.await_owner(mac, SOON)?;
        let answers = self.judge.look(|verdict| verdict.ping.answers);
        self.judge
            .await_verdict(SOON, |verdict| verdict.ping.answers > answers + 20)
            .ok_or_else(|| Error::new("the client of the service was not told of the move"))
    }

    /// For a while nobody answers but this node.
    pub fn stays(&self, node: &Node, span: Duration) -> Result<()> {
        crate::stays(&self.judge, node, span)
    }

    /// Waits until the standby's status is as wanted.
    pub fn await_standby(&self, wanted: impl Fn(&Status) -> bool) -> Result<()> {
        self.standby().await_status(SOON, wanted).map(drop)
    }

    /// An error unless the group is where it was when the round began.
    pub fn unmoved(&self) -> Result<()> {
        match at_peace(self.lab)? {
            owner if owner == self.owner => Ok(()),
            _ => Err(Error::new(format!("{} has it now", self.standby().name()))),
        }
    }

    /// An error unless the other node has the group now.
    pub fn moved(&self) -> Result<()> {
        match at_peace(self.lab)? {
            owner if owner != self.owner => Ok(()),
            _ => Err(Error::new(format!("{} has it still", self.owner().name()))),
        }
    }

    /// Waits for peace, and asks for as long again as a late second answer might take.
    pub fn end(self) -> Result<Verdict> {
        let owner = &self.lab.nodes()[at_peace(self.lab)?];
        self.judge.await_owner(owner.mac(), SOON)?;
        self.stays(owner, FAILOVER / 10)?;
        Ok(self.judge.verdict())
    }
}

/// Waits until one node, which it says, holds the group, the other has it stopped, and every link is up.
pub fn at_peace(lab: &Lab) -> Result<usize> {
    let deadline = now() + SOON + SECOND;
    loop {
        lab.await_whole(SOON)?;
        let states = lab.nodes().iter().map(crate::group_state).collect::<Result<Vec<_>>>()?;
        match [states[0].as_str(), states[1].as_str()] {
            ["held", "stopped"] => return Ok(0),
            ["stopped", "held"] => return Ok(1),
            _ if now() > deadline => return Err(Error::new(format!("no peace: {GROUP} is {states:?}"))),
            _ => {}
        }
    }
}
