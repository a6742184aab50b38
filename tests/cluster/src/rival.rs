//! The same appliance under another heartbeat, where Debian's package of it is installed: what becomes of the VIP when all
//! processes of the owner's daemon are killed or frozen. The timings are those of configuration B.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lubdub_lab::{Error, Lab, Node, Pair, Result, VIP, Verdict};

use crate::trial::pass;
use crate::{GROUP, SECOND};

/// A start of Heartbeat takes 10 s and more.
const START: Duration = Duration::from_secs(60);
/// How long an owner is frozen, and how long it is watched after that.
const FROZEN: Duration = Duration::from_secs(2);

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    /// This one.
    Lubdub,
    /// VRRPv3, an advertisement every 100 ms, over the service LAN.
    Keepalived,
    /// Linux-HA Heartbeat 3, with the same ha.cf.
    Heartbeat,
}

/// What is done to the owner's daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL; nothing starts it again.
    Kill,
    /// SIGSTOP for 2 s, then SIGCONT.
    Freeze,
}

impl Blow {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Kill, Self::Freeze];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Freeze => "SIGSTOP 2 s, SIGCONT",
        }
    }
}

impl Rival {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lubdub, Self::Keepalived, Self::Heartbeat];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lubdub => "lubdub",
            Self::Keepalived => "keepalived",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Whether this machine has it.
    pub fn is_here(self) -> bool {
        match self {
            Self::Lubdub => true,
            Self::Keepalived => Path::new("/usr/sbin/keepalived").exists(),
            Self::Heartbeat => Path::new("/usr/libexec/heartbeat/heartbeat").exists(),
        }
    }

    fn start(self, node: &Node) -> Result<()> {
        match self {
            Self::Lubdub => node.start(),
            Self::Keepalived => start_keepalived(node),
            Self::Heartbeat => start_heartbeat(node),
        }
    }
}

/// One round with a fresh pair: what the client saw, from before the blow until 2 s after its end.
pub fn strike(rival: Rival, blow: Blow, daemon: &Path) -> Result<Verdict> {
    let pair = Pair::appliance().with_haresources(&format!("node1.a.com {GROUP}\n"));
    let lab = Lab::new(pair.with_daemon(daemon))?;
    let [one, two] = lab.nodes();
    lab.nodes().iter().try_for_each(|node| rival.start(node))?;
    let judge = lab.judge(VIP)?;
    judge.await_owner(one.mac(), START).map_err(|error| Error::new(format!("{error}\n{}", one.log().text())))?;
    // Long enough that everybody has met, and that the announcements of the start are over.
    pass(&judge, SECOND * 12);
    drop(judge);
    let judge = lab.judge(VIP)?;
    judge.await_owner(one.mac(), SECOND)?;
    pass(&judge, SECOND / 2);
    signal(one, if blow == Blow::Kill { "KILL" } else { "STOP" })?;
    let both = || [one, two].map(|node| node.log().text()).join("\n");
    // Where two answer, it is chance whose answer comes last.
    judge
        .await_verdict(START, |verdict| verdict.owner == Some(two.mac()) || !verdict.doubles.is_empty())
        .ok_or_else(|| Error::new(format!("{} does not answer within {START:?}\n{}", two.name(), both())))?;
    pass(&judge, FROZEN);
    if blow == Blow::Freeze {
        signal(one, "CONT")?;
    }
    pass(&judge, FROZEN);
    Ok(judge.verdict())
}

/// Every process of the node but its first one and this shell.
fn signal(node: &Node, name: &str) -> Result<()> {
    node.exec(&["sh", "-c", &format!("kill -{name} -1")])?.ok().map(drop)
}

fn start_keepalived(node: &Node) -> Result<()> {
    let priority = if node.name().starts_with("node1") { 150 } else { 100 };
    let conf = format!(
        "global_defs {{\n router_id {}\n vrrp_version 3\n script_user root\n}}\nvrrp_instance VI_1 {{\n state BACKUP\n \
         interface eth0\n virtual_router_id 51\n priority {priority}\n advert_int 0.1\n \
         virtual_ipaddress {{\n 192.168.20.100/24 dev eth0\n }}\n}}\n",
        node.name()
    );
    node.write("/tmp/keepalived.conf", &conf)?;
    let words = "keepalived -P -n --log-console -f /tmp/keepalived.conf -p /run/k.pid -r /run/k-vrrp.pid";
    node.start_as(&words.split(' ').collect::<Vec<_>>())
}

/// It wants its scripts beside ha.cf, an address on eth1, and directories that it can write.
fn start_heartbeat(node: &Node) -> Result<()> {
    let sh = |script: &str| node.exec(&["sh", "-c", script])?.ok();
    sh("mkdir -p /tmp/ha.d && cp -a /etc/ha.d/. /tmp/ha.d && mkdir -p /tmp/ha.d/rc.d")?;
    for dir in ["", "rc.d/", "resource.d/"] {
        for entry in fs::read_dir(format!("/etc/ha.d/{dir}"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Ok(text) = fs::read_to_string(entry.path())
                && !["ha.cf", "haresources", "authkeys"].contains(&name.as_str())
            {
                node.write(&format!("/tmp/ha.d/{dir}{name}"), &text)?;
            }
        }
    }
    let address = node.address().octets()[3];
    sh(&format!(
        "chmod -R go-w /tmp/ha.d && chmod 755 /tmp/ha.d/harc /tmp/ha.d/rc.d/* /tmp/ha.d/resource.d/* && \
         chmod 600 /tmp/ha.d/authkeys && mount --bind /tmp/ha.d /etc/ha.d && \
         mount -t tmpfs none /var/lib/heartbeat && mkdir -p /var/lib/heartbeat/cores/root /var/lib/heartbeat/cores/hacluster && \
         chown -R hacluster:haclient /var/lib/heartbeat && mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/rsctmp \
         /run/resource-agents /run/lock && chown -R hacluster:haclient /run/heartbeat && ip addr add 10.77.0.{address}/24 brd + dev eth1"
    ))?;
    node.start_as(&["sh", "-c", "/usr/libexec/heartbeat/heartbeat; exec sleep 1000000"])
}
