//! The bytes on the line: pinned, resynchronising, independent of how reads were chunked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lubdub::wire::auth::{Key, Keyring, Method};
use lubdub::wire::beat::{BEAT_MAX, Beat, GroupWord, State, Term};
use lubdub::wire::envelope::{Envelope, Kind, Pairing, Refused, seal_beat, seal_hello};
use lubdub::wire::frame::{BODY_MAX, Deframer, FRAME_MAX, Noise, encode};
use lubdub::wire::hello::Hello;
use lubdub::wire::loss::Loss;

fn frame(body: &[u8]) -> Vec<u8> {
    let mut buf = [0; FRAME_MAX];
    let mut room = &mut buf[..];
    encode(body, &mut room).unwrap();
    let left = room.len();
    buf[..FRAME_MAX - left].to_vec()
}

fn bodies(bytes: &[u8]) -> Vec<Result<Vec<u8>, Noise>> {
    let mut deframer = Deframer::default();
    bytes.iter().filter_map(|byte| deframer.push(*byte).map(|found| found.map(<[u8]>::to_vec))).collect()
}

/// A small generator, so that a failure names its seed: xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8 & if self.next() & 3 == 0 { 0 } else { 255 }).collect()
    }
}

fn md5() -> Key {
    Key::new(3, Method::Md5, b"redhat").unwrap()
}

const PAIRING: Pairing = Pairing { sender: *b"sender01", receiver: *b"receiver" };

fn beat() -> Beat {
    let held = GroupWord { state: State::Held, term: Term(1), ..GroupWord::default() };
    let stopped = GroupWord { state: State::Stopped, term: Term(1), granted: true, ..GroupWord::default() };
    Beat { seq: 0x1234, echo: 0x1233, heard: 3, groups: [held, stopped].into_iter().collect(), ..Beat::default() }
}

fn hello<'a>() -> Hello<'a> {
    Hello {
        nonce: *b"nonce-01",
        answers: Some(*b"nonce-02"),
        run: 0x0123_4567_89ab_cdef,
        sequence: 9,
        node: "node1.a.com",
        cluster: "linux-ha",
        keepalive_ms: 100,
        deadtime_ms: 300,
        initdead_ms: 3000,
        lease_ms: 0,
        lost: Loss::Silence,
        digest: *b"digest01",
        macs: [[2, 0, 0, 0, 0, 1]].into_iter().collect(),
        fingerprints: [0xdead_beef].into_iter().collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails the protocol has changed: until 1.0 that needs a line in the changelog, afterwards a new version.
#[test]
fn the_bytes_of_a_beat_and_a_hello_are_pinned() {
    let sealed = seal_beat(&md5(), 0, &PAIRING, 0x5_1234, &beat());
    assert_eq!(hex(sealed.bytes()), PINNED_BEAT);
    assert!(sealed.bytes().len() <= 32);
    let sealed = seal_hello(&md5(), 1, &hello()).unwrap();
    assert_eq!(hex(sealed.bytes()), PINNED_HELLO);
}

const PINNED_BEAT: &str = "0008100634123312031302012001bbd00cbec65936113a6a4d7b4c4400";
const PINNED_HELLO: &str = "003811266e6f6e63652d3031016e6f6e63652d3032ef9bafcdf8acd19101090b6e6f6465312e612e636f6d086c696e75782d686164ac02b8170c0264696765737430310102010101160101effdb6f50d11991562b9218c80067ca6daa9df00";

#[test]
fn every_body_comes_back_from_its_frame() {
    let mut random = Random(0x1b2c_7984);
    for len in (1..=BODY_MAX - 2).chain([254, 253, 255]) {
        for body in [random.bytes(len), vec![0; len], vec![1; len]] {
            assert_eq!(bodies(&frame(&body)), [Ok(body)]);
        }
    }
}

#[test]
fn a_frame_holds_no_zero_but_its_delimiters_and_is_never_longer_than_the_bound() {
    let longest = frame(&[7; BODY_MAX - 2]);
    assert_eq!(longest.len(), FRAME_MAX);
    assert!(longest[1..FRAME_MAX - 1].iter().all(|byte| *byte != 0));
}

#[test]
fn noise_costs_at_most_the_frame_that_it_hits() {
    let mut random = Random(42);
    for round in 0..2000 {
        let noise = random.next() as usize % 900;
        let mut line = random.bytes(noise);
        line.extend(frame(b"first after the noise"));
        line.extend(frame(b"second"));
        let good: Vec<_> = bodies(&line).into_iter().filter_map(Result::ok).collect();
        assert!(good.ends_with(&[b"first after the noise".to_vec(), b"second".to_vec()]), "round {round}");
    }
}

#[test]
fn console_text_between_frames_is_noise_and_nothing_else() {
    let mut line = b"\r\nDebian GNU/Linux 12 node1 ttyS1\r\n\r\nnode1 login: ".to_vec();
    line.extend(frame(b"one"));
    line.extend(b"[   12.345678] eth0: link up\r\n");
    line.extend(frame(b"two"));
    assert_eq!(bodies(&line), [Err(Noise::Broken), Ok(b"one".to_vec()), Err(Noise::Broken), Ok(b"two".to_vec())]);
}

#[test]
fn an_overlong_run_is_skipped_to_the_next_delimiter() {
    let mut line = vec![0x55; 5000];
    line.extend(frame(b"after"));
    assert_eq!(bodies(&line), [Err(Noise::Overlong), Ok(b"after".to_vec())]);
}

#[test]
fn each_flipped_bit_is_found() {
    let good = seal_beat(&md5(), 0, &PAIRING, 1, &beat());
    for bit in 8..(good.bytes().len() - 1) * 8 {
        let mut bad = good.bytes().to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(bodies(&bad).iter().all(|found| found.is_err()), "bit {bit}");
    }
}

#[test]
fn a_beat_verifies_only_in_its_session_direction_and_place() {
    let keys = Keyring::new(3, [md5()]).unwrap();
    let sealed = seal_beat(&md5(), 2, &PAIRING, 0x5_1234, &beat());
    let body = bodies(sealed.bytes()).remove(0).unwrap();
    let envelope = Envelope::open(&body).unwrap();
    assert_eq!((envelope.kind, envelope.link, envelope.key), (Kind::Beat, 2, 3));
    assert_eq!(envelope.beat_seq(), Some(0x1234));
    assert_eq!(envelope.beat(&keys, &PAIRING, 0x5_1234).unwrap().0, beat());
    let turned = Pairing { sender: PAIRING.receiver, receiver: PAIRING.sender };
    assert!(envelope.beat(&keys, &turned, 0x5_1234).is_none());
    assert!(envelope.beat(&keys, &PAIRING, 0x6_1234).is_none());
    let other = Keyring::new(3, [Key::new(3, Method::Md5, b"redhaT").unwrap()]).unwrap();
    assert!(envelope.beat(&other, &PAIRING, 0x5_1234).is_none());
}

#[test]
fn a_hello_of_a_stranger_can_be_read_but_is_not_authentic() {
    let sealed = seal_hello(&md5(), 1, &hello()).unwrap();
    let body = bodies(sealed.bytes()).remove(0).unwrap();
    let envelope = Envelope::open(&body).unwrap();
    let ours = Keyring::new(3, [md5()]).unwrap();
    assert_eq!(envelope.hello(&ours), Some((hello(), true)));
    for key in [Key::new(3, Method::Sha256, b"redhat"), Key::new(7, Method::Md5, b"redhat")] {
        let key = key.unwrap();
        let strange = Keyring::new(key.id(), [key]).unwrap();
        let (read, authentic) = envelope.hello(&strange).unwrap();
        assert_eq!((read.node, authentic), ("node1.a.com", false));
    }
}

#[test]
fn other_versions_and_kinds_are_refused_by_name() {
    assert_eq!(Envelope::open(&[0x20, 0, 1]).unwrap_err(), Refused::Version(2));
    assert_eq!(Envelope::open(&[0x1f, 0, 1]).unwrap_err(), Refused::Malformed);
    assert_eq!(Envelope::open(&[0x10]).unwrap_err(), Refused::Malformed);
}

/// RFC 2202 sections 2 and 3, RFC 4231 section 4.2: test case 1, cut to 96 and 128 bits.
#[test]
fn tags_are_those_of_the_rfcs() {
    let tag = |method, secret: &[u8]| hex(&Key::new(1, method, secret).unwrap().sign(&[b"Hi ", b"There"]));
    assert_eq!(tag(Method::Md5, &[0x0b; 16]), "9294727a3638bb1c13f48ef8");
    assert_eq!(tag(Method::Sha1, &[0x0b; 20]), "b617318655057264e28bc0b6");
    assert_eq!(tag(Method::Sha256, &[0x0b; 20]), "b0344c61d8db38535ca8afceaf0bf12b");
}

#[test]
fn keys_rotate_to_what_both_accept() {
    let old = || Key::new(1, Method::Md5, b"old").unwrap();
    let new = || Key::new(2, Method::Sha256, b"new").unwrap();
    let ring = Keyring::new(2, [old(), new()]).unwrap();
    assert_eq!(ring.send_to(&[old().fingerprint()]).id(), 1);
    assert_eq!(ring.send_to(&[old().fingerprint(), new().fingerprint()]).id(), 2);
    assert_eq!(ring.send_to(&[]).id(), 2);
    assert!(Keyring::new(3, [old()]).is_none());
    assert!(Keyring::new(1, [old(), old()]).is_none());
}

#[test]
fn terms_are_serial_numbers() {
    assert!(Term(2).after(Term(1)) && !Term(1).after(Term(2)) && !Term(1).after(Term(1)));
    assert!(Term(1).after(Term(255)) && !Term(255).after(Term(1)), "255 is followed by 1");
    assert_eq!(Term(255).next(), Term(1));
    assert!(Term(200).after(Term(0)) && !Term(0).after(Term(200)), "0 was never owned");
    for (a, b) in (0..=255).flat_map(|a| (0..=255).map(move |b| (Term(a), Term(b)))) {
        assert!(!(a.after(b) && b.after(a)), "{a:?} {b:?}");
    }
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let mut random = Random(7);
    let keys = Keyring::new(3, [md5()]).unwrap();
    for _ in 0..20_000 {
        let len = random.next() as usize % 120;
        let body = random.bytes(len);
        let _ = Beat::decode(&body);
        let _ = Hello::decode(&body);
        if let Ok(envelope) = Envelope::open(&body) {
            let _ = (envelope.hello(&keys), envelope.beat(&keys, &PAIRING, 1), envelope.mark());
        }
    }
}

#[test]
fn a_beat_comes_back_from_its_payload() {
    let mut buf = [0; BEAT_MAX];
    let full: Beat =
        Beat { goodbye: true, blind: true, groups: [beat().groups[0]; 32].into_iter().collect(), ..beat() };
    for beat in [beat(), full, Beat::default()] {
        let len = beat.encode(&mut buf);
        assert_eq!(Beat::decode(&buf[..len]), Some(beat));
        assert_eq!(Beat::decode(&buf[..len - 1]), None);
    }
}
