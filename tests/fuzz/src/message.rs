//! The messages: what is read is what was written.

use lubdub::wire::beat::{BEAT_MAX, Beat, GROUPS_MAX};
use lubdub::wire::hello::{CLUSTER_MAX, HELLO_MAX, Hello, NAME_MAX};

/// A beat has one spelling: what is read is written as the same bytes, or refused.
pub fn beat(data: &[u8]) {
    let Some(beat) = Beat::decode(data) else { return };
    assert!(data.len() <= BEAT_MAX && beat.groups.len() <= GROUPS_MAX);
    let mut buf = [0; BEAT_MAX];
    let len = beat.encode(&mut buf);
    assert_eq!(&buf[..len], data, "another spelling of {beat:?}");
}

/// A hello that is read has room to be written again, and is then the same. Its numbers have more than one spelling
/// (postcard's varints), which a tag tells apart, so the bytes may be fewer.
pub fn hello(data: &[u8]) {
    let Some(hello) = Hello::decode(data) else { return };
    assert!(hello.node.len() <= NAME_MAX && hello.cluster.len() <= CLUSTER_MAX);
    let mut buf = [0; HELLO_MAX];
    let len = hello.encode(&mut buf).expect("HELLO_MAX holds any hello that can be read");
    assert!(len <= data.len());
    assert_eq!(Hello::decode(&buf[..len]), Some(hello));
}
