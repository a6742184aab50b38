//! The control socket: one request a connection, one line each way and a text.
//!
//! A request is a line of words (`status`, `status json`, `takeover all 60000`), the last number being milliseconds to
//! wait. The answer is a line `EXIT-CODE out|err` and what the command prints; that of `status follow` has no end. Only root, or the user that the daemon
//! runs as, is served; everything is bounded in number, size and time.

mod follower;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use lubdub::time::{Duration, Instant};
use nix::fcntl::{Flock, FlockArg};
use tokio::net::{UnixListener, UnixStream};

use super::request::Line;
use follower::Follower;
pub use follower::Wording;

/// The socket's name in the run directory.
pub const SOCKET: &str = "control";
/// The file in the run directory that is locked while a daemon lives, and has its process id.
pub const PID: &str = "pid";
/// Connections at a time; the next one waits in the kernel's queue.
const CLIENTS_MAX: usize = 16;
/// Clients that follow at a time.
const FOLLOWERS_MAX: usize = 4;
/// A client that has not said what it wants by then is disconnected.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sole use of a run directory; given back when the process ends, however it ends.
pub struct RunDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RunDir {
    /// Makes the directory where it is missing, and takes it.
    ///
    /// # Errors
    /// `WouldBlock`: another instance holds it. Others: it cannot be made or written.
    pub fn take(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        let lock = OpenOptions::new().create(true).write(true).truncate(false).open(path.join(PID))?;
        let mut lock =
            Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| io::Error::from(errno))?;
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What a client wants.
#[derive(Debug)]
pub struct Request {
    /// Names the connection, for the answer.
    pub client: u64,
    /// The words of the line.
    pub words: Vec<String>,
}

struct Client {
    id: u64,
    stream: UnixStream,
    line: Line,
    /// When it is given up; none once it has asked.
    until: Option<Instant>,
}

/// The listening end.
pub struct Control {
    listener: UnixListener,
    clients: Vec<Client>,
    followers: Vec<Follower>,
    next_id: u64,
    uid: u32,
}

impl Control {
    /// Listens in a run directory that is ours: a socket found there is a dead daemon's.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn new(run_dir: &RunDir) -> io::Result<Self> {
        let path = run_dir.path.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            clients: Vec::new(),
            followers: Vec::new(),
            next_id: 0,
            uid: nix::unistd::geteuid().as_raw(),
        })
    }

    /// The next request.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Request> {
        self.clients.retain(|client| client.until.is_none_or(|until| now < until));
        self.followers.retain_mut(|follower| follower.poll(cx));
        while self.clients.len() < CLIENTS_MAX {
            let Poll::Ready(Ok((stream, _))) = self.listener.poll_accept(cx) else { break };
            self.admit(stream, now);
        }
        let mut index = 0;
        while index < self.clients.len() {
            match self.clients[index].poll(cx) {
                Poll::Ready(Some(words)) => return Poll::Ready(Request { client: self.clients[index].id, words }),
                Poll::Ready(None) => drop(self.clients.swap_remove(index)),
                Poll::Pending => index += 1,
            }
        }
        Poll::Pending
    }

    /// When a silent client is given up.
    pub fn wake_at(&self) -> Option<Instant> {
        let followers = self.followers.iter().filter_map(Follower::until);
        self.clients.iter().filter_map(|client| client.until).chain(followers).min()
    }

    /// Answers with `first` and keeps the client, to be told with [`Self::tell`] until it goes.
    pub fn follow(&mut self, client: u64, first: &str) {
        if self.followers.len() >= FOLLOWERS_MAX
            && let Some(given_up) = self.followers.iter().position(Follower::given_up)
        {
            self.followers.swap_remove(given_up);
        }
        if self.followers.len() >= FOLLOWERS_MAX {
            return self.answer(client, 1, "too many clients follow already\n");
        }
        let Some(index) = self.clients.iter().position(|known| known.id == client) else { return };
        let client = self.clients.swap_remove(index);
        self.followers.push(Follower::new(client.stream, &format!("0 out\n{first}")));
    }

    /// Whether anybody follows.
    pub fn followed(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Tells every follower a line with its end. Who reads too slowly misses it, and hears how many it missed.
    pub fn tell(&mut self, now: Instant, line: &str, wording: &impl Wording) {
        self.followers.iter_mut().for_each(|follower| follower.tell(now, line, wording));
    }

    /// Gives up the followers that have not read for too long.
    pub fn give_up(&mut self, now: Instant, wording: &impl Wording) {
        let late = |follower: &&mut Follower| follower.until().is_some_and(|until| now >= until);
        self.followers.iter_mut().filter(late).for_each(|follower| follower.give_up(wording));
    }

    fn admit(&mut self, stream: UnixStream, now: Instant) {
        let served = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == self.uid);
        if !served {
            let _ = stream.try_write(b"77 err\nonly root may talk to the daemon\n");
            return;
        }
        self.next_id += 1;
        self.clients.push(Client { id: self.next_id, stream, line: Line::default(), until: Some(now + PATIENCE) });
    }

    /// Answers and hangs up: on standard output where all is well, else on standard error.
    pub fn answer(&mut self, client: u64, code: u8, text: &str) {
        self.reply(client, code, if code == 0 { "out" } else { "err" }, text);
    }

    /// Answers on standard output whatever the code.
    pub fn show(&mut self, client: u64, code: u8, text: &str) {
        self.reply(client, code, "out", text);
    }

    /// A client that does not take its answer loses it: nothing waits here.
    fn reply(&mut self, client: u64, code: u8, stream: &str, text: &str) {
        let Some(index) = self.clients.iter().position(|known| known.id == client) else { return };
        let client = self.clients.swap_remove(index);
        let _ = client.stream.try_write(format!("{code} {stream}\n{text}").as_bytes());
    }
}

impl Client {
    /// The words once a whole line is there; none when the client is to be dropped.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<String>>> {
        let mut buf = [0; 256];
        loop {
            match self.stream.poll_read_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(())) => {}
            }
            let read = match self.stream.try_read(&mut buf) {
                Ok(0) => return Poll::Ready(None),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return Poll::Ready(None),
            };
            match self.line.take(&buf[..read]) {
                Ok(None) if self.until.is_some() => {}
                Ok(Some(words)) if self.until.take().is_some() => return Poll::Ready(Some(words)),
                // Too much of it, or more after the request.
                _ => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests;
