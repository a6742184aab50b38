//! The end of what a console has said.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lubdub_lab::now;

/// Bytes kept of it.
const KEPT: usize = 64 * 1024;

/// A console's last words; a thread collects them until the other side closes.
#[derive(Clone, Debug, Default)]
pub struct Tail(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Bytes that there have been.
    total: u64,
}

impl Tail {
    /// Begins to collect.
    pub fn follow(mut stream: UnixStream) -> std::io::Result<Self> {
        let tail = Self::default();
        let kept = tail.clone();
        thread::Builder::new().name("console".into()).spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                kept.push(&buffer[..count]);
            }
        })?;
        Ok(tail)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        kept.total += bytes.len() as u64;
        kept.bytes.extend_from_slice(bytes);
        let surplus = kept.bytes.len().saturating_sub(KEPT);
        kept.bytes.drain(..surplus);
        drop(kept);
        self.0.grown.notify_all();
    }

    /// What is kept of it.
    pub fn text(&self) -> String {
        text(&self.lock().bytes)
    }

    /// What came behind the first `seen` bytes, as far as it is kept, and how many there have been; waits for some, unless
    /// the time is over.
    pub fn await_more(&self, seen: u64, within: Duration) -> (u64, Vec<u8>) {
        let kept = self.lock();
        let (kept, _) = self
            .0
            .grown
            .wait_timeout_while(kept, within, |kept| kept.total <= seen)
            .unwrap_or_else(PoisonError::into_inner);
        let new = usize::try_from(kept.total - seen.min(kept.total)).unwrap_or(KEPT).min(kept.bytes.len());
        (kept.total, kept.bytes[kept.bytes.len() - new..].to_vec())
    }

    /// Waits until this is somewhere in what is kept.
    pub fn await_text(&self, wanted: &str, within: Duration) -> bool {
        let deadline = now() + within;
        let mut kept = self.lock();
        while !text(&kept.bytes).contains(wanted) {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return false;
            }
            kept = self.0.grown.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let tail = Tail::default();
        tail.push(b"begin\r\n");
        assert_eq!(tail.text(), "begin\n");
        tail.push(&[b'x'; KEPT]);
        tail.push(b"end");
        assert_eq!(tail.text().len(), KEPT);
        assert!(tail.text().ends_with("xend") && tail.text().starts_with('x'));
        let (total, new) = tail.await_more(7 + KEPT as u64, Duration::ZERO);
        assert_eq!((total, new), (10 + KEPT as u64, b"end".to_vec()));
        assert_eq!(tail.await_more(total, Duration::ZERO).1, b"");
    }
}
