//! A process that ends when its owner does, even when the owner is killed.
//!
//! It is the child of a shell that reads from a pipe whose other end nobody but the owner holds: the kernel closes it
//! with the owner's last breath. It has a process group of its own, so that a terminal's Ctrl-C reaches the owner only.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command};

/// Runs the arguments until standard input ends; then kills them. Descriptors 1 and 2 become 3 and 4; what the program
/// itself has to say goes to the file named first.
const RUN: &str = r#"
said=$1
shift
"$@" 3<&1 4<&2 1>"$said" 2>&1 </dev/null &
child=$!
exec 1>/dev/null 2>&1
cat
kill -9 $child
wait $child
"#;

/// Waits until standard input ends, then removes the folder.
const SWEEP: &str = r#"cat >/dev/null; rm -rf "$1""#;

/// The shell, and the pipe that it waits at.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// A guard that runs a program: what the program says goes to `said`. Of `command` only descriptors 1 and 2 are
    /// used, as the program's 3 and 4.
    pub fn run(said: &std::path::Path, program: &[String], streams: [std::os::fd::OwnedFd; 2]) -> io::Result<Self> {
        let [third, fourth] = streams;
        let mut command = Command::new("sh");
        command.args(["-c", RUN, "sh"]).arg(said).args(program).stdout(third).stderr(fourth);
        Self::spawn(command)
    }

    /// A guard that removes a folder in the end.
    pub fn sweep(folder: &std::path::Path) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SWEEP, "sh"]).arg(folder);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> io::Result<Self> {
        let mut shell = command.stdin(std::process::Stdio::piped()).process_group(0).spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Ends what is guarded and waits for it: a KILL cannot be refused, so this does not take long.
    pub fn end(&mut self) {
        self.pipe = None;
        self.shell.wait().ok();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_program_has_the_streams_and_is_killed_in_the_end() {
        let folder = std::env::temp_dir().join(format!("lubdub-guard-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [(mut third, inner3), (mut fourth, inner4)] = [(); 2].map(|()| UnixStream::pair().unwrap());
        let program = ["sh", "-c", "echo said; echo 3 >&3; echo 4 >&4; exec sleep 600"].map(String::from);
        let mut guard = Guard::run(&folder.join("said"), &program, [inner3.into(), inner4.into()]).unwrap();
        for (stream, expected) in [(&mut third, b"3\n"), (&mut fourth, b"4\n")] {
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut read = [0; 2];
            stream.read_exact(&mut read).unwrap();
            assert_eq!(&read, expected);
        }
        guard.end();
        // Nobody holds the other end any more: the program is gone.
        assert_eq!(third.read(&mut [0]).unwrap(), 0);
        assert_eq!(std::fs::read_to_string(folder.join("said")).unwrap(), "said\n");
        Guard::sweep(&folder).unwrap().end();
        assert!(!folder.exists());
    }
}
