//! A port under test: polled as the daemon's loop polls it, with every poll counted and every wait bounded.

use std::future::poll_fn;
use std::task::Poll;

use lubdub::time::Duration;

use super::{Port, PortEvent};
use crate::host::clock::{self, Alarm};

/// Runs a test in the runtime that the daemon has.
pub fn run<T>(test: impl AsyncFnOnce() -> T) -> T {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(test())
}

/// The next event of a port within `patience`, and how often it was polled for it.
pub async fn event_within(port: &mut impl Port, buf: &mut [u8], patience: Duration) -> (Option<PortEvent>, u32) {
    let end = clock::now() + patience;
    let mut alarm = Alarm::new().unwrap();
    let mut polls = 0;
    let event = poll_fn(|cx| {
        loop {
            polls += 1;
            if let Poll::Ready(event) = port.poll(cx, clock::now(), buf) {
                return Poll::Ready(Some(event));
            }
            alarm.set(port.wake_at().map_or(end, |at| at.min(end)));
            if alarm.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if clock::now() >= end {
                return Poll::Ready(None);
            }
        }
    });
    (event.await, polls)
}

/// The next event, which must come within 10 s.
pub async fn event(port: &mut impl Port, buf: &mut [u8]) -> PortEvent {
    event_within(port, buf, Duration::from_secs(10)).await.0.expect("an event within 10 s")
}

/// The next event, which must be bytes: those.
pub async fn bytes(port: &mut impl Port) -> Vec<u8> {
    let mut buf = [0; 512];
    match event(port, &mut buf).await {
        PortEvent::Bytes(length) => buf[..length].to_vec(),
        other => panic!("expected bytes, got {other:?}"),
    }
}

/// The device must open next.
pub async fn opened(port: &mut impl Port) {
    let event = event(port, &mut [0; 512]).await;
    assert!(matches!(event, PortEvent::Opened), "expected to open, got {event:?}");
}

/// The device must be lost next: why.
pub async fn lost(port: &mut impl Port) -> std::io::Error {
    match event(port, &mut [0; 512]).await {
        PortEvent::Lost(error) => error,
        other => panic!("expected a loss, got {other:?}"),
    }
}

/// Nothing may happen for `length`, and the loop must sleep meanwhile.
pub async fn quiet(port: &mut impl Port, length: Duration) {
    let (event, polls) = event_within(port, &mut [0; 512], length).await;
    assert!(event.is_none(), "unexpected {event:?}");
    assert!(polls < 20, "{polls} polls while nothing happened");
}

/// Polls until a beat has come and nothing more is ready, as the loop does. Allocates nothing itself.
pub async fn beat(port: &mut impl Port, alarm: &mut Alarm, buf: &mut [u8]) {
    alarm.set(clock::now() + Duration::from_secs(10));
    poll_fn(|cx| {
        let mut got = false;
        while let Poll::Ready(event) = port.poll(cx, clock::now(), buf) {
            got |= matches!(event, PortEvent::Bytes(_));
        }
        if got {
            return Poll::Ready(());
        }
        assert!(alarm.poll(cx).is_pending(), "no beat within 10 s");
        Poll::Pending
    })
    .await;
}
