//! The other end of the control socket: what `status`, `takeover` and the others do.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::control::SOCKET;

/// Exit code: no daemon (EX_UNAVAILABLE of sysexits.h).
const NO_DAEMON: u8 = 69;
/// Exit code: not permitted (EX_NOPERM).
const NOT_PERMITTED: u8 = 77;
/// How long the daemon may take beyond what it was told to wait.
const GRACE: Duration = Duration::from_secs(10);

/// Asks the daemon of a run directory, prints its answer, and returns the exit code.
pub fn ask(run_dir: &Path, request: &str, wait: Duration) -> u8 {
    match exchange(run_dir, request, wait) {
        Ok(answer) => show(&answer),
        Err(error) => {
            let (code, remedy) = match error.kind() {
                io::ErrorKind::PermissionDenied => (NOT_PERMITTED, "only root may talk to the daemon"),
                _ => (NO_DAEMON, "is the daemon running? start it with: lubdub run"),
            };
            let _ = writeln!(io::stderr(), "lubdub: {}: {error}; {remedy}", run_dir.join(SOCKET).display());
            code
        }
    }
}

fn exchange(run_dir: &Path, request: &str, wait: Duration) -> io::Result<String> {
    let mut stream = UnixStream::connect(run_dir.join(SOCKET))?;
    stream.set_read_timeout(Some(wait.saturating_add(GRACE)))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first line says how to end and where the rest goes.
fn show(answer: &str) -> u8 {
    let parsed = answer.split_once('\n').and_then(|(head, text)| {
        let (code, stream) = head.split_once(' ')?;
        Some((code.parse().ok()?, stream, text))
    });
    match parsed {
        Some((code, "out", text)) => {
            let _ = io::stdout().write_all(text.as_bytes());
            code
        }
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
