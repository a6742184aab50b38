use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream as Client;

use super::*;
use crate::host::clock;

struct Numbers;

impl Wording for Numbers {
    fn lost(&self, count: u64) -> String {
        format!("lost {count}\n")
    }

    fn dropped(&self, lost: u64) -> String {
        format!("dropped {lost}\n")
    }
}

fn run(name: &str, test: impl AsyncFnOnce(&Path, Control)) {
    let dir = std::env::temp_dir().join(format!("lubdub-control-{name}-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let run_dir = RunDir::take(&dir).unwrap();
        test(&dir.join(SOCKET), Control::new(&run_dir).unwrap()).await;
    });
    fs::remove_dir_all(dir).unwrap();
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

/// A client that asked `status follow`, and its number.
async fn ask(socket: &Path, control: &mut Control) -> (Client, u64) {
    let mut client = Client::connect(socket).unwrap();
    client.write_all(b"status follow\n").unwrap();
    let request = poll_fn(|cx| control.poll(cx, clock::now())).await;
    assert_eq!(request.words, ["status", "follow"]);
    (client, request.client)
}

/// Lets the control look at its clients once more.
async fn turn(control: &mut Control) {
    poll_fn(|cx| {
        assert!(control.poll(cx, clock::now()).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_follower_gets_the_first_line_and_each_that_is_told() {
    run("follow", async |socket, mut control| {
        let (client, id) = ask(socket, &mut control).await;
        assert!(!control.followed());
        control.follow(id, "first\n");
        assert!(control.followed());
        control.tell(at(1), "second\n", &Numbers);
        turn(&mut control).await;
        let mut lines = BufReader::new(client).lines().map(Result::unwrap);
        assert_eq!([(); 3].map(|()| lines.next().unwrap()), ["0 out", "first", "second"]);
    });
}

#[test]
fn the_fifth_follower_is_refused() {
    run("five", async |socket, mut control| {
        let mut stay = Vec::new();
        for _ in 0..FOLLOWERS_MAX {
            let (client, id) = ask(socket, &mut control).await;
            control.follow(id, "first\n");
            stay.push(client);
        }
        let (mut client, id) = ask(socket, &mut control).await;
        control.follow(id, "first\n");
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "1 err\ntoo many clients follow already\n");
    });
}

#[test]
fn one_that_goes_makes_room() {
    run("goes", async |socket, mut control| {
        let (client, id) = ask(socket, &mut control).await;
        control.follow(id, "first\n");
        drop(client);
        while control.followed() {
            poll_fn(|cx| match control.poll(cx, clock::now()) {
                _ if !control.followed() => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
                Poll::Ready(request) => panic!("{request:?}"),
            })
            .await;
        }
    });
}

/// Tells numbered lines until some are lost; how many were told.
fn flood(control: &mut Control, now: Instant) -> usize {
    let mut told = 0;
    while control.wake_at().is_none() {
        control.tell(now, &format!("line {told} {:200}\n", ""), &Numbers);
        told += 1;
        assert!(told < 100_000, "the queue is bounded");
    }
    control.tell(now, "one more\n", &Numbers);
    told + 1
}

/// All that the client can read without waiting for more than the control's next turn.
async fn read(client: &Client, control: &mut Control) -> String {
    client.set_nonblocking(true).unwrap();
    let mut text = Vec::new();
    let mut reader = client;
    loop {
        let before = text.len();
        let ended = reader.read_to_end(&mut text).is_ok();
        if ended || text.len() == before {
            return String::from_utf8(text).unwrap();
        }
        // The reactor learns that there is room between two polls.
        let mut turns = 0;
        poll_fn(|cx| {
            assert!(control.poll(cx, clock::now()).is_pending());
            cx.waker().wake_by_ref();
            turns += 1;
            if turns > 2 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[test]
fn what_a_slow_client_misses_is_counted_and_said() {
    run("slow", async |socket, mut control| {
        let (client, id) = ask(socket, &mut control).await;
        control.follow(id, "first\n");
        let told = flood(&mut control, at(1));
        let mut text = read(&client, &mut control).await;
        control.tell(at(2), "the end\n", &Numbers);
        text += &read(&client, &mut control).await;
        assert_eq!(control.wake_at(), None, "it reads again");
        let there = text.lines().filter(|line| line.starts_with("line ")).count();
        assert!(text.ends_with(&format!(" \nlost {}\nthe end\n", told - there)), "{there} of {told}");
    });
}

#[test]
fn one_that_never_reads_is_given_up_and_hears_it_when_it_reads() {
    run("deaf", async |socket, mut control| {
        let (client, id) = ask(socket, &mut control).await;
        control.follow(id, "first\n");
        let told = flood(&mut control, at(1));
        let until = control.wake_at().unwrap();
        control.give_up(at(1), &Numbers);
        assert_eq!(control.wake_at(), Some(until), "not before its time");
        control.give_up(until, &Numbers);
        control.tell(until, "not for it\n", &Numbers);
        assert_eq!(control.wake_at(), None);
        let text = read(&client, &mut control).await;
        let there = text.lines().filter(|line| line.starts_with("line ")).count();
        assert!(text.ends_with(&format!(" \ndropped {}\n", told - there)), "{there} of {told}");
        assert!(!control.followed());
    });
}

#[test]
fn one_that_was_given_up_makes_room() {
    run("room", async |socket, mut control| {
        let mut stay = Vec::new();
        for _ in 0..FOLLOWERS_MAX {
            let (client, id) = ask(socket, &mut control).await;
            control.follow(id, "first\n");
            stay.push(client);
        }
        flood(&mut control, at(1));
        control.give_up(control.wake_at().unwrap(), &Numbers);
        let (client, id) = ask(socket, &mut control).await;
        control.follow(id, "first\n");
        let mut lines = BufReader::new(client).lines().map(Result::unwrap);
        assert_eq!([(); 2].map(|()| lines.next().unwrap()), ["0 out", "first"]);
    });
}
