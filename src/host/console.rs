//! Standard output of the commands: what could not be written there was not done.

use std::io::{self, Write};

/// Exit code: nobody could be told (EX_IOERR of sysexits.h).
const NOT_WRITTEN: u8 = 74;

/// Writes a text to standard output. The exit code: this one, or 74 and a line on standard error where the text was lost.
pub fn print(text: &str, code: u8) -> u8 {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()), code)
}

/// The exit code of a command whose output came to this. A reader that has gone has seen enough.
pub fn written(outcome: io::Result<()>, code: u8) -> u8 {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "lubdub: standard output: {error}");
            NOT_WRITTEN
        }
        _ => code,
    }
}
