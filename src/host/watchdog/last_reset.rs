//! Why this machine was reset the last time, from three witnesses: the node's own last words, the
//! watchdog's boot status, and the peer, which remembers how it lost this node.

use std::fs;
use std::io;
use std::path::Path;

use lubdub::wire::loss::Loss;

use super::device::CARD_RESET;
use super::last_words::{self, LastWords};
use crate::host::narrate;
use crate::host::status::quoted;
use crate::host::words;

/// The file of the run directory that has what was said in this boot.
const FILE: &str = "last-reset";
/// `WDIOF_OVERHEAT`, `WDIOF_FANFAULT`, `WDIOF_POWERUNDER` and `WDIOF_POWEROVER`: what else may have reset the machine.
const HARDWARE: [(u32, &str); 4] = [
    (0x01, "the processor was too hot"),
    (0x02, "a fan failed"),
    (0x10, "the power was too low"),
    (0x40, "the power was too high"),
];

/// What is known of the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastReset {
    words: Option<LastWords>,
    /// `WDIOF_` bits; none without a watchdog.
    boot_status: Option<u32>,
    /// What the peer said in the first session of this boot; none while there was none.
    peer: Option<Loss>,
}

/// What a start finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is known.
    pub reset: LastReset,
    /// Nobody has said it in this boot yet.
    pub news: bool,
    /// A former life of the daemon, in this very boot, went to reset the machine, and it has not happened. Whatever it
    /// could not stop may still run.
    pub owed: Option<LastWords>,
}

impl LastReset {
    /// Reads what the last life left in `run_dir`, adds what the watchdog tells, and remembers for as long as this boot
    /// lasts that it is known. To be called once at each start, before the daemon says anything of its own there.
    pub fn find(run_dir: &Path, boot_id: &str, boot_status: Option<u32>) -> Found {
        let words = LastWords::read(run_dir);
        let (owed, said) = if words.as_ref().is_some_and(|words| same_boot(&words.boot, boot_id)) {
            (words, None)
        } else {
            (None, words)
        };
        let known = Self::remembered(run_dir, boot_id);
        let news = known.is_none() || said.is_some();
        let mut reset = known.unwrap_or_default();
        reset.words = said.or(reset.words);
        reset.boot_status = boot_status.or(reset.boot_status);
        if news {
            // Where nothing can be written it is said at every start.
            let kept = last_words::replace(run_dir, FILE, &reset.lines(boot_id));
            if kept.is_ok() && owed.is_none() {
                LastWords::forget(run_dir);
            }
        }
        Found { reset, news, owed }
    }

    /// What the peer remembers of the life before, from the first session of a boot; later ones tell of other ends. Whether
    /// that is news. Not synced: it is of no use after this boot.
    pub fn peer_says(&mut self, lost: Loss, run_dir: &Path, boot_id: &str) -> bool {
        if self.peer.is_some() {
            return false;
        }
        self.peer = Some(lost);
        let known = self.is_known();
        if known {
            // Where it cannot be written another start of the daemon asks the peer again.
            let _ = self.rewrite(run_dir, boot_id);
        }
        known
    }

    fn rewrite(&self, run_dir: &Path, boot_id: &str) -> io::Result<()> {
        let draft = run_dir.join(format!("{FILE}.new"));
        fs::write(&draft, self.lines(boot_id) + "\n")?;
        fs::rename(draft, run_dir.join(FILE))
    }

    /// The file, but for the end of its last line.
    fn lines(&self, boot_id: &str) -> String {
        let words = self.words.as_ref().map(LastWords::to_string).unwrap_or_default();
        let peer = self.peer.map_or(String::new(), |lost| u8::from(lost).to_string());
        format!("{boot_id}\n{}\n{words}\n{peer}", self.boot_status.unwrap_or(0))
    }

    /// What is known in this boot, as the daemon has kept it.
    pub fn of_this_boot(run_dir: &Path) -> Self {
        Self::remembered(run_dir, &last_words::boot_id()).unwrap_or_default()
    }

    /// What was known earlier in this boot.
    fn remembered(run_dir: &Path, boot_id: &str) -> Option<Self> {
        let text = last_words::read_bounded(&run_dir.join(FILE))?;
        let mut lines = text.lines();
        if !same_boot(lines.next()?, boot_id) {
            return None;
        }
        let boot_status = lines.next()?.parse().ok();
        let words = lines.next().and_then(LastWords::parse);
        let peer = lines.next().and_then(|number| number.parse::<u8>().ok()).map(Loss::from);
        Some(Self { boot_status, words, peer })
    }

    /// The watchdog says that it did it.
    fn by_watchdog(&self) -> bool {
        self.boot_status.is_some_and(|bits| bits & CARD_RESET != 0)
    }

    /// A witness of this machine's own has something to say.
    fn is_known(&self) -> bool {
        self.own_text().is_some()
    }

    /// One line for the log and the status; none when no witness of this machine's own has anything to say: what the peer
    /// alone saw may have been a cable. `peer`: its name.
    pub fn text(&self, peer: &str) -> Option<String> {
        let own = self.own_text()?;
        Some(match self.peer {
            None => own,
            Some(lost) => match narrate::memory(lost) {
                Some(how) => format!("{own}; {peer} says: {how}"),
                None => format!("{own}; {peer} did not miss it"),
            },
        })
    }

    fn own_text(&self) -> Option<String> {
        match (self.by_watchdog(), &self.words) {
            (true, Some(words)) => Some(format!("this node was reset by its watchdog at {}: {}", words.at, words.why)),
            (true, None) => Some(
                "this node was reset by its watchdog: it was not fed, and no word was left (the kernel or the daemon \
                 hung, or the run directory is in memory)"
                    .into(),
            ),
            (false, Some(words)) => Some(format!("this node reset itself at {}: {}", words.at, words.why)),
            (false, None) => {
                let cause = HARDWARE.iter().find(|(bit, _)| self.boot_status.unwrap_or(0) & bit != 0);
                cause.map(|(_, why)| format!("this node was reset by its hardware: {why}"))
            }
        }
    }

    /// One JSON object, or `null` when no witness has anything to say.
    pub fn json(&self, peer: &str) -> String {
        let Some(text) = self.text(peer) else { return "null".into() };
        let or_null = |text: Option<&str>| text.map_or("null".into(), quoted);
        let words = self.words.as_ref();
        format!(
            "{{\"watchdog\":{},\"at\":{},\"epitaph\":{},\"why\":{},\"peer\":{},\"text\":{}}}",
            self.by_watchdog(),
            or_null(words.map(|words| words.at.as_str())),
            or_null(words.map(|words| words.epitaph.word())),
            or_null(words.map(|words| words.why.as_str())),
            or_null(self.peer.map(words::loss)),
            quoted(&text),
        )
    }
}

/// A kernel that does not number its boots has each taken for a new one.
fn same_boot(one: &str, other: &str) -> bool {
    one == other && !one.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::watchdog::epitaph::Epitaph;
    use crate::host::watchdog::testing::Folder;

    const FORMER: &str = "boot-1";
    const PRESENT: &str = "boot-2";
    const PEER: &str = "node2";

    fn words_of(boot: &str) -> LastWords {
        let why = "group a: the stop of \"apache\" failed".into();
        LastWords { epitaph: Epitaph::StopFailed, at: "2026-01-02T03:04:05.678Z".into(), boot: boot.into(), why }
    }

    #[test]
    fn the_last_words_and_the_watchdog_are_said_once_and_shown_for_the_whole_boot() {
        let folder = Folder::new("said-once");
        words_of(FORMER).write(folder.path()).unwrap();
        let first = LastReset::find(folder.path(), PRESENT, Some(CARD_RESET));
        assert!(first.news && first.owed.is_none());
        let text = first.reset.text(PEER).unwrap();
        assert!(text.starts_with("this node was reset by its watchdog at 2026-01-02"), "{text}");
        assert!(text.ends_with("the stop of \"apache\" failed"), "{text}");
        // The daemon alone starts again: the same is shown, and not said.
        let second = LastReset::find(folder.path(), PRESENT, Some(CARD_RESET));
        assert_eq!(second, Found { news: false, ..first });
        // Without the watchdog, too.
        assert_eq!(LastReset::find(folder.path(), PRESENT, None), second);
        // Another boot, of which nobody left a word.
        let third = LastReset::find(folder.path(), "boot-3", Some(0));
        assert_eq!((third.news, third.reset.text(PEER), third.reset.json(PEER)), (true, None, "null".into()));
    }

    #[test]
    fn a_reset_that_did_not_come_is_owed() {
        let folder = Folder::new("owed");
        let words = words_of(PRESENT);
        words.write(folder.path()).unwrap();
        for news in [true, false] {
            let found = LastReset::find(folder.path(), PRESENT, Some(0));
            assert_eq!((found.news, found.reset.text(PEER), found.owed), (news, None, Some(words.clone())));
        }
        // The reset, at last.
        let found = LastReset::find(folder.path(), "boot-3", None);
        assert!(found.news && found.owed.is_none());
        assert!(found.reset.text(PEER).unwrap().starts_with("this node reset itself at "));
    }

    #[test]
    fn a_run_directory_in_memory_leaves_the_watchdog_to_ask() {
        let folder = Folder::new("in-memory");
        let reset = LastReset::find(folder.path(), PRESENT, Some(CARD_RESET)).reset;
        assert!(reset.text(PEER).unwrap().contains("no word was left"));
        let unknown = LastReset::find(folder.path(), "boot-3", None).reset;
        assert_eq!((unknown.text(PEER), unknown.json(PEER)), (None, "null".to_owned()));
    }

    #[test]
    fn the_hardware_may_have_had_its_own_reason() {
        let folder = Folder::new("hardware");
        let found = LastReset::find(folder.path(), PRESENT, Some(0x10));
        assert_eq!(found.reset.text(PEER).unwrap(), "this node was reset by its hardware: the power was too low");
    }

    #[test]
    fn the_json_is_escaped_and_names_every_witness() {
        let folder = Folder::new("json");
        words_of(FORMER).write(folder.path()).unwrap();
        let reset = LastReset::find(folder.path(), PRESENT, None).reset;
        assert_eq!(
            reset.json(PEER),
            "{\"watchdog\":false,\"at\":\"2026-01-02T03:04:05.678Z\",\"epitaph\":\"stop-failed\",\
             \"why\":\"group a: the stop of \\\"apache\\\" failed\",\"peer\":null,\
             \"text\":\"this node reset itself at 2026-01-02T03:04:05.678Z: group a: the stop of \\\"apache\\\" failed\"}"
        );
    }

    #[test]
    fn a_directory_that_cannot_be_written_has_it_said_at_every_start() {
        for _ in 0..2 {
            assert!(LastReset::find(Path::new("/nonexistent"), PRESENT, Some(CARD_RESET)).news);
        }
    }

    #[test]
    fn the_peer_speaks_beside_the_own_witnesses_for_the_whole_boot() {
        let folder = Folder::new("peer-says");
        words_of(FORMER).write(folder.path()).unwrap();
        let mut reset = LastReset::find(folder.path(), PRESENT, Some(CARD_RESET)).reset;
        assert!(reset.peer_says(Loss::Stopping, folder.path(), PRESENT));
        let text = reset.text(PEER).unwrap();
        assert!(text.starts_with("this node was reset by its watchdog at 2026-01-02"), "{text}");
        assert!(
            text.ends_with("; node2 says: it fell silent while it could not stop, or was still stopping, a resource")
        );
        assert!(reset.json(PEER).contains("\"peer\":\"stopping\",\"text\":"));
        // The daemon alone starts again, and its peer remembers the end of that.
        let mut again = LastReset::find(folder.path(), PRESENT, None);
        assert_eq!((&again.reset, again.news), (&reset, false));
        assert!(!again.reset.peer_says(Loss::Goodbye, folder.path(), PRESENT));
        assert_eq!(again.reset.text(PEER), Some(text));
        // After the next boot nothing of it is left.
        assert_eq!(LastReset::find(folder.path(), "boot-3", Some(0)).reset.text(PEER), None);
    }

    #[test]
    fn a_peer_that_missed_nothing_says_so_and_alone_it_is_no_witness() {
        let folder = Folder::new("peer-alone");
        let mut unknown = LastReset::find(folder.path(), PRESENT, Some(0)).reset;
        assert!(!unknown.peer_says(Loss::Silence, folder.path(), PRESENT));
        assert_eq!((unknown.text(PEER), unknown.json(PEER)), (None, "null".to_owned()));
        let mut bitten = LastReset::find(folder.path(), "boot-3", Some(CARD_RESET)).reset;
        assert!(bitten.peer_says(Loss::None, folder.path(), "boot-3"));
        assert!(bitten.text(PEER).unwrap().ends_with("; node2 did not miss it"));
    }
}
