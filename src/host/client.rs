//! The other end of the control socket: what `status`, `takeover` and the others do.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::NOT_PERMITTED;
use super::console;
use super::control::SOCKET;

/// Exit code: no daemon (EX_UNAVAILABLE of sysexits.h).
const NO_DAEMON: u8 = 69;
/// The answer when the journal is written.
const JOURNAL_WRITTEN: &str = "0 out\n";
/// How long the daemon may take beyond what it was told to wait.
const GRACE: Duration = Duration::from_secs(10);

/// Asks the daemon of a run directory, prints its answer, and returns the exit code.
pub fn ask(run_dir: &Path, request: &str, wait: Duration) -> u8 {
    match exchange(run_dir, request, wait) {
        Ok(answer) => show(&answer),
        Err(error) => no_answer(run_dir, &error),
    }
}

fn no_answer(run_dir: &Path, error: &io::Error) -> u8 {
    let (code, remedy) = match error.kind() {
        io::ErrorKind::PermissionDenied => (NOT_PERMITTED, "only root may talk to the daemon"),
        // The kernel took the connection, so somebody listens.
        io::ErrorKind::WouldBlock => {
            let text = "no answer: the daemon is there, and too many clients talk to it, or it stands still; try again, \
                        and see what holds the socket: fuser";
            let _ = writeln!(io::stderr(), "lubdub: {}: {text}", run_dir.join(SOCKET).display());
            return NO_DAEMON;
        }
        _ => (NO_DAEMON, "is the daemon running? start it with: lubdub run"),
    };
    let _ = writeln!(io::stderr(), "lubdub: {}: {error}; {remedy}", run_dir.join(SOCKET).display());
    code
}

/// Prints what happens, one line each, until interrupted or until the daemon ends. The exit code.
pub fn follow(run_dir: &Path) -> u8 {
    match stream(run_dir) {
        Ok(code) => code,
        Err(error) => no_answer(run_dir, &error),
    }
}

fn stream(run_dir: &Path) -> io::Result<u8> {
    let mut stream = request(run_dir, "status follow", Duration::ZERO)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\n") && (&stream).take(1).read_to_end(&mut head)? > 0 {}
    if head != b"0 out\n" {
        stream.read_to_end(&mut head)?;
        return Ok(show(&String::from_utf8_lossy(&head)));
    }
    stream.set_read_timeout(None)?;
    let mut buf = [0; 4_096];
    loop {
        let read = stream.read(&mut buf)?;
        let mut out = io::stdout().lock();
        let outcome = out.write_all(&buf[..read]).and_then(|()| out.flush());
        if outcome.is_err() {
            return Ok(console::written(outcome, 0));
        }
        if read == 0 {
            let _ =
                writeln!(io::stderr(), "lubdub: the daemon has ended, or gave this client up because it did not read");
            return Ok(NO_DAEMON);
        }
    }
}

/// Asks the daemon to write its journal; whether one is there. A dead one has left its own. Where the daemon cannot write,
/// it says why.
pub fn refresh_journal(run_dir: &Path) -> bool {
    let answer = exchange(run_dir, "journal", Duration::ZERO).unwrap_or_default();
    if !answer.is_empty() && answer != JOURNAL_WRITTEN {
        show(&answer);
    }
    !answer.is_empty()
}

fn exchange(run_dir: &Path, words: &str, wait: Duration) -> io::Result<String> {
    let mut answer = String::new();
    request(run_dir, words, wait)?.read_to_string(&mut answer)?;
    Ok(answer)
}

fn request(run_dir: &Path, words: &str, wait: Duration) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(run_dir.join(SOCKET))?;
    stream.set_read_timeout(Some(wait.saturating_add(GRACE)))?;
    stream.write_all(format!("{words}\n").as_bytes())?;
    Ok(stream)
}

/// The first line says how to end and where the rest goes.
fn show(answer: &str) -> u8 {
    let parsed = answer.split_once('\n').and_then(|(head, text)| {
        let (code, stream) = head.split_once(' ')?;
        Some((code.parse().ok()?, stream, text))
    });
    match parsed {
        Some((code, "out", text)) => console::print(text, code),
        Some((code, _, text)) => {
            let _ = write!(io::stderr(), "lubdub: {text}");
            code
        }
        None => {
            let _ = writeln!(io::stderr(), "lubdub: the daemon hung up without an answer; see its log");
            NO_DAEMON
        }
    }
}
