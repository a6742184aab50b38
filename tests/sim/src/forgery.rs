//! What others say on the lines: forged frames, recordings, masses of garbage.

use crate::Side;
use crate::frame::{self, Parcel};
use crate::kind::Kind;
use crate::world::{What, World};
use lubdub::time::Duration;
use lubdub::wire::auth::{Key, Method};
use lubdub::wire::beat::{Beat, GroupWord, State};
use lubdub::wire::envelope::{Pairing, seal_beat, seal_hello};
use lubdub::wire::hello::Hello;

impl World {
    fn slip_in(&mut self, to: Side, link: usize, parcel: Parcel) {
        self.boxes[to].receive(link, parcel);
        self.turn(to);
    }

    /// A frame of somebody who knows the format but not the key; or a true frame with a bit turned and a valid CRC.
    pub(crate) fn forge(&mut self, to: Side, link: usize, times: u64) {
        if times == 0 || self.calm {
            return;
        }
        self.tally.count(Kind::Forgery);
        let bytes = match self.rng.below(3) {
            0 => self.forged_hello(to, link),
            1 => self.forged_beat(link),
            _ => self.mutation(),
        };
        self.slip_in(to, link, Parcel::Raw(bytes));
        let most = self.scenario.keepalive();
        let pause = self.rng.magnitude(most);
        self.after(pause, What::Forges { to, link, times: times - 1 });
    }

    fn forged_hello(&mut self, to: Side, link: usize) -> Vec<u8> {
        let mut random = [0; 8];
        random.fill_with(|| self.rng.bits() as u8);
        let name = ["node1.a.com", "node2.a.com", "node3.a.com"][self.rng.pick(&[to, 1 - to, 1 - to, 2])];
        let millis = self.scenario.timing[to].keepalive.as_millis() as u32;
        let hello = Hello {
            nonce: random,
            answers: self.rng.percent(50).then_some(random),
            run: self.rng.bits(),
            sequence: u32::MAX,
            node: name,
            cluster: "linux-ha",
            keepalive_ms: millis,
            deadtime_ms: millis,
            initdead_ms: millis,
            lease_ms: 0,
            lost: Default::default(),
            digest: [7; 8],
            macs: Default::default(),
            fingerprints: Default::default(),
        };
        let sealed = self.false_key().and_then(|key| seal_hello(&key, link as u8, &hello));
        sealed.map(|sealed| sealed.bytes().to_vec()).unwrap_or_default()
    }

    fn forged_beat(&mut self, link: usize) -> Vec<u8> {
        let state = self.rng.pick(&[State::Stopped, State::Held, State::Giving]);
        let word = GroupWord { state, ask: true, granted: true, ..GroupWord::default() };
        let beat = Beat {
            seq: self.rng.bits() as u16,
            echo: self.rng.bits() as u16,
            goodbye: self.rng.percent(50),
            groups: self.scenario.preferred.iter().map(|_| word).collect(),
            ..Beat::default()
        };
        let pairing = Pairing { sender: [1; 8], receiver: [2; 8] };
        let Some(key) = self.false_key() else { return Vec::new() };
        seal_beat(&key, link as u8, &pairing, u64::from(beat.seq), &beat).bytes().to_vec()
    }

    fn false_key(&self) -> Option<Key> {
        // The method crc has no secret: whoever signs with it is believed, and only nonces are left to guess.
        let method = if self.scenario.method == Method::Crc { Method::Md5 } else { self.scenario.method };
        Key::new(3, method, b"forged")
    }

    fn mutation(&mut self) -> Vec<u8> {
        if self.history.is_empty() {
            return vec![0];
        }
        let index = self.rng.index(self.history.len());
        let mut body = frame::body(&self.history[index].bytes).unwrap_or_default();
        // Whoever can sign can say what he likes: crc has no secret.
        if self.scenario.method != Method::Crc && !body.is_empty() {
            let place = self.rng.index(body.len());
            body[place] ^= 1 << self.rng.below(8);
        }
        if self.scenario.method == Method::Crc {
            body.truncate(body.len() / 2)
        }
        frame::enframe(&body)
    }

    /// A frame of any earlier moment of either node.
    pub(crate) fn replay(&mut self, to: Side, link: usize, times: u64) {
        if times == 0 || self.calm || self.history.is_empty() {
            return;
        }
        self.tally.count(Kind::Replay);
        let index = self.rng.index(self.history.len());
        let frame = self.history[index].clone();
        let parcel = self.as_heard(to, Parcel::Whole(frame));
        self.slip_in(to, link, parcel);
        let most = self.scenario.keepalive();
        let pause = self.rng.magnitude(most);
        self.after(pause, What::Replays { to, link, times: times - 1 });
    }

    /// Garbage in masses, with true delimiters in it.
    pub(crate) fn flood(&mut self, to: Side, link: usize, times: u64) {
        if times == 0 || self.calm {
            return;
        }
        self.tally.count(Kind::Flood);
        let len = 1 + self.rng.index(200);
        let bytes = (0..len).map(|_| self.rng.bits() as u8).collect();
        self.slip_in(to, link, Parcel::Raw(bytes));
        let pause = self.rng.magnitude(Duration::from_millis(2));
        self.after(pause, What::Floods { to, link, times: times - 1 });
    }
}
