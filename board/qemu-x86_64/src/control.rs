//! Commands to a machine, through the virtio port that its control shell reads (`root/usr/lib/appliance/control`).

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use lubdub_lab::{Error, Exit, Output, Result, now};

/// How much longer than the machine itself we wait for a command: its clock may be slower than ours, and an emulated
/// machine stands still for as long as its host has other work.
const GRACE: Duration = Duration::from_secs(30);
/// Bytes of an answer at most.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an answer's first line at most.
const LINE_MAX: usize = 128;

/// Our end of the port.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    number: u64,
}

impl Control {
    /// A conversation over this stream.
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, number: 0 }
    }

    /// Waits until the control shell listens.
    pub fn await_ready(&mut self, within: Duration) -> Result<()> {
        let deadline = now() + within;
        while self.line(deadline)? != "ready" {}
        Ok(())
    }

    /// Runs a shell script; one that takes longer is killed, which its exit status 137 tells.
    pub fn run(&mut self, script: &str, within: Duration) -> Result<Output> {
        self.number += 1;
        let seconds = within.as_secs().max(1);
        let request = format!("{} {seconds} {}\n", self.number, escape(script));
        self.stream.write_all(request.as_bytes())?;
        self.answer(now() + within + GRACE)
            .map_err(|why| Error::new(format!("the machine does not answer: {why}\nto: {script}")))
    }

    /// The answer to the newest request; answers to older ones, which nobody awaited to the end, are passed over.
    fn answer(&mut self, deadline: Instant) -> Result<Output> {
        loop {
            let line = self.line(deadline)?;
            let Some(header) = Header::parse(&line) else { continue };
            let stdout = self.bytes(header.stdout, deadline)?;
            let stderr = self.bytes(header.stderr, deadline)?;
            if header.number == self.number {
                return Ok(Output { exit: Exit::Code(header.code), stdout, stderr });
            }
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<String> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            self.fill(&mut byte, deadline)?;
            match byte[0] {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                _ if line.len() == LINE_MAX => return Err(Error::new("its first line is too long")),
                byte => line.push(byte),
            }
        }
    }

    fn bytes(&mut self, count: usize, deadline: Instant) -> Result<String> {
        if count > ANSWER_MAX {
            return Err(Error::new(format!("an answer of {count} bytes is too long")));
        }
        let mut bytes = vec![0; count];
        self.fill(&mut bytes, deadline)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn fill(&mut self, mut buffer: &mut [u8], deadline: Instant) -> Result<()> {
        while !buffer.is_empty() {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Err(io::Error::from(ErrorKind::TimedOut).into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(Error::new("it has no power")),
                Ok(count) => buffer = &mut buffer[count..],
                Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Ok(())
    }
}

/// The first line of an answer.
#[derive(Debug, PartialEq)]
struct Header {
    number: u64,
    code: i32,
    stdout: usize,
    stderr: usize,
}

impl Header {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let header = Self {
            number: words.next()?.parse().ok()?,
            code: words.next()?.parse().ok()?,
            stdout: words.next()?.parse().ok()?,
            stderr: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(header)
    }
}

/// A script as one line, for the `%b` of printf(1).
fn escape(script: &str) -> String {
    script.trim().replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::thread;

    use super::*;

    #[test]
    fn a_script_is_one_line() {
        assert_eq!(escape("\na 'b\\n'\nc\n"), "a 'b\\\\n'\\nc");
    }

    #[test]
    fn an_answer_to_an_older_question_is_passed_over() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut control = Control::new(ours);
        control.number = 6;
        let machine = thread::spawn(move || {
            let mut request = String::new();
            BufReader::new(&theirs).read_line(&mut request).unwrap();
            (&theirs).write_all(b"ready\n6 0 4 0\nold\n7 3 3 2\na\nbcd").unwrap();
            request
        });
        let output = control.run("echo a", Duration::from_secs(9)).unwrap();
        assert_eq!((output.exit, output.stdout.as_str(), output.stderr.as_str()), (Exit::Code(3), "a\nb", "cd"));
        assert_eq!(machine.join().unwrap(), "7 9 echo a\n");
    }

    #[test]
    fn a_machine_without_power_is_named() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let error = Control::new(ours).await_ready(Duration::from_secs(9)).unwrap_err();
        assert_eq!(error.to_string(), "it has no power");
    }
}
