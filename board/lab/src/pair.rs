//! The configuration of the two appliances: the files that both find in /etc/ha.d.

use std::path::PathBuf;

/// The tutorial's ha.cf, byte for byte.
pub const TUTORIAL_HA_CF: &str = include_str!("../tutorial/ha.d/ha.cf");
/// The tutorial's haresources, byte for byte.
pub const TUTORIAL_HARESOURCES: &str = include_str!("../tutorial/ha.d/haresources");
/// The tutorial's authkeys, byte for byte.
pub const TUTORIAL_AUTHKEYS: &str = include_str!("../tutorial/ha.d/authkeys");
/// What `ipvsadm-save` wrote to /etc/sysconfig/ipvsadm in the tutorial.
pub const TUTORIAL_IPVSADM: &str = include_str!("../tutorial/ipvsadm.rules");

/// What turns the tutorial's cluster into an appliance; `baud` must come before `serial`.
const APPLIANCE: &str = "\
baud 115200
serial /dev/ttyS1
keepalive 100ms
warntime 200ms
deadtime 300ms
initdead 3
";

/// Two appliances with the same files. Change the fields before handing it to [`crate::Lab::new`].
#[derive(Clone, Debug)]
pub struct Pair {
    /// /etc/ha.d/ha.cf
    pub ha_cf: String,
    /// /etc/ha.d/haresources
    pub haresources: String,
    /// /etc/ha.d/authkeys
    pub authkeys: String,
    /// Permission bits of authkeys; anything but the owner's is refused.
    pub authkeys_mode: u32,
    /// /etc/sysconfig/ipvsadm
    pub ipvsadm_rules: String,
    /// Executables in /etc/ha.d/resource.d: name and text. See [`crate::script`].
    pub resource_d: Vec<(String, String)>,
    /// The daemon's file; `None` is `$LUBDUB_BIN`, or else what cargo builds.
    pub daemon: Option<PathBuf>,
    /// The crossover is a hub of the lab's own, which can lose frames ([`crate::Crossover::set_loss`]) and is slower.
    pub hub: bool,
}

impl Pair {
    /// Configuration A: the tutorial's files byte for byte, heartbeats on eth1 alone, Heartbeat's default times.
    pub fn tutorial() -> Self {
        Self {
            ha_cf: TUTORIAL_HA_CF.into(),
            haresources: TUTORIAL_HARESOURCES.into(),
            authkeys: TUTORIAL_AUTHKEYS.into(),
            authkeys_mode: 0o600,
            ipvsadm_rules: TUTORIAL_IPVSADM.into(),
            resource_d: Vec::new(),
            daemon: None,
            hub: false,
        }
    }

    /// Configuration B: A with the null-modem cable and deadtime 300 ms.
    pub fn appliance() -> Self {
        let mut pair = Self::tutorial();
        pair.ha_cf = pair.ha_cf.replacen("bcast eth1", &format!("{APPLIANCE}bcast eth1"), 1);
        pair
    }

    /// The same with other lines in haresources.
    pub fn with_haresources(mut self, text: &str) -> Self {
        self.haresources = text.into();
        self
    }

    /// The same with something replaced in ha.cf, which has to be there.
    pub fn with_ha_cf(mut self, from: &str, to: &str) -> Self {
        assert!(self.ha_cf.contains(from), "ha.cf has no {from:?}");
        self.ha_cf = self.ha_cf.replacen(from, to, 1);
        self
    }

    /// The same with one more script in resource.d.
    pub fn with_script(mut self, name: &str, text: String) -> Self {
        self.resource_d.push((name.into(), text));
        self
    }

    /// The same with another program as the daemon.
    pub fn with_daemon(mut self, file: impl Into<PathBuf>) -> Self {
        self.daemon = Some(file.into());
        self
    }

    /// The same with a crossover that can lose frames.
    pub fn with_hub(mut self) -> Self {
        self.hub = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_appliance_adds_the_cable_before_the_broadcast_line() {
        assert_eq!(
            Pair::appliance().ha_cf,
            "logfacility\tlocal0\nauto_failback on\nbaud 115200\nserial /dev/ttyS1\nkeepalive 100ms\nwarntime 200ms\n\
             deadtime 300ms\ninitdead 3\nbcast eth1 # Linux\n#bcast eth1 eth2 # Linux\n#node kathy\nnode node1.a.com\n\
             node node2.a.com\n"
        );
    }
}
