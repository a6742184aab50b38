//! A node's resources with the loop's part played by the test.

use std::cell::RefCell;
use std::fs;
use std::future::poll_fn;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use lubdub::time::Duration;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};

use super::super::*;
use crate::host::clock::{self, Alarm};
use crate::host::netlink::namespace::{ethernet, inside};
use crate::host::{arp, ndp};

/// No test waits longer than this for an event.
const PATIENCE: Duration = Duration::from_secs(20);

type Lines = Rc<RefCell<Vec<(Level, String)>>>;

pub struct Bench {
    pub resources: Resources,
    pub lines: Lines,
    alarm: Alarm,
}

/// Runs a test in a namespace of its own with `eth0`, within a runtime and with a directory of its own.
pub fn bench(test: impl AsyncFnOnce(Directory) + Send + 'static) {
    inside(|| {
        ethernet();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(test(Directory::new()));
    });
}

/// `/etc/ha.d` of a test, with everything else it writes; removed at its end.
pub struct Directory(pub PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("lubdub-resources-{}-{number}", std::process::id()));
        for part in ["resource.d", "init.d", "bin"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        Self(path)
    }

    /// Installs a shell script as `FOLDER/NAME`; `$T` is this directory.
    pub fn script(&self, place: &str, body: &str) {
        let draft = self.0.join("draft");
        fs::write(&draft, format!("#!/bin/sh\nT={}\n{body}\n", self.0.display())).unwrap();
        // Another process writes the script itself: what this one has open for writing while another test's thread
        // forks could not be executed (ETXTBSY).
        let installed = Command::new("install").arg("-m755").arg(&draft).arg(self.0.join(place)).status().unwrap();
        assert!(installed.success());
    }

    /// Installs a script that behaves, and notes its calls in `calls`.
    pub fn service(&self, name: &str) {
        let body = format!(
            r#"echo "{name} $*" >> $T/calls
for verb; do :; done
case $verb in
start) touch $T/{name}.on ;;
stop) rm -f $T/{name}.on ;;
status) [ -e $T/{name}.on ] && echo "{name} is running" || {{ echo "{name} is not running"; exit 3; }} ;;
esac"#
        );
        self.script(&format!("resource.d/{name}"), &body);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// The calls noted since they were last asked for.
    pub fn calls(&self) -> Vec<String> {
        let calls = self.read("calls");
        let _ = fs::remove_file(self.0.join("calls"));
        calls.lines().map(str::to_owned).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// For what hangs: short, but long enough for what does not.
pub const QUICK: Timeouts = Timeouts {
    start: Duration::from_millis(1_500),
    stop: Duration::from_millis(1_500),
    status: Duration::from_millis(1_500),
    grace: Duration::from_millis(300),
    retry: Duration::from_millis(20),
};

/// A resource as in haresources: an address with prefix and interface, `ipvsadm`, or `NAME::ARG`.
pub fn item(text: &str) -> Item {
    if text == "ipvsadm" {
        return Item::Ipvs;
    }
    let mut parts = text.split('/');
    if let Ok(address) = parts.next().unwrap_or_default().parse() {
        let prefix = parts.next().map(|p| p.parse().unwrap());
        let interface = parts.next().map(str::to_owned);
        return Item::Vip(VipSpec { address, prefix, interface, broadcast: None, label: None });
    }
    let mut words = text.split("::").map(str::to_owned);
    Item::Script { name: words.next().unwrap(), args: words.collect() }
}

/// Frames that arrive at an interface.
pub struct Ear(OwnedFd, usize);

impl Ear {
    /// Listens from now on at the other end of the cable.
    pub fn new() -> Self {
        Self::at("lan0")
    }

    /// Listens from now on at this interface.
    pub fn at(interface: &str) -> Self {
        let index = nix::net::if_::if_nametoindex(interface).unwrap() as usize;
        let flags = SockFlag::SOCK_NONBLOCK;
        Self(socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap(), index)
    }

    /// What every announcement heard since the last call was about, with the MAC that it named: the operation of an ARP
    /// for a VIP, or the type of a neighbour advertisement.
    pub fn heard(&self) -> Vec<(u8, IpAddr, [u8; 6])> {
        let mut heard = Vec::new();
        let mut frame = [0; 128];
        while let Ok((length, from)) = recvfrom::<LinkAddr>(self.0.as_raw_fd(), &mut frame) {
            // Both ends are of one kernel, which answers for its addresses at either (ip-sysctl, `arp_ignore`).
            if from.is_none_or(|from| from.ifindex() != self.1 || from.pkttype() == libc::PACKET_OUTGOING) {
                continue;
            }
            let frame = &frame[..length];
            heard.extend(arp::claim(frame).map(|(address, mac)| (frame[21], address.into(), mac)));
            let ndp = frame.get(54..).filter(|_| frame[12..14] == [0x86, 0xdd]).and_then(ndp::claim);
            heard.extend(ndp.map(|(address, mac)| (frame[54], address.into(), mac)));
        }
        heard
    }

    /// The operations and types alone, for one VIP.
    pub fn about(&self, vip: &str) -> Vec<u8> {
        let vip: IpAddr = vip.parse().unwrap();
        self.heard().into_iter().filter(|(_, address, _)| *address == vip).map(|(kind, ..)| kind).collect()
    }
}

impl Bench {
    /// A node with these groups, each a line of resources.
    pub fn new(directory: &Directory, groups: &[&str]) -> Self {
        let retry = Duration::from_millis(20);
        Self::with(Timeouts { retry, ..Timeouts::default() }, directory, groups)
    }

    /// The same with time limits of the test's own.
    pub fn with(timeouts: Timeouts, directory: &Directory, groups: &[&str]) -> Self {
        let mut paths = Paths::new(&directory.0, "node1.a.com");
        paths.init_dir = directory.0.join("init.d");
        paths.ipvs_rules = ["sysconfig", "rules"].map(|name| directory.0.join(name)).to_vec();
        paths.search_path = format!("{}:{SEARCH_PATH}", directory.0.join("bin").display());
        paths.logfacility = Some("local0".to_owned());
        let plan = |line: &&str| GroupPlan {
            key: line.split(' ').next().unwrap().to_owned(),
            items: line.split(' ').map(item).collect(),
        };
        let lines = Lines::default();
        let sink = lines.clone();
        let log: Log = Rc::new(move |level, text| sink.borrow_mut().push((level, text.to_string())));
        let resources = Resources::new(groups.iter().map(plan).collect(), paths, timeouts, log).unwrap();
        Self { resources, lines, alarm: Alarm::new().unwrap() }
    }

    /// The next event, or None at `until`.
    pub async fn next(&mut self, until: Instant) -> Option<Event> {
        poll_fn(|cx| {
            loop {
                let now = clock::now();
                if let Poll::Ready(event) = self.resources.poll(cx, now) {
                    return Poll::Ready(Some(event));
                }
                if now >= until {
                    return Poll::Ready(None);
                }
                self.alarm.set(self.resources.wake_at().map_or(until, |wake| wake.min(until)));
                if self.alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Waits for an event that `wanted` knows; what comes before it is passed over.
    pub async fn wait<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let until = clock::now() + PATIENCE;
        while let Some(event) = self.next(until).await {
            if let Some(found) = wanted(event) {
                return found;
            }
        }
        panic!("nothing came; the log has {:#?}", self.lines.borrow());
    }

    /// One step of the first group, to its end.
    pub async fn step(&mut self, verb: Verb) -> StepResult {
        self.resources.run(0, verb);
        let (reported, result) = self.done(0).await;
        assert_eq!(reported, verb);
        result
    }

    /// The end of a group's step.
    pub async fn done(&mut self, wanted: usize) -> (Verb, StepResult) {
        self.wait(|event| match event {
            Event::Done { group, verb, result } if group == wanted => Some((verb, result)),
            _ => None,
        })
        .await
    }

    /// Everything that happens within `millis`.
    pub async fn linger(&mut self, millis: u64) -> Vec<Event> {
        let until = clock::now() + Duration::from_millis(millis);
        let mut events = Vec::new();
        while let Some(event) = self.next(until).await {
            events.push(event);
        }
        events
    }

    /// Lets the loop run until something holds; returns what happened meanwhile.
    pub async fn until(&mut self, mut holds: impl FnMut(&Self, &[Event]) -> bool) -> Vec<Event> {
        let patience = clock::now() + PATIENCE;
        let mut events = Vec::new();
        while !holds(self, &events) {
            assert!(clock::now() < patience, "it never came; {events:?}; the log has {:#?}", self.lines.borrow());
            events.extend(self.linger(2).await);
        }
        events
    }

    /// How often a VIP was put back.
    pub fn put_back(&self, vip: &str) -> u64 {
        let vip: IpAddr = vip.parse().unwrap();
        self.resources.vips().find(|report| report.address == vip).unwrap().put_back
    }

    /// The first line of the log that contains `text`.
    pub fn line(&self, text: &str) -> Option<String> {
        self.lines.borrow().iter().map(|(_, line)| line).find(|line| line.contains(text)).cloned()
    }
}
