//! What a person at the machine itself could do, and see: QEMU's monitor protocol.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lubdub_lab::{Error, Result, now};
use nix::sys::socket::shutdown;
use serde_json::{Value, json};

/// QEMU answers within milliseconds, on a host that has time for it.
const ANSWER: Duration = Duration::from_secs(60);

/// Something that happened to the machine: RESET, WATCHDOG, STOP, RESUME, SHUTDOWN, ...
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was heard of.
    pub at: Instant,
    /// As the protocol names it.
    pub name: String,
}

/// What is to be done at once with the name of an event.
type Listener = Box<dyn Fn(&str) + Send>;

/// The conversation with one QEMU, which connects to it.
#[derive(Debug)]
pub struct Qmp {
    socket: Arc<UnixListener>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<UnixStream>,
    events: Vec<Event>,
    replies: VecDeque<Value>,
}

impl Qmp {
    /// Listens at this path; events are also told to the listener, before anybody who waits for them.
    ///
    /// # Errors
    /// No socket can be made there.
    pub fn listen(path: &Path, listener: Listener) -> Result<Self> {
        let socket = Arc::new(UnixListener::bind(path)?);
        let awaited = socket.clone();
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        let thread = thread::Builder::new().name("qmp".into()).spawn(move || {
            if let Ok((stream, _)) = awaited.accept() {
                // The end of it is the end of QEMU.
                served.serve(stream, &listener).ok();
            }
        })?;
        Ok(Self { socket, shared, thread: Some(thread) })
    }

    /// Runs a command without arguments.
    ///
    /// # Errors
    /// QEMU refuses it, or has ended.
    pub fn run(&self, command: &str) -> Result<Value> {
        self.run_with(command, json!({}))
    }

    /// Runs a command.
    ///
    /// # Errors
    /// QEMU refuses it, or has ended.
    pub fn run_with(&self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        let stream = self
            .shared
            .wait(ANSWER, |state| state.stream.as_ref().and_then(|stream| stream.try_clone().ok()))
            .ok_or_else(|| Error::new("QEMU's monitor does not greet"))?;
        (&stream).write_all(format!("{request}\n").as_bytes())?;
        let reply = self
            .shared
            .wait(ANSWER, |state| state.replies.pop_front())
            .ok_or_else(|| Error::new(format!("QEMU does not answer to {command}")))?;
        match reply.get("return") {
            Some(value) => Ok(value.clone()),
            None => Err(Error::new(format!("QEMU refuses {command}: {reply}"))),
        }
    }

    /// How many events there have been: where [`Qmp::await_event`] may begin.
    pub fn count(&self) -> usize {
        self.shared.lock().events.len()
    }

    /// Waits for an event of this name, passing over the first `count` of all.
    pub fn await_event(&self, count: usize, name: &str, within: Duration) -> Option<Event> {
        self.shared.wait(within, |state| state.events.iter().skip(count).find(|event| event.name == name).cloned())
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(stream) = self.shared.lock().stream.take() {
            stream.shutdown(Shutdown::Both).ok();
        }
        // Ends the wait for a QEMU that has never connected.
        shutdown(self.socket.as_raw_fd(), nix::sys::socket::Shutdown::Both).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, within: Duration, mut found: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = found(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn serve(&self, stream: UnixStream, listener: &Listener) -> std::io::Result<()> {
        let writer = stream.try_clone()?;
        let mut lines = BufReader::new(stream).lines();
        if self.over.load(Ordering::Acquire) {
            return Ok(());
        }
        let _greeting = lines.next().transpose()?;
        (&writer).write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        let _capable = lines.next().transpose()?;
        self.lock().stream = Some(writer);
        self.changed.notify_all();
        for line in lines {
            self.take(&serde_json::from_str(&line?)?, listener);
            self.changed.notify_all();
        }
        Ok(())
    }

    fn take(&self, message: &Value, listener: &Listener) {
        let at = now();
        if let Some(name) = message.get("event").and_then(Value::as_str) {
            listener(name);
            self.lock().events.push(Event { at, name: name.into() });
        } else {
            self.lock().replies.push_back(message.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn events_between_question_and_answer_are_not_the_answer() {
        let bench = Bench::new().unwrap();
        let path = bench.folder().join("qmp");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = heard.clone();
        let qmp = Qmp::listen(&path, Box::new(move |name| listener.lock().unwrap().push(name.to_owned()))).unwrap();
        let qemu = thread::spawn(move || {
            let stream = UnixStream::connect(path).unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap()).lines();
            (&stream).write_all(b"{\"QMP\":{}}\n").unwrap();
            let capabilities = asked.next().unwrap().unwrap();
            (&stream).write_all(b"{\"return\":{}}\n").unwrap();
            let stop = asked.next().unwrap().unwrap();
            (&stream).write_all(b"{\"event\":\"STOP\"}\n{\"return\":{}}\n").unwrap();
            let bad = asked.next().unwrap().unwrap();
            (&stream).write_all(b"{\"error\":{\"desc\":\"no\"}}\n").unwrap();
            [capabilities, stop, bad]
        });
        qmp.run("stop").unwrap();
        assert_eq!(qmp.await_event(0, "STOP", SOON).unwrap().name, "STOP");
        assert_eq!(qmp.count(), 1);
        assert!(qmp.await_event(1, "STOP", Duration::ZERO).is_none());
        assert_eq!(*heard.lock().unwrap(), ["STOP"]);
        assert!(qmp.run("bad").unwrap_err().to_string().contains("no"));
        assert!(qemu.join().unwrap()[1].contains("\"stop\""));
    }

    #[test]
    fn a_monitor_that_nobody_came_to_ends() {
        let bench = Bench::new().unwrap();
        drop(Qmp::listen(&bench.folder().join("qmp"), Box::new(|_| ())).unwrap());
    }
}
