//! Decisions to Linux: the only async, the only clock, the only unsafe.
//!
//! [`run`] is one loop on one thread: wait, hand one input to the node, carry out what comes of it. Nothing is decided
//! here. Every source of events is polled by hand in one future, so that a beat costs no allocation and no task.

mod announce;
mod arp;
mod assemble;
mod broadcast;
pub mod cable;
mod carrier;
pub mod check;
pub mod client;
mod clock;
pub mod console;
mod control;
mod eyes;
mod fence;
mod follow;
mod gate;
mod icmp;
mod ipvs;
mod journal;
mod leases;
mod lines;
mod names;
mod narrate;
mod ndp;
mod netlink;
mod notify;
mod orders;
mod port;
mod realtime;
mod reload;
mod report;
mod request;
mod resources;
mod script;
mod sentry;
mod serial;
mod signals;
mod stamp;
mod status;
mod sys;
mod vip;
mod watchdog;
pub mod why;
mod words;

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Context, Poll};

use lubdub::conf::{AutoFailback, Config, Diagnostics, Guarantee, Link};
use lubdub::journal::Told;
use lubdub::node::{Groups, Input, Node, Order, Output, Setup, Timing, Verb, Why};
use lubdub::time::{Duration, Instant};

use broadcast::Broadcast;
use control::{Control, Request, RunDir};
use eyes::PingNews;
use fence::{Fence, FenceEvent};
use follow::Follow;
use gate::Gate;
use journal::Journal;
use lines::Shown;
use names::Names;
use narrate::Line;
use notify::Notify;
use orders::Waiting;
use port::{Port, PortEvent, Sent};
use report::{Level, Log};
use resources::{Event, Paths, Resources, StepResult};
use script::Timeouts;
use sentry::Sentry;
use serial::Serial;
use signals::{Said, Signals};
use status::Status;
use vip::VipSpec;

/// Exit code: another instance holds the run directory (EX_TEMPFAIL of sysexits.h).
pub const ALREADY_RUNNING: u8 = 75;
/// Exit code: the configuration is refused (EX_CONFIG).
pub const REFUSED: u8 = 78;
/// Exit code: not permitted (EX_NOPERM).
pub const NOT_PERMITTED: u8 = 77;
/// Exit code: the machine refuses something that the daemon cannot do without (EX_OSERR).
const NO_SYSTEM: u8 = 71;
/// Bytes read from a link at a time: several frames of a cable, one datagram.
const READ_MAX: usize = 2048;
/// Events that the reactor fetches at a time: what links, control clients and scripts have at most in one turn. tokio's
/// default takes 12 kB of locked memory.
const IO_EVENTS: usize = 64;
/// Reads of one link before silence is judged: more than its buffers hold in any deadtime, and an end to a flood.
const SWEEPS_MAX: usize = 64;
/// So many turns of the loop within [`FLOOD_SPAN`] are a flood: beats every 10 ms on eight links are fewer.
const FLOOD_TURNS: u32 = 1024;
/// See [`FLOOD_TURNS`].
const FLOOD_SPAN: Duration = Duration::from_millis(500);
/// The longest rest in a flood: shorter than any keepalive.
const NAP_MAX: Duration = Duration::from_millis(2);
/// Orders waited for at a time.
const ORDERS_MAX: usize = 8;

/// Runs the daemon until it is told to stop. The exit code.
#[inline(never)] // The other commands' frames are not to lie below its own in locked memory.
pub fn run(config_dir: &Path, run_dir: &Path, node: &str) -> u8 {
    realtime::prepare();
    let texts = match check::load(config_dir) {
        Ok(texts) => texts,
        Err(unfit) => {
            refuse(unfit.findings.iter());
            return unfit.exit_code();
        }
    };
    texts.doubts().iter().for_each(|doubt| complain(doubt));
    let mut diagnostics = Box::<Diagnostics>::default();
    let Some(config) = texts.read(node, &mut diagnostics) else {
        return refuse(diagnostics.iter());
    };
    let leases::Choice { guarantee, gate, warning } = leases::choose(&texts, &config, &mut diagnostics);
    if diagnostics.errors() > 0 {
        return refuse(diagnostics.iter());
    }
    diagnostics.iter().for_each(|warning| complain(&warning));
    drop(diagnostics);
    warning.iter().for_each(|warning| complain(warning));
    let run_dir = match RunDir::take(run_dir) {
        Ok(run_dir) => run_dir,
        Err(error) => return no_run_dir(run_dir, &error),
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().max_io_events_per_tick(IO_EVENTS).build();
    let outcome = runtime.and_then(|runtime| {
        // The process ends with this loop: there is no task and no thread to shut down.
        let runtime = std::mem::ManuallyDrop::new(runtime);
        runtime.block_on(async {
            Daemon::new(&config, (&guarantee, gate), config_dir, &run_dir)?.live().await;
            Ok(())
        })
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            complain(&format_args!("lubdub: cannot start: {error}"));
            NO_SYSTEM
        }
    }
}

fn complain(what: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "{what}");
}

fn refuse<T: fmt::Display>(reasons: impl Iterator<Item = T>) -> u8 {
    reasons.for_each(|reason| complain(&reason));
    complain(&"lubdub: configuration refused");
    REFUSED
}

fn no_run_dir(run_dir: &Path, error: &io::Error) -> u8 {
    let run_dir = run_dir.display();
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            complain(&format_args!(
                "lubdub: another instance runs in {run_dir}; stop it, or give a --run-dir of its own"
            ));
            ALREADY_RUNNING
        }
        io::ErrorKind::PermissionDenied => {
            complain(&format_args!("lubdub: {run_dir}: {error}; lubdub runs as root"));
            NOT_PERMITTED
        }
        _ => {
            complain(&format_args!("lubdub: {run_dir}: {error}; give a writable directory with --run-dir"));
            NO_SYSTEM
        }
    }
}

/// Opens nothing yet.
fn port(link: &Link<'_>, udpport: u16) -> Box<dyn Port> {
    match link {
        Link::Serial { device, baud } => Box::new(Serial::new((*device).to_owned(), *baud)),
        Link::Broadcast { interface } => Box::new(Broadcast::new((*interface).to_owned(), udpport)),
    }
}

/// The node of a new run, in a frame of its own: the stack that a start needs stays locked for as long as the daemon lives.
#[inline(never)]
fn begin(now: Instant, setup: Setup) -> Box<Node> {
    Box::new(Node::new(now, setup))
}

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
    fn new(
        config: &Config<'_>,
        (guarantee, gate): (&Guarantee, Option<Gate>),
        config_dir: &Path,
        run_dir: &RunDir,
    ) -> io::Result<Box<Self>> {
        let mut log = Log::new(config.logfacility);
        log.set_debug(config.debug > 0);
        log.open_files(config.logfile, config.debugfile);
        let log = Rc::new(RefCell::new(log));
        let names = Names::of(config);
        let mut resources =
            Resources::new(assemble::plans(config), paths(config, config_dir), Timeouts::default(), sink(&log))?;
        let fence = Fence::new(config, fence::Setting::new(paths(config, config_dir)), sink(&log));
        let signals = Signals::new()?;
        let control = Control::new(run_dir)?;
        let alarm = clock::Alarm::new()?;
        if let Some(warning) = leases::prepare(&mut resources, config, gate).map_err(io::Error::other)? {
            log.borrow_mut()
                .line(Level::Warning, format_args!("a lease of a former run may still close VIPs: {warning}"));
        }
        for why in resources.ping(assemble::pings(config), assemble::timing(config), clock::now()) {
            log.borrow_mut()
                .line(Level::Err, format_args!("`ping` nodes are not all asked, and count as silent: {why}"));
        }
        let setup = assemble::setup(config, guarantee)?;
        realtime::enter(&mut |text| log.borrow_mut().line(Level::Notice, format_args!("{text}")));
        log.borrow_mut().line(Level::Notice, format_args!("lubdub {} on {}", env!("CARGO_PKG_VERSION"), names.me));
        let (now, timing) = (clock::now(), assemble::timing(config));
        let sentry =
            Sentry::open(config, guarantee, run_dir.path(), now, &mut |level, text| log.borrow_mut().line(level, text));
        let sentry = sentry.map_err(io::Error::other)?;
        let journal = Journal::new(run_dir.path(), &names, timing, now);
        Ok(Box::new(Self {
            node: begin(now, setup),
            timing,
            config_dir: config_dir.to_owned(),
            fixed: reload::Fixed::of(config),
            ports: config.links.iter().map(|link| port(link, config.udpport)).collect(),
            dropped: vec![0; config.links.len()],
            shown: vec![Shown::Unknown; config.links.len()],
            vips: assemble::vips(config),
            names,
            resources,
            fence,
            sentry,
            control,
            orders: Vec::new(),
            signals,
            alarm,
            log,
            notify: Notify::from_env(),
            journal,
            fed_at: now,
            since: now,
            told_at: now,
            looking: 0,
            wait: (now, Why::Beat),
            turn: 0,
            left: false,
            turns: 0,
            turns_since: now,
            buf: [0; READ_MAX],
        }))
    }

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

    fn bytes(&mut self, number: usize, read: usize) {
        let link = number as u8;
        self.told_at = clock::now();
        self.node.handle(self.told_at, Input::Bytes { link, bytes: &self.buf[..read] });
        self.drain();
        self.journal.record(Told::Input(Input::Bytes { link, bytes: &self.buf[..read] }), &self.node);
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

    fn step(&mut self, group: usize, verb: Verb) {
        match verb {
            Verb::Start => self.resources.run(group, resources::Verb::Start),
            Verb::Stop => self.resources.run(group, resources::Verb::Stop),
            Verb::Drop => self.resources.run(group, resources::Verb::Drop),
            Verb::Inventory => self.resources.run(group, resources::Verb::Inventory),
            Verb::Announce => self.resources.announce(clock::now()),
        }
    }

    fn look(&mut self, groups: Groups) {
        self.looking = groups;
        self.resources.look(groups, self.timing.keepalive, clock::now());
    }

    fn port_event(&mut self, number: usize, event: PortEvent) {
        let link = number as u8;
        match event {
            PortEvent::Bytes(read) => self.bytes(number, read),
            PortEvent::Opened => {
                self.tell(Input::Carrier { link, up: true });
                self.look_at_carrier(number);
            }
            PortEvent::Shown(shown) => self.show(number, shown),
            PortEvent::Lost(error) => {
                let name = self.names.link(link).to_owned();
                self.say(Level::Warning, format_args!("link {name}: {error}; tried again until it opens"));
                self.tell(Input::Carrier { link, up: false });
                self.show(number, Shown::Unknown);
            }
        }
    }

    /// A link's other end shows itself, or does not any more.
    fn show(&mut self, number: usize, shown: Shown) {
        let before = std::mem::replace(&mut self.shown[number], shown);
        if before == shown {
            return;
        }
        let link = number as u8;
        if (before == Shown::Lost) != (shown == Shown::Lost) {
            self.tell(Input::Line { link, lost: shown == Shown::Lost });
        }
        let line = narrate::Evidence { link: &self.names.links[number], before, shown };
        let now = clock::now();
        self.log.borrow_mut().repeated(line.repeats(link), now, line.level(), format_args!("{line}"));
        if self.control.followed() {
            let follow = Follow::new(&self.names, self.timing, now.since(self.since));
            self.control.tell(now, &follow.evidence(&line), &follow);
        }
    }

    /// What the carrier of an Ethernet link shows, where that is a crossover cable.
    fn look_at_carrier(&mut self, number: usize) {
        let link = &self.names.links[number];
        if link.is_serial() {
            return;
        }
        let direct = carrier::is_direct(&link.name, &self.vips);
        let shown = if direct { carrier::shown(&link.name, self.shown[number]) } else { Shown::Unknown };
        self.show(number, shown);
    }

    fn look_at_carriers(&mut self) {
        (0..self.ports.len()).for_each(|number| self.look_at_carrier(number));
    }

    fn resource_event(&mut self, event: Event) {
        match event {
            Event::Done { group, verb, result } => {
                let verb = match verb {
                    resources::Verb::Start => Verb::Start,
                    resources::Verb::Stop => Verb::Stop,
                    resources::Verb::Drop => Verb::Drop,
                    resources::Verb::Inventory => Verb::Inventory,
                };
                self.tell(Input::Done { group: group as u8, verb, ok: result == StepResult::Done });
            }
            Event::Found { group, until } => self.tell(Input::Found { group: group as u8, until }),
            Event::Lapsed { group } => self.tell(Input::Lapsed { group: group as u8 }),
            Event::Carrier { name, up } => {
                if self.names.links.iter().any(|link| link.name == name) || carrier::matters(&name, &self.vips) {
                    let state = if up { "carrier" } else { "no carrier" };
                    self.say(Level::Notice, format_args!("interface {name}: {state}"));
                }
                self.look_at_carriers();
            }
            Event::Seen(sighting) => self.tell(sighting.into()),
            Event::Ping(news) => self.ping_news(&news),
            Event::Note(text) => self.say(Level::Warning, format_args!("{text}")),
            Event::Alarm(text) => {
                self.say(Level::Crit, format_args!("{text}"));
                let now = clock::now();
                let follow = Follow::new(&self.names, self.timing, now.since(self.since));
                self.control.tell(now, &follow.alarm(&text), &follow);
            }
        }
    }

    fn ping_news(&mut self, news: &PingNews) {
        let level = if news.answers { Level::Notice } else { Level::Warning };
        let now = clock::now();
        self.log.borrow_mut().repeated(narrate::PING_NEWS, now, level, format_args!("{news}"));
        if self.control.followed() {
            let follow = Follow::new(&self.names, self.timing, now.since(self.since));
            self.control.tell(now, &follow.ping(news, level.word()), &follow);
        }
    }

    fn serve(&mut self, request: Request) {
        let Request { client, words } = request;
        let now = clock::now();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["status"] | ["status", "json"] => {
                let status = self.status(now);
                let (code, json) = (status.exit_code(), words.len() == 2);
                let text = if json { status.json() + "\n" } else { status.table() };
                self.control.show(client, code, &text);
            }
            ["status", "follow"] => {
                let follow = Follow::new(&self.names, self.timing, now.since(self.since));
                self.control.follow(client, &follow.status(&self.status(now).json()));
            }
            ["journal"] => match self.journal.write(now) {
                Ok(()) => self.control.answer(client, 0, ""),
                Err(error) => self.control.answer(client, 1, &format!("the journal is not written: {error}\n")),
            },
            ["takeover" | "standby", ..] if self.orders.len() < ORDERS_MAX => self.obey(client, &words, now),
            ["takeover" | "standby", ..] => self.control.answer(client, 1, "too many orders wait already\n"),
            ["fence", "confirm", node] => self.confirm_fencing(client, node, now),
            ["clear", ref what @ ..] => self.clear(client, what.first().unwrap_or(&"all")),
            _ => self.control.answer(client, 64, "unknown request\n"),
        }
    }

    fn status(&self, now: Instant) -> Status<'_> {
        Status {
            node: &self.node,
            names: &self.names,
            dropped: &self.dropped,
            shown: &self.shown,
            unannounced: self.resources.unannounced(),
            late_renewals: self.resources.late_renewals(),
            watchdog: self.sentry.report(),
            last_reset: self.sentry.last_reset(),
            fencing: self.fence.state(),
            vips: self.resources.vips().collect(),
            pings: self.resources.pings().collect(),
            now,
            since: self.since,
        }
    }

    fn obey(&mut self, client: u64, words: &[String], now: Instant) {
        let waiting = match Waiting::parse(client, words, &self.node, &self.names, now) {
            Ok(waiting) => waiting,
            Err(text) => return self.control.answer(client, 64, &text),
        };
        let order = waiting.order();
        let refused = self.node.refuses(order).is_some();
        self.orders.push(waiting);
        if !refused {
            self.say(Level::Notice, format_args!("order: {}", words.join(" ")));
            self.tell(Input::Order(order));
        }
    }

    fn fence_event(&mut self, event: FenceEvent) {
        let peer = self.names.peer.clone();
        match event {
            FenceEvent::Confirmed { device } => {
                self.say(Level::Warning, format_args!("{peer} is off: {device} has confirmed it"));
                self.tell(Input::Fenced);
            }
            FenceEvent::Failed { text, again_in } => {
                let again = narrate::Ms(again_in);
                self.resource_event(Event::Alarm(format!(
                    "{peer} cannot be fenced: {text}; again in {again}, or: lubdub fence confirm {peer}"
                )));
            }
        }
    }

    fn confirm_fencing(&mut self, client: u64, node: &str, now: Instant) {
        match fence::confirm(node, &self.names, self.node.peer()) {
            Ok(text) => {
                self.say(
                    Level::Warning,
                    format_args!("fence confirm: an operator vouches that {} is off", self.names.peer),
                );
                self.fence.vouch(now);
                self.tell(Input::Fenced);
                match self.node.is_peer_fenced() {
                    true => self.control.answer(client, 0, &text),
                    false => self.control.answer(client, 1, fence::DOUBTED),
                }
            }
            Err(text) => {
                self.say(Level::Warning, format_args!("fence confirm {}: {}", node.escape_default(), text.trim_end()));
                self.control.answer(client, 1, &text);
            }
        }
    }

    fn clear(&mut self, client: u64, what: &str) {
        match orders::select(what, &self.node, &self.names) {
            Ok(groups) => {
                self.tell(Input::Order(Order::Clear(groups)));
                self.control.answer(client, 0, "");
            }
            Err(text) => self.control.answer(client, 64, &text),
        }
    }

    fn settle_orders(&mut self) {
        let mut index = 0;
        while index < self.orders.len() {
            match self.orders[index].outcome(&self.node, &self.names, clock::now()) {
                Some(outcome) => {
                    let client = self.orders.swap_remove(index).client;
                    if let Some(order) = outcome.withdraw {
                        self.tell(Input::Order(order));
                    }
                    self.control.answer(client, outcome.code, &outcome.text);
                }
                None => index += 1,
            }
        }
    }

    /// In a flood the loop would never sleep: at realtime priority the machine would do nothing else, and the kernel would
    /// end us (RLIMIT_RTTIME). So a fifth of the time is left to others; the sockets' buffers bridge it.
    #[allow(clippy::disallowed_methods, reason = "there is nothing to await: events come faster than they are handled")]
    fn breathe(&mut self) {
        self.turns += 1;
        if self.turns < FLOOD_TURNS {
            return;
        }
        let took = clock::now().since(self.turns_since);
        if took < FLOOD_SPAN {
            let nap = took.part(4).min(NAP_MAX);
            std::thread::sleep(std::time::Duration::from_micros(nap.as_micros()));
        }
        self.turns = 0;
        self.turns_since = clock::now();
    }

    /// The supervisor hears of us only when the loop turns.
    fn feed_supervisor(&mut self) {
        let now = clock::now();
        if self.notify.watchdog_every().is_some_and(|every| now >= self.fed_at + every.part(2)) {
            self.fed_at = now;
            self.notify.watchdog();
        }
    }

    fn feed_watchdog(&mut self) {
        let idle = self.node.groups().all(|group| group.state.is_down());
        self.sentry.turn_ends(clock::now(), idle, &mut |level, text| self.log.borrow_mut().line(level, text));
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

fn paths(config: &Config<'_>, config_dir: &Path) -> Paths {
    let mut paths = Paths::new(config_dir, &config.me.to_ascii_lowercase());
    paths.nice_failback = config.auto_failback != AutoFailback::Legacy;
    paths.debug = config.debug;
    paths
}

/// The log as the resources see it.
fn sink(log: &Rc<RefCell<Log>>) -> resources::Log {
    let log = log.clone();
    Rc::new(move |level, text| {
        let level = match level {
            resources::Level::Info => Level::Info,
            resources::Level::Warning => Level::Warning,
            resources::Level::Error => Level::Err,
            resources::Level::Critical => Level::Crit,
        };
        log.borrow_mut().line(level, text);
    })
}

/// Whether this kernel can hold these VIPs on a lease of milliseconds; why not.
///
/// # Errors
/// In words, for the person at the console.
pub fn fine_lease(vips: &[std::net::IpAddr]) -> Result<(), String> {
    gate::supported(vips)
}

/// `uname -n`.
pub fn node_name() -> String {
    nix::sys::utsname::uname().map_or(String::new(), |name| name.nodename().to_string_lossy().into_owned())
}

/// The longest that an order is waited for.
pub const WAIT_MAX: Duration = request::WAIT_MAX;
