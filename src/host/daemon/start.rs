//! From the configuration to a daemon that runs, or to the exit code that says why not.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use lubdub::conf::{AutoFailback, Config, Diagnostics, Guarantee, Link};
use lubdub::node::{Node, Setup, Why};
use lubdub::time::Instant;

use super::{Daemon, READ_MAX, reload};
use crate::host::broadcast::Broadcast;
use crate::host::control::{Control, RunDir};
use crate::host::fence::{self, Fence};
use crate::host::gate::Gate;
use crate::host::journal::Journal;
use crate::host::lines::Shown;
use crate::host::names::Names;
use crate::host::notify::Notify;
use crate::host::port::Port;
use crate::host::report::{Level, Log};
use crate::host::resources::{self, Paths, Resources};
use crate::host::script::Timeouts;
use crate::host::sentry::Sentry;
use crate::host::serial::Serial;
use crate::host::signals::Signals;
use crate::host::{ALREADY_RUNNING, NO_SYSTEM, NOT_PERMITTED, REFUSED, assemble, check, clock, leases, realtime};

/// Events that the reactor fetches at a time: what links, control clients and scripts have at most in one turn. tokio's
/// default takes 12 kB of locked memory.
const IO_EVENTS: usize = 64;

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
