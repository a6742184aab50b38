use std::io::Read;

use super::*;

const SOON: Duration = Duration::from_secs(60);

/// What the shim in QEMU is to the cable.
struct Machine {
    bytes: UnixStream,
    lines: UnixStream,
}

impl Machine {
    fn plug_in(cable: &Cable, end: End) -> Self {
        let path = cable.end(end).path().to_owned();
        let bytes = UnixStream::connect(&path).unwrap();
        let lines = UnixStream::connect(lines_path(&path)).unwrap();
        bytes.set_read_timeout(Some(SOON)).unwrap();
        lines.set_read_timeout(Some(SOON)).unwrap();
        Self { bytes, lines }
    }

    fn tell(&mut self, raised: u8, baud: u32) {
        let [a, b, c, d] = baud.to_le_bytes();
        self.lines.write_all(&[raised, a, b, c, d]).unwrap();
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.bytes.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn seen(&mut self) -> u8 {
        let mut seen = [0];
        self.lines.read_exact(&mut seen).unwrap();
        seen[0]
    }
}

struct Joined {
    cable: Cable,
    a: Machine,
    b: Machine,
    _bench: Bench,
}

fn joined() -> Joined {
    let bench = Bench::new().unwrap();
    let cable = Cable::new(&bench).unwrap();
    let [mut a, mut b] = [0, 1].map(|end| Machine::plug_in(&cable, end));
    a.tell(DTR | RTS, 115_200);
    b.tell(DTR | RTS, 115_200);
    assert!(cable.await_seen(0, SOON, |seen| seen == CTS | DSR | DCD));
    assert!(cable.await_seen(1, SOON, |seen| seen == CTS | DSR | DCD));
    let _ = (a.seen(), b.seen());
    Joined { cable, a, b, _bench: bench }
}

#[test]
fn bytes_arrive_at_the_speed_of_the_line_and_are_on_record() {
    let Joined { cable, mut a, mut b, _bench } = joined();
    assert_eq!(cable.first_sent(0), None);
    let begin = now();
    a.bytes.write_all(&[7; 1152]).unwrap();
    assert_eq!(b.read(1152), [7; 1152]);
    assert!(now() - begin >= Duration::from_millis(99), "1152 bytes take 100 ms at 115200");
    let tap = cable.tap(begin);
    assert_eq!(tap.iter().map(|delivery| delivery.bytes.len()).sum::<usize>(), 1152);
    assert!(tap.iter().all(|delivery| delivery.from == 0 && delivery.bytes.len() <= 16));
    assert_eq!(cable.last_delivery(0, now()), tap.last().map(|delivery| delivery.at));
    assert_eq!(cable.last_delivery(1, now()), None);
    assert!(cable.first_sent(0).is_some_and(|at| at >= begin && at <= tap[0].at));
}

#[test]
fn a_line_falls_with_its_cable_its_machine_and_its_port() {
    let Joined { cable, mut a, mut b, _bench } = joined();
    let begun = now();
    cable.cut();
    assert_eq!((a.seen(), b.seen()), (0, 0));
    let still = cable.fell(0, begun).expect("its lines are down");
    cable.mend();
    assert_eq!((a.seen(), b.seen()), (CTS | DSR | DCD, CTS | DSR | DCD));
    let fell = cable.fell(0, begun).expect("its lines were down");
    assert!(still <= fell && fell <= now() - begun);
    let mended = now();
    b.tell(DTR, 115_200);
    assert_eq!(a.seen(), DSR | DCD);
    assert_eq!((cable.fell(0, mended), cable.fell(0, begun)), (None, Some(fell)), "one line of three is left");
    cable.end(1).reset();
    assert_eq!(a.seen(), 0);
    drop(a);
    assert_eq!(b.seen(), 0);
    assert_eq!((cable.raised(0), cable.baud(0)), (0, 0));
}

#[test]
fn other_cables_have_other_lines() {
    let Joined { cable, mut a, mut b, _bench } = joined();
    cable.rewire(Wiring::ThreeWire);
    assert_eq!((a.seen(), b.seen()), (0, 0));
    cable.rewire(Wiring::Strapped);
    assert_eq!((a.seen(), b.seen()), (CTS | DSR | DCD, CTS | DSR | DCD));
    b.tell(0, 115_200);
    assert_eq!((b.seen(), cable.seen(0)), (0, CTS | DSR | DCD), "one's own line, whatever the other does");
    a.tell(RTS, 115_200);
    assert_eq!(a.seen(), CTS);
}

#[test]
fn nothing_waits_for_who_does_not_read() {
    let Joined { cable, mut a, mut b, _bench } = joined();
    let lost = |bytes: &[u8], a: &mut Machine| {
        let before = cable.count(0).lost;
        a.bytes.write_all(bytes).unwrap();
        assert!(cable.shared.wait(SOON, |state| (state.sides[0].count.lost > before).then_some(())).is_some());
    };
    cable.end(1).freeze(true);
    lost(b"frozen", &mut a);
    cable.end(1).freeze(false);
    cable.set_wire(0, Wire::Broken);
    lost(b"broken", &mut a);
    cable.mend();
    cable.cut();
    lost(b"cut", &mut a);
    cable.mend();
    b.tell(0, 115_200);
    assert!(cable.await_seen(0, SOON, |seen| seen == 0));
    lost(b"closed", &mut a);
    b.tell(RTS, 115_200);
    assert!(cable.await_seen(0, SOON, |seen| seen == CTS));
    a.bytes.write_all(b"heard").unwrap();
    assert_eq!(b.read(5), b"heard");
    assert_eq!(cable.count(0), Count { sent: 26, delivered: 5, lost: 21, overrun: 0 });
}

#[test]
fn another_speed_reads_garbage() {
    let Joined { cable, mut a, mut b, _bench } = joined();
    b.tell(DTR | RTS, 9_600);
    assert!(cable.shared.wait(SOON, |state| (state.sides[1].baud == 9_600).then_some(())).is_some());
    a.bytes.write_all(&[b'x'; 160]).unwrap();
    assert!(cable.await_delivered(0, 13, SOON).is_some());
    assert!(b.read(14).iter().any(|byte| *byte != b'x'));
}
