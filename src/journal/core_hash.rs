//! Which core wrote a journal: only the same one must come to the same decisions.

/// Everything that has a part in a decision or in how a node is written down.
const SOURCES: &[&[u8]] = &[
    include_bytes!("../journal/entry.rs"),
    include_bytes!("../node/asked.rs"),
    include_bytes!("../node/callers.rs"),
    include_bytes!("../node/deadline.rs"),
    include_bytes!("../node/decide.rs"),
    include_bytes!("../node/digest.rs"),
    include_bytes!("../node/event.rs"),
    include_bytes!("../node/evidence.rs"),
    include_bytes!("../node/group.rs"),
    include_bytes!("../node/group/acquire.rs"),
    include_bytes!("../node/group/adopt.rs"),
    include_bytes!("../node/group/ask.rs"),
    include_bytes!("../node/group/digest.rs"),
    include_bytes!("../node/group/eyes.rs"),
    include_bytes!("../node/group/failback.rs"),
    include_bytes!("../node/group/heal.rs"),
    include_bytes!("../node/group/orders.rs"),
    include_bytes!("../node/group/release.rs"),
    include_bytes!("../node/group/scene.rs"),
    include_bytes!("../node/group/steps.rs"),
    include_bytes!("../node/guard.rs"),
    include_bytes!("../node/hear.rs"),
    include_bytes!("../node/io.rs"),
    include_bytes!("../node/judge.rs"),
    include_bytes!("../node/leave.rs"),
    include_bytes!("../node/link.rs"),
    include_bytes!("../node/look.rs"),
    include_bytes!("../node/memory.rs"),
    include_bytes!("../node/mod.rs"),
    include_bytes!("../node/peer.rs"),
    include_bytes!("../node/reload.rs"),
    include_bytes!("../node/renewal.rs"),
    include_bytes!("../node/session.rs"),
    include_bytes!("../node/setup.rs"),
    include_bytes!("../node/sight.rs"),
    include_bytes!("../node/speak.rs"),
    include_bytes!("../node/status.rs"),
    include_bytes!("../node/warrant.rs"),
    include_bytes!("../node/witness.rs"),
    include_bytes!("../lease.rs"),
    include_bytes!("../time.rs"),
    include_bytes!("../wire/auth.rs"),
    include_bytes!("../wire/beat.rs"),
    include_bytes!("../wire/envelope.rs"),
    include_bytes!("../wire/frame.rs"),
    include_bytes!("../wire/hello.rs"),
    include_bytes!("../wire/loss.rs"),
    include_bytes!("../wire/mod.rs"),
];

/// The hash of this core's sources: FNV-1a of 64 bits, taken when it is compiled.
pub const CORE: u64 = hash(SOURCES);

const fn hash(texts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut text = 0;
    while text < texts.len() {
        let mut at = 0;
        while at < texts[text].len() {
            hash = (hash ^ texts[text][at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
        text += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::vec::Vec;

    #[test]
    fn no_source_of_the_core_is_forgotten() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = Vec::new();
        let mut rooms = Vec::from([source.join("node"), source.join("wire")]);
        while let Some(room) = rooms.pop() {
            for file in std::fs::read_dir(room).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() {
                    rooms.push(path);
                } else if path.file_stem().unwrap() != "tests" {
                    texts.push(std::fs::read(path).unwrap());
                }
            }
        }
        assert!(
            texts.iter().all(|text| SOURCES.contains(&text.as_slice())),
            "a file of node or wire is not in SOURCES"
        );
        assert_eq!(texts.len() + 3, SOURCES.len(), "beside them there are only entry.rs, lease.rs and time.rs");
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8, "draft-eastlake-fnv, appendix C");
    }
}
