//! Who else uses a VIP: stations that are neither node are told to the person at the console, each once.

use std::net::IpAddr;

use lubdub::time::{Duration, Instant};

use super::Mac;

/// Questions at start and after a carrier's return, this far apart (RFC 5227 section 1.1: PROBE_NUM, PROBE_MIN).
const PROBES: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A stranger is asked for so often, and forgotten when it has been silent for three times that long: then the next one
/// is news again.
const ASK_EVERY: Duration = Duration::from_secs(60);
const FORGOTTEN: Duration = Duration::from_secs(200);

/// A station that has a VIP and is neither node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its MAC.
    pub mac: Mac,
    /// How often it said so.
    pub count: u64,
    last: Instant,
}

/// What is known of one VIP's other claimants.
#[derive(Debug, Default)]
pub struct Claimants {
    stranger: Option<Stranger>,
    /// It answered before the peer had told its MACs: the peer, perhaps.
    unknown: Option<Mac>,
}

impl Claimants {
    /// The station that uses it.
    pub fn stranger(&self) -> Option<Stranger> {
        self.stranger
    }

    /// A station that is not this node and not known as its peer claims the VIP. Returns the alarm if it is news.
    pub fn hear(&mut self, mac: Mac, now: Instant, vip: IpAddr, held: bool, peer_known: bool) -> Option<String> {
        let known = self.stranger.is_some_and(|known| known.mac == mac);
        if !known && !held && !peer_known {
            self.unknown = Some(mac);
            return None;
        }
        self.tell(mac, now, vip, peer_known)
    }

    /// The peer has told its MACs: who was a stranger may be none, and who was not told about may be one.
    pub fn know_peer(&mut self, macs: &[Mac], now: Instant, vip: IpAddr) -> Option<String> {
        self.stranger = self.stranger.filter(|stranger| !macs.contains(&stranger.mac));
        let mac = self.unknown.take().filter(|mac| !macs.contains(mac))?;
        self.tell(mac, now, vip, true)
    }

    /// True once when somebody had answered of whom it is not known whether it is the peer. Now this node has the VIP,
    /// and whoever answers still has it too.
    pub fn doubted(&mut self, held: impl FnOnce() -> bool) -> bool {
        self.unknown.is_some() && held() && self.unknown.take().is_some()
    }

    fn forget(&mut self, now: Instant) {
        self.stranger = self.stranger.filter(|stranger| now < stranger.last + FORGOTTEN);
    }

    /// Counts, and tells it unless somebody who claims this VIP was heard lately: of many, and of one that changes its
    /// MAC with each word, the first is told.
    fn tell(&mut self, mac: Mac, now: Instant, vip: IpAddr, peer_known: bool) -> Option<String> {
        self.forget(now);
        let news = self.stranger.is_none().then(|| alarm(vip, mac, peer_known));
        let count = self.stranger.map_or(0, |stranger| stranger.count);
        self.stranger = Some(Stranger { mac, count: count + 1, last: now });
        news
    }
}

/// When everybody, or a stranger, is asked whether it has a VIP.
#[derive(Debug)]
pub struct Questions {
    left: u32,
    at: Option<Instant>,
}

impl Questions {
    /// A first round at once if there is anything to ask for.
    pub fn new(any: bool) -> Self {
        Self { left: PROBES, at: any.then_some(Instant::ZERO) }
    }

    /// From the beginning: a carrier is back, or who has a VIP is in doubt.
    pub fn again(&mut self, now: Instant) {
        (self.left, self.at) = (PROBES, Some(now));
    }

    /// A stranger was heard: it is asked later whether it is still there.
    pub fn keep_asking(&mut self, now: Instant) {
        self.at.get_or_insert(now + ASK_EVERY);
    }

    /// Whom to ask for now.
    pub fn due<'a>(&mut self, now: Instant, mut all: impl Iterator<Item = &'a mut Claimants>) -> Due {
        if self.at.is_none_or(|at| now < at) {
            return Due::Nothing;
        }
        let everything = self.left > 0;
        self.left = self.left.saturating_sub(1);
        let strangers = all.by_ref().fold(false, |any, claimants| {
            claimants.forget(now);
            any | claimants.stranger.is_some()
        });
        self.at = match self.left {
            0 => strangers.then(|| now + ASK_EVERY),
            _ => Some(now + PROBE_EVERY),
        };
        if everything { Due::Everything } else { Due::Strangers }
    }

    /// When there is something to ask.
    pub fn wake_at(&self) -> Option<Instant> {
        self.at
    }
}

/// Which VIPs are to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// None.
    Nothing,
    /// Those that a stranger uses.
    Strangers,
    /// All.
    Everything,
}

fn alarm(vip: IpAddr, mac: Mac, peer_known: bool) -> String {
    let who = if peer_known { "neither node" } else { "not this node, and its peer has not told its MACs" };
    format!("ALARM VIP {vip} is used by {}, which is {who}: take it off that station", shown(mac))
}

/// A MAC as `ip link` shows it.
pub fn shown(mac: Mac) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 20, 100));

    #[test]
    fn a_flood_with_changing_macs_is_told_once_and_counted() {
        let mut claimants = Claimants::default();
        let mut questions = Questions { left: 0, at: None };
        let mut news = Vec::new();
        for number in 0..3_000_u64 {
            let mac = [2, 9, 0, 0, (number >> 8) as u8, number as u8];
            let now = Instant::from_micros(number * 1_000);
            news.extend(claimants.hear(mac, now, VIP, false, true));
            questions.keep_asking(now);
        }
        assert_eq!(news.len(), 1, "{news:?}");
        assert_eq!(claimants.stranger().unwrap().count, 3_000);
        // It is asked for once a minute, forgotten when it does not answer, and then news again.
        let mut asked = 0;
        while let Some(at) = questions.wake_at() {
            assert_eq!(questions.due(at, [&mut claimants].into_iter()), Due::Strangers);
            asked += usize::from(claimants.stranger().is_some());
        }
        assert_eq!((asked, claimants.stranger()), (3, None));
        assert!(claimants.hear([2; 6], Instant::from_micros(700_000_000), VIP, false, true).is_some());
    }

    #[test]
    fn everybody_is_asked_three_times_a_second_apart() {
        let mut questions = Questions::new(true);
        let mut asked = Vec::new();
        let mut claimants = Claimants::default();
        while let Some(at) = questions.wake_at() {
            assert_eq!(questions.due(at, [&mut claimants].into_iter()), Due::Everything);
            asked.push(at.as_micros());
        }
        assert_eq!(asked, [0, 1_000_000, 2_000_000]);
        assert_eq!(questions.due(Instant::FAR, [&mut claimants].into_iter()), Due::Nothing);
    }
}
