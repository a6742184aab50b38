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
    kept: Mutex<Vec<u8>>,
    grown: Condvar,
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

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
        drop(kept);
        self.0.grown.notify_all();
    }

    /// What is kept of it.
    pub fn text(&self) -> String {
        text(&self.lock())
    }

    /// Waits until this is somewhere in what is kept.
    pub fn await_text(&self, wanted: &str, within: Duration) -> bool {
        let deadline = now() + within;
        let mut kept = self.lock();
        while !text(&kept).contains(wanted) {
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
    }
}
