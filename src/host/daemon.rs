//! The daemon: one loop on one thread.
//!
//! It waits, hands one input to the node, and carries out what comes of it. Nothing is decided here. Every source of events
//! is polled by hand in one future, so that a beat costs no allocation and no task.

mod feed;
mod fencing;
mod flood;
mod links;
mod reload;
mod resources;
mod serve;
mod start;

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll};

use lubdub::journal::Told;
use lubdub::node::{Groups, Input, Node, Order, Output, Timing, Why};
use lubdub::time::Instant;

use super::clock;
use super::control::{Control, Request};
use super::fence::{Fence, FenceEvent};
use super::follow::Follow;
use super::journal::Journal;
use super::lines::Shown;
use super::names::Names;
use super::narrate::Line;
use super::notify::Notify;
use super::orders::Waiting;
use super::port::{Port, PortEvent, Sent};
use super::report::{Level, Log};
use super::resources::{Event, Resources};
use super::sentry::Sentry;
use super::signals::{Said, Signals};
use super::vip::VipSpec;
pub use start::run;

/// Bytes read from a link at a time: several frames of a cable, one datagram.
const READ_MAX: usize = 2048;
/// Reads of one link before silence is judged: more than its buffers hold in any deadtime, and an end to a flood.
const SWEEPS_MAX: usize = 64;

/// What the loop woke for.
enum Wakeup {
    Alarm,
    Port(usize, PortEvent),
    Resource(Event),
    Fence(FenceEvent),
    Request(Request),
    Stop,
    Reload,
}

struct Daemon {
    node: Box<Node>,
    names: Names,
    timing: Timing,
    config_dir: PathBuf,
    /// What a reload may not change.
    fixed: reload::Fixed,
    ports: Vec<Box<dyn Port>>,
    dropped: Vec<u64>,
    /// What the modem lines or the carrier of each link show of its other end.
    shown: Vec<Shown>,
    /// The VIPs: an interface that has one is no crossover cable.
    vips: Vec<VipSpec>,
    resources: Resources,
    fence: Fence,
    sentry: Sentry,
    control: Control,
    orders: Vec<Waiting>,
    signals: Signals,
    alarm: clock::Alarm,
    log: Rc<RefCell<Log>>,
    notify: Notify,
    journal: Journal,
    fed_at: Instant,
    since: Instant,
    /// When the node was last told something: what it sends in this turn carries that time.
    told_at: Instant,
    /// The groups whose VIPs the node wants to be asked for.
    looking: Groups,
    /// When the node wants to be woken, and why.
    wait: (Instant, Why),
    /// The source that is polled first; another one each time, so that none starves the others.
    turn: usize,
    left: bool,
    /// Turns of the loop since then.
    turns: u32,
    turns_since: Instant,
    buf: [u8; READ_MAX],
}

impl Daemon {
    /// Waits, handles one thing, drains; until everything is released.
    async fn live(mut self: Box<Self>) {
        self.open_ports().await;
        self.notify.ready();
        while !self.left {
            self.alarm.set(self.wake_at());
            let wakeup = poll_fn(|cx| self.poll(cx)).await;
            self.handle(wakeup);
            self.feed_supervisor();
            self.feed_watchdog();
            self.breathe();
        }
        self.resources.remove_gate();
        self.sentry.disarm(&mut |level, text| self.log.borrow_mut().line(level, text));
        // Whoever asks why afterwards is to find the end of it.
        let _ = self.journal.write(clock::now());
        self.log.borrow_mut().line(Level::Notice, format_args!("everything is released, goodbye"));
    }

    /// Opens every device before anything is said: the first beat is not to be lost.
    async fn open_ports(&mut self) {
        let now = clock::now();
        let mut events = Vec::new();
        for (number, port) in self.ports.iter_mut().enumerate() {
            if let Poll::Ready(event) = poll_fn(|cx| Poll::Ready(port.poll(cx, now, &mut self.buf))).await {
                events.push((number, event));
            }
        }
        self.drain();
        self.journal.begin(&self.node);
        for (number, event) in events {
            self.port_event(number, event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wakeup> {
        let sources = self.ports.len() + 5;
        self.turn = (self.turn + 1) % sources;
        for offset in 0..sources {
            if let Poll::Ready(wakeup) = self.poll_source(cx, (self.turn + offset) % sources) {
                return Poll::Ready(wakeup);
            }
        }
        Poll::Pending
    }

    fn poll_source(&mut self, cx: &mut Context<'_>, source: usize) -> Poll<Wakeup> {
        let now = clock::now();
        if let Some(port) = self.ports.get_mut(source) {
            return port.poll(cx, now, &mut self.buf).map(|event| Wakeup::Port(source, event));
        }
        match source - self.ports.len() {
            0 => self.alarm.poll(cx).map(|()| Wakeup::Alarm),
            1 => self.resources.poll(cx, now).map(Wakeup::Resource),
            2 => self.control.poll(cx, now).map(Wakeup::Request),
            3 => self.fence.poll(cx, now).map(Wakeup::Fence),
            _ => self.signals.poll(cx).map(|said| match said {
                Said::Stop => Wakeup::Stop,
                Said::Reload => Wakeup::Reload,
            }),
        }
    }

    fn wake_at(&self) -> Instant {
        let ports = self.ports.iter().filter_map(|port| port.wake_at());
        let orders = self.orders.iter().map(Waiting::until);
        let feed = self.notify.watchdog_every().map(|every| self.fed_at + every.part(2));
        let log = self.log.borrow().wake_at();
        let others = [
            self.resources.wake_at(),
            self.control.wake_at(),
            log,
            self.journal.wake_at(),
            self.fence.wake_at(),
            self.sentry.wake_at(),
            feed,
        ];
        others.into_iter().flatten().chain(ports).chain(orders).fold(self.wait.0, Instant::min)
    }

    fn handle(&mut self, wakeup: Wakeup) {
        match wakeup {
            Wakeup::Alarm => {}
            Wakeup::Port(number, event) => self.port_event(number, event),
            Wakeup::Resource(event) => self.resource_event(event),
            Wakeup::Request(request) => self.serve(request),
            Wakeup::Fence(event) => self.fence_event(event),
            Wakeup::Stop => {
                self.notify.stopping();
                self.tell(Input::Order(Order::Leave));
            }
            Wakeup::Reload => self.reload(),
        }
        let now = clock::now();
        if now >= self.wait.0 {
            self.wake();
        }
        self.log.borrow_mut().flush_due(now);
        if let Err(error) = self.journal.write_due(now) {
            self.say(Level::Warning, format_args!("the journal is not written: {error}; nothing else depends on it"));
        }
        if self.control.followed() {
            self.control.give_up(now, &Follow::new(&self.names, self.timing, now.since(self.since)));
        }
        self.settle_orders();
    }

    /// The node's deadline has come. Before silence is judged every link is read, past the reactor, which may not have
    /// looked since.
    fn wake(&mut self) {
        let judge = self.wait.1 == Why::Judge;
        if judge {
            for number in 0..self.ports.len() {
                for _ in 0..SWEEPS_MAX {
                    let read = self.ports[number].sweep(&mut self.buf);
                    if read == 0 {
                        break;
                    }
                    self.bytes(number, read);
                }
            }
            self.resources.sweep(clock::now());
            while let Some(event) = self.resources.told() {
                self.resource_event(event);
            }
        }
        self.tell(Input::Wake { swept: judge });
    }

    fn tell(&mut self, input: Input<'_>) {
        self.told_at = clock::now();
        self.node.handle(self.told_at, input);
        self.drain();
        self.journal.record(Told::Input(input), &self.node);
    }

    /// Carries out what the node wants, in its order.
    fn drain(&mut self) {
        loop {
            let output = self.node.poll();
            self.journal.saw(&self.node, &output);
            match output {
                Output::Transmit { link, frame } => {
                    let link = usize::from(link);
                    match self.ports[link].send(frame.bytes()) {
                        Sent::Dropped => self.dropped[link] += 1,
                        Sent::Yes => self.sentry.spoke(),
                    }
                }
                Output::Run { group, verb } => self.step(usize::from(group), verb),
                Output::Note(event) => {
                    self.narrate(&event);
                    if let lubdub::node::Event::StopFailed { group, times, .. } = event {
                        let (group, say) = (self.names.group(group), &self.log);
                        self.sentry.stop_failed(clock::now(), group, times, &mut |level, text| {
                            say.borrow_mut().line(level, text);
                        });
                    }
                    if let lubdub::node::Event::Session { lost, .. } = event {
                        let say = &self.log;
                        self.sentry.peer_says(lost, &mut |level, text| say.borrow_mut().line(level, text));
                        self.resources.know_peer(self.node.peer_macs(), clock::now());
                    }
                }
                Output::Renew { until } => self.resources.renew(until, self.told_at),
                Output::Look { groups } => self.look(groups),
                Output::Fence { wanted: true } => self.fence.begin(clock::now()),
                Output::Fence { wanted: false } => self.fence.give_up(),
                Output::Left => self.left = true,
                Output::Wait { until, why } => {
                    self.wait = (until, why);
                    self.resources.peer_heard(self.node.silent_since());
                    return;
                }
            }
        }
    }

    fn say(&self, level: Level, text: fmt::Arguments<'_>) {
        self.log.borrow_mut().line(level, text);
    }

    fn narrate(&mut self, event: &lubdub::node::Event) {
        let line = Line { event, names: &self.names, timing: self.timing };
        let (now, level) = (clock::now(), line.level());
        let mut log = self.log.borrow_mut();
        match line.repeats() {
            Some(key) => log.repeated(key, now, level, format_args!("{line}")),
            None => log.line(level, format_args!("{line}")),
        }
        if self.control.followed() {
            let follow = Follow::new(&self.names, self.timing, now.since(self.since));
            self.control.tell(now, &follow.event(event, level.word()), &follow);
        }
    }
}
