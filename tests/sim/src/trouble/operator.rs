//! Operators, who may choose the worst moment, and boxes that come back as somebody else.

use crate::Side;
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::node::{Groups, Order, Untrusted};
use lubdub::time::Duration;
use lubdub::wire::auth::Method;

impl World {
    pub(super) fn command(&mut self, side: Side) {
        if !self.boxes[side].awake() {
            return;
        }
        let groups = self.scenario.preferred.len();
        let all: Groups = (1 << groups) - 1;
        let mask = match self.rng.below(3) {
            0 => all,
            1 => 1 << self.rng.index(groups),
            _ => 1 + self.rng.below(u64::from(all)) as Groups,
        };
        let (name, order) = match self.rng.below(8) {
            0..3 => ("takeover", Order::Takeover(mask)),
            3..6 => ("standby", Order::Standby(mask)),
            6 => ("withdraw", Order::Withdraw(mask)),
            _ => ("clear", Order::Clear(mask)),
        };
        self.tally.variety(Kind::Orders, name);
        self.after(Duration::ZERO, What::Orders { side, order });
        if self.rng.percent(15) {
            self.tally.variety(Kind::Orders, "the same on the other node too");
            let most = self.scenario.keepalive();
            let after = self.rng.magnitude(most);
            self.after(after, What::Orders { side: 1 - side, order });
        }
    }

    /// The box comes back as somebody not to be trusted.
    pub(super) fn become_stranger(&mut self, side: Side) {
        if self.boxes.iter().any(|it| it.mask.is_some()) || self.boxes[side].node.is_none() {
            return;
        }
        self.crash(side);
        let why = self.rng.pick(&[
            Untrusted::WrongKey,
            Untrusted::OtherCluster,
            Untrusted::SameName,
            Untrusted::DifferentHaresources,
            Untrusted::OtherVersion(0),
        ]);
        // With crc nobody has a wrong key.
        let crc = self.scenario.method == Method::Crc;
        let why = if crc && why == Untrusted::WrongKey { Untrusted::OtherCluster } else { why };
        self.tally.count(Kind::Stranger);
        self.tally.variety(Kind::Stranger, name(why));
        let life = self.boxes[side].life;
        let after = self.fault_span();
        self.after(after, What::Boots { side, life, mask: Some(why) });
    }
}

const fn name(why: Untrusted) -> &'static str {
    match why {
        Untrusted::WrongKey => "wrong key",
        Untrusted::OtherCluster => "other cluster",
        Untrusted::SameName => "same name",
        Untrusted::DifferentHaresources => "different haresources",
        Untrusted::OtherVersion(_) => "other version",
    }
}
