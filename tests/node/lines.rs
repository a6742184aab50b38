//! Bytes as the lines bring them.

use crate::pair::{MS, Pair};
use lubdub::node::{Input, LinkWhy};
use lubdub::wire::frame;

#[test]
fn bytes_behind_a_frame_count_whether_or_not_they_come_with_it() {
    let why = |pieces: usize| {
        let mut pair = Pair::new();
        pair.boot(0);
        let now = pair.now;
        let mut buf = [0; 16];
        let mut room = &mut buf[..];
        frame::encode(b"whole", &mut room).unwrap();
        let len = 16 - room.len();
        let mut bytes = buf[..len].to_vec();
        bytes.extend([0xe6; 80]);
        for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
            pair.tell(0, Input::Bytes { link: 0, bytes: piece });
        }
        pair.run(MS(300));
        assert_eq!(pair.now, now + MS(300));
        pair.node(0).links().next().unwrap().why
    };
    assert_eq!(why(1), Some(LinkWhy::WrongBaud));
    assert_eq!(why(1), why(17));
}
