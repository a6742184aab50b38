//! What is left when the process that powered a machine on is killed: nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that reads its own output")]

use std::env;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lubdub_qemu::{Appliance, Hardware, Image, Serial};

/// Set in the process that is to be killed.
const OWNER: &str = "LUBDUB_QEMU_OWNER";

#[test]
fn a_machine_ends_with_its_owner() {
    if env::var_os(OWNER).is_some() {
        return own_until_killed();
    }
    Image::build().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_machine_ends_with_its_owner", "--nocapture"])
        .env(OWNER, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    let mut said = BufReader::new(ours);
    let mut line = String::new();
    // The serial port of a machine that runs is a socket in the folder.
    while !line.starts_with("socket ") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the owner ended by itself");
    }
    let socket = line.trim_start_matches("socket ").trim().to_owned();
    let mut cable = UnixStream::connect(&socket).unwrap();
    cable.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    // QEMU's end of the cable closes when QEMU is gone; the folder's sweeper holds the owner's output to the last.
    let mut rest = Vec::new();
    // With bytes of ours still unread its end is reset instead of closed: it is gone all the same.
    if let Err(error) = cable.read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    said.read_to_end(&mut rest).unwrap();
    assert!(!Path::new(&socket).parent().unwrap().exists());
}

fn own_until_killed() {
    let bench = lubdub_qemu::Bench::new().unwrap();
    let socket = bench.folder().join("ttyS1");
    let mut hardware = Hardware::node1();
    hardware.serial = Some(Serial::Socket(socket.clone()));
    let mut node = Appliance::power_on(&Image::find().unwrap(), &hardware).unwrap();
    node.await_shell(lubdub_qemu::BOOT).unwrap();
    println!("\nsocket {}", socket.display());
    // The other end of this pipe is never written to.
    std::io::stdin().read_exact(&mut [0]).unwrap();
}
