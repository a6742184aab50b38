//! A box: a set of namespaces, kept by its own pid 1.

use std::ffi::{CString, c_int};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::Signal;

use crate::child::{Child, Exit};
use crate::clock::{self, lock};
use crate::error::{Context, Error, Result};
use crate::step::Steps;
use crate::sys::{self, Become, Enter, Image, Launch, LaunchError, SocketKind};

/// Where programs are looked for in a box; the lab's own directory first.
pub const PATH: &str = "/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A killed process ends within this, unless the machine is in great trouble.
const DEATH: Duration = Duration::from_secs(5);

/// What a command in a box printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended; killed by signal 9 when its time was over.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output of a command that succeeded, or what it complained about.
    pub fn ok(self) -> Result<String> {
        if self.exit.success() { Ok(self.stdout) } else { Err(Error::new(format!("{}: {}", self.exit, self.stderr))) }
    }
}

/// Namespaces with a pid 1 that does nothing but reap. When it dies, everything in the box dies; it dies with the lab.
#[derive(Debug)]
pub struct Space {
    guard: Child,
    kinds: c_int,
    children: Mutex<Vec<Child>>,
}

/// How to make a box.
pub(crate) struct Blueprint<'a> {
    /// The box whose namespaces of these kinds to begin from.
    pub inside: Option<(&'a Space, c_int)>,
    /// `CLONE_NEW*`: what is its own.
    pub own: c_int,
    /// Done before pid 1 exists.
    pub before: Steps,
    /// Done by pid 1.
    pub steps: Steps,
}

impl Space {
    pub(crate) fn new(blueprint: &Blueprint<'_>) -> Result<Self> {
        let lab = sys::pidfd_open(std::process::id() as i32).context("watch the lab's own process")?;
        let pid = sys::launch(&Launch {
            enter: blueprint.inside.map(|(space, kinds)| space.enter(kinds)),
            create: blueprint.own,
            before: blueprint.before.as_slice(),
            steps: blueprint.steps.as_slice(),
            then: Become::Guard { lab: lab.as_fd() },
        })
        .map_err(explain)?;
        let user = blueprint.inside.map_or(0, |(space, kinds)| space.kinds & kinds & libc::CLONE_NEWUSER);
        let kinds = blueprint.own | user;
        Ok(Self { guard: Child::adopt(pid)?, kinds, children: Mutex::new(Vec::new()) })
    }

    fn enter(&self, kinds: c_int) -> Enter<'_> {
        Enter { pidfd: self.guard.pidfd().as_fd(), kinds: kinds & self.kinds }
    }

    /// The number of its pid 1 as seen from outside.
    pub fn pid(&self) -> i32 {
        self.guard.pid()
    }

    /// Its root directory, seen from outside.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.guard.pid()))
    }

    /// Opens a socket in its network namespace.
    pub(crate) fn socket(&self, kind: SocketKind<'_>) -> Result<OwnedFd> {
        let kinds = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
        sys::socket_in(self.enter(kinds), kind).context(&format!("open a socket ({kind:?})"))
    }

    /// Starts a program in the box, with these standard descriptors.
    pub(crate) fn spawn(&self, words: &[&str], stdio: [&OwnedFd; 3]) -> Result<Child> {
        let image = image(words)?;
        let pid = sys::launch(&Launch {
            enter: Some(self.enter(!0)),
            create: 0,
            before: &[],
            steps: &[],
            then: Become::Program { image: &image, stdio: stdio.map(AsFd::as_fd) },
        })
        .map_err(explain)
        .context(&format!("run {}", words.join(" ")))?;
        let child = Child::adopt(pid)?;
        let mut children = lock(&self.children);
        children.retain(Child::runs);
        children.push(child.clone());
        Ok(child)
    }

    /// Runs a program in the box to its end, or for at most `within`; then it is killed.
    pub(crate) fn run(&self, words: &[&str], input: &str, within: Duration) -> Result<Output> {
        let deadline = clock::now() + within;
        let (stdin, feed) = pipe()?;
        let (out, stdout) = pipe()?;
        let (err, stderr) = pipe()?;
        let child = self.spawn(words, [&stdin, &stdout, &stderr])?;
        drop((stdin, stdout, stderr));
        // A pipe takes 64 KiB at once; longer input would need a writer of its own.
        File::from(feed).write_all(input.as_bytes()).ok();
        let mut streams = [Stream::new(out)?, Stream::new(err)?];
        let finished = collect(&child, &mut streams, deadline);
        if !finished {
            child.signal(Signal::SIGKILL);
        }
        let exit = child.wait(DEATH).ok_or_else(|| Error::new(format!("{} does not die", words.join(" "))))?;
        let [stdout, stderr] = streams.map(Stream::text);
        Ok(Output { exit, stdout, stderr })
    }

    /// Pid 1 dies, and with it every process of the box. Returns at once.
    pub(crate) fn kill(&self) {
        self.guard.signal(Signal::SIGKILL);
    }

    /// Waits until every process of a killed box is gone.
    pub(crate) fn bury(&self) {
        // Pid 1 ends last: it waits for those that the lab has to reap.
        for child in lock(&self.children).drain(..) {
            child.wait(DEATH);
        }
        self.guard.wait(DEATH);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.kill();
        self.bury();
    }
}

fn explain(error: LaunchError) -> Error {
    let hint = match error.errno.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSPC) => {
            "; an ordinary user needs user namespaces: see user.max_user_namespaces, kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns in sysctl(8)"
        }
        _ => "",
    };
    Error::new(format!("{}: {}{hint}", error.what, error.errno))
}

fn image(words: &[&str]) -> Result<Image> {
    let program = words.first().ok_or_else(|| Error::new("a command without a word"))?;
    let paths = if program.contains('/') {
        vec![CString::new(*program)?]
    } else {
        PATH.split(':').map(|dir| CString::new(format!("{dir}/{program}"))).collect::<std::result::Result<_, _>>()?
    };
    let argv = words.iter().map(|word| CString::new(*word)).collect::<std::result::Result<_, _>>()?;
    let environment = [format!("PATH={PATH}"), "LC_ALL=C".into(), "HOME=/".into()];
    let envp = environment.into_iter().map(CString::new).collect::<std::result::Result<_, _>>()?;
    Ok(Image::new(paths, argv, envp))
}

pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).context("make a pipe")
}

/// The reading end of a child's output.
struct Stream {
    file: File,
    bytes: Vec<u8>,
    open: bool,
}

impl Stream {
    fn new(fd: OwnedFd) -> Result<Self> {
        nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { file: File::from(fd), bytes: Vec::new(), open: true })
    }

    /// Takes what is there.
    fn drain(&mut self) {
        let mut buffer = [0; 8192];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return self.open = false,
                Ok(n) => self.bytes.extend_from_slice(&buffer[..n]),
                Err(_) => return,
            }
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Reads both streams until the child has ended; whether it has by the deadline.
fn collect(child: &Child, streams: &mut [Stream; 2], deadline: std::time::Instant) -> bool {
    loop {
        let wanted = |s: &Stream| if s.open { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(child.pidfd().as_fd(), PollFlags::POLLIN)];
        fds.extend(streams.iter().filter(|s| s.open).map(|s| PollFd::new(s.file.as_fd(), wanted(s))));
        let ready = poll(&mut fds, clock::poll_left(deadline));
        let ended = fds[0].any() == Some(true);
        drop(fds);
        // A background process may keep the pipes open: what the command itself printed is there when it has ended.
        streams.iter_mut().for_each(Stream::drain);
        match ready {
            _ if ended => return true,
            Ok(0) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}
