//! The stations that were heard on a LAN lately: they can prove that this node hears it.

use std::net::Ipv4Addr;

use lubdub::time::{Duration, Instant};

use super::Mac;

/// Stations remembered for an interface (rules.md EYES).
pub const KNOWN_MAX: usize = 4;
/// A station silent for so long before the looking begins is gone.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// One heard within this time is not listened for again: others get their chance. A station's silence seems so much
/// longer than it was, at most.
const FRESH: Duration = Duration::from_secs(120);

/// A station that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its MAC.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv4Addr,
    heard: Instant,
}

/// The stations of one interface, the last heard ones.
#[derive(Debug, Default)]
pub struct Stations {
    known: heapless::Vec<Station, KNOWN_MAX>,
    /// What was heard is taken from time to time; this was the last time.
    taken: Instant,
    /// No station was heard for certain after this.
    proof: Option<Instant>,
}

impl Stations {
    /// A station was heard at some time since [`Stations::taken`].
    pub fn hear(&mut self, mac: Mac, address: Ipv4Addr, now: Instant) {
        self.proof = Some(self.taken);
        let station = Station { mac, address, heard: now };
        let place = match self.known.iter().position(|known| known.mac == mac) {
            None if !self.known.is_full() => self.known.len(),
            Some(place) => place,
            None => self.known.iter().enumerate().min_by_key(|(_, known)| known.heard).map_or(0, |(place, _)| place),
        };
        match self.known.get_mut(place) {
            Some(known) => *known = station,
            // It is not full there.
            None => drop(self.known.push(station)),
        }
    }

    /// All that was heard until now has been told.
    pub fn taken(&mut self, now: Instant) {
        self.taken = now;
    }

    /// Forgets who was silent for too long. To be called before the looking begins, not while it goes on: then all may be
    /// silent because nothing is heard.
    pub fn forget(&mut self, now: Instant) {
        self.known.retain(|station| now < station.heard + FORGOTTEN);
    }

    /// True when a station was heard since `since` for certain, or when there is none that could be.
    pub fn prove(&self, since: Instant) -> bool {
        self.known.is_empty() || self.proof.is_some_and(|proof| proof >= since)
    }

    /// Those to ask.
    pub fn known(&self) -> &[Station] {
        &self.known
    }

    /// Those that need not be listened for now.
    pub fn fresh(&self, now: Instant) -> impl Iterator<Item = Mac> {
        self.known.iter().filter(move |station| now < station.heard + FRESH).map(|station| station.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn mac(number: u8) -> Mac {
        [2, 0, 0, 0, 0, number]
    }

    fn hear(stations: &mut Stations, number: u8, seconds: u64) {
        stations.hear(mac(number), Ipv4Addr::new(10, 0, 0, number), at(seconds));
    }

    fn known(stations: &Stations) -> Vec<u8> {
        let mut known: Vec<u8> = stations.known().iter().map(|station| station.mac[5]).collect();
        known.sort_unstable();
        known
    }

    #[test]
    fn the_four_last_heard_are_known() {
        let mut stations = Stations::default();
        for (seconds, number) in [1, 2, 3, 4, 1, 5, 6].into_iter().enumerate() {
            hear(&mut stations, number, seconds as u64);
        }
        assert_eq!(known(&stations), [1, 4, 5, 6]);
    }

    #[test]
    fn one_with_a_new_address_is_the_same() {
        let mut stations = Stations::default();
        hear(&mut stations, 1, 1);
        stations.hear(mac(1), Ipv4Addr::new(10, 0, 0, 99), at(2));
        assert_eq!(stations.known().len(), 1);
        assert_eq!(stations.known()[0].address, Ipv4Addr::new(10, 0, 0, 99));
    }

    #[test]
    fn one_silent_for_ten_minutes_is_forgotten() {
        let mut stations = Stations::default();
        hear(&mut stations, 1, 0);
        hear(&mut stations, 2, 60);
        stations.forget(at(599));
        assert_eq!(known(&stations), [1, 2]);
        stations.forget(at(600));
        assert_eq!(known(&stations), [2]);
        assert!(!stations.prove(at(600)));
        stations.forget(at(660));
        assert!(stations.prove(at(660)), "nobody is left to ask");
    }

    #[test]
    fn only_what_came_after_the_beginning_proves() {
        let mut stations = Stations::default();
        assert!(stations.prove(at(0)), "nobody was ever heard");
        stations.taken(at(5));
        // Taken at 10, but it may have been there since 5.
        hear(&mut stations, 1, 10);
        assert!(stations.prove(at(5)) && !stations.prove(at(7)));
        stations.taken(at(10));
        hear(&mut stations, 1, 11);
        assert!(stations.prove(at(7)) && stations.prove(at(10)) && !stations.prove(at(11)));
    }

    #[test]
    fn the_fresh_ones_are_left_out_for_two_minutes() {
        let mut stations = Stations::default();
        hear(&mut stations, 1, 0);
        hear(&mut stations, 2, 100);
        assert_eq!(stations.fresh(at(119)).collect::<Vec<_>>(), [mac(1), mac(2)]);
        assert_eq!(stations.fresh(at(120)).collect::<Vec<_>>(), [mac(2)]);
    }
}
