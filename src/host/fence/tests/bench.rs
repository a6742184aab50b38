//! Plug-ins that record what is asked of them, and a loop whose clock can be moved on.

use std::cell::RefCell;
use std::fs;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use lubdub::conf::{Params, Stonith};
use lubdub::time::{Duration, Instant};

use crate::host::clock::{self, Alarm};
use crate::host::fence::device::Device;
use crate::host::fence::*;
use crate::host::resources::{Level, Paths};

/// No test waits longer than this for an event.
const PATIENCE: Duration = Duration::from_secs(20);
/// For what hangs: short, but long enough for what does not.
pub const QUICK: Limits = Limits {
    question: Duration::from_millis(1_500),
    reset: Duration::from_millis(1_500),
    grace: Duration::from_millis(300),
};
const SYSTEM: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

type Lines = Rc<RefCell<Vec<(Level, String)>>>;

/// Runs a test within a runtime and with a directory of its own.
pub fn bench(test: impl AsyncFnOnce(Directory)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(test(Directory::new()));
}

/// Where a test has its plug-ins and what they note; removed at its end.
pub struct Directory(pub PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("lubdub-fence-{}-{number}", std::process::id()));
        for part in ["external", "bin"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        Self(path)
    }

    /// Installs a shell script; `$T` is this directory.
    pub fn script(&self, place: &str, body: &str) {
        let draft = self.0.join("draft");
        fs::write(&draft, format!("#!/bin/sh\nT={}\n{body}\n", self.0.display())).unwrap();
        // Another process writes the script itself: what this one has open for writing while another test's thread
        // forks could not be executed (ETXTBSY).
        let installed = Command::new("install").arg("-m755").arg(&draft).arg(self.0.join(place)).status().unwrap();
        assert!(installed.success());
    }

    /// Installs a plug-in with the parameters `hosts` and `secret` that notes its calls and, for a reset, does this.
    pub fn plugin(&self, name: &str, reset: &str) {
        let body = format!(
            r#"echo "{name} $*" >> $T/calls
case $1 in
getconfignames) echo "hosts secret" ;;
gethosts) echo $hosts ;;
reset) {reset} ;;
*) exit 1 ;;
esac"#
        );
        self.script(&format!("external/{name}"), &body);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// The calls noted since they were last asked for.
    pub fn calls(&self) -> Vec<String> {
        let calls = self.read("calls");
        let _ = fs::remove_file(self.0.join("calls"));
        calls.lines().map(str::to_owned).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Bench {
    pub fence: Fence,
    pub lines: Lines,
    alarm: Alarm,
    /// How far the test's clock is ahead.
    ahead: Duration,
}

impl Bench {
    /// The node alpha, which fences beta by these devices: a type and parameters each.
    pub fn new(directory: &Directory, devices: &[(&str, &str)]) -> Self {
        Self::with(directory, &directory.0, QUICK, devices)
    }

    /// The same with plug-ins and time limits of the test's own.
    pub fn with(directory: &Directory, plugins: &Path, limits: Limits, devices: &[(&str, &str)]) -> Self {
        let mut paths = Paths::new(Path::new("/etc/ha.d"), "alpha");
        paths.search_path = format!("{}:{SYSTEM}", directory.0.join("bin").display());
        let setting = Setting { paths, plugins: plugins.to_owned(), limits };
        let device =
            |(plugin, params): &(&str, &str)| Device::of(&Stonith { plugin, params: Params::Written(params) }, plugins);
        let lines = Lines::default();
        let sink = lines.clone();
        let log: Log = Rc::new(move |level, text| sink.borrow_mut().push((level, text.to_string())));
        let nodes = ["alpha", "beta"].map(str::to_owned);
        let fence = Fence::with(nodes, devices.iter().map(device).collect(), setting, log);
        Self { fence, lines, alarm: Alarm::new().unwrap(), ahead: Duration::from_micros(0) }
    }

    pub fn now(&self) -> Instant {
        clock::now() + self.ahead
    }

    pub fn begin(&mut self) {
        self.fence.begin(self.now());
    }

    /// Moves the clock on to when the next attempt is due.
    pub fn skip_pause(&mut self) {
        self.ahead = self.ahead + self.fence.wake_at().unwrap().since(self.now());
    }

    /// The next event.
    pub async fn next(&mut self) -> FenceEvent {
        let found = self.until(|event, _| event.is_some()).await;
        found.unwrap_or_else(|| panic!("nothing came; the log has {:#?}", self.lines.borrow()))
    }

    /// Lets the loop run until something holds that needs no event.
    pub async fn wait(&mut self, holds: impl Fn(&Fence) -> bool) {
        self.until(|event, fence| {
            assert_eq!(event, &None);
            holds(fence)
        })
        .await;
    }

    async fn until(&mut self, mut holds: impl FnMut(&Option<FenceEvent>, &Fence) -> bool) -> Option<FenceEvent> {
        let patience = clock::now() + PATIENCE;
        let Self { fence, alarm, ahead, lines } = self;
        poll_fn(|cx| {
            loop {
                let event = match fence.poll(cx, clock::now() + *ahead) {
                    Poll::Ready(event) => Some(event),
                    Poll::Pending => None,
                };
                if holds(&event, fence) {
                    return Poll::Ready(event);
                }
                assert!(clock::now() < patience, "it never came; the log has {:#?}", lines.borrow());
                // What holds may come without an event of the loop: it is looked for every few milliseconds.
                let wake =
                    fence.wake_at().map_or(Instant::FAR, |wake| Instant::ZERO + (wake.since(Instant::ZERO) - *ahead));
                alarm.set(wake.min(clock::now() + Duration::from_millis(5)));
                if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// One attempt that fails: what it says, and the pause.
    pub async fn failure(&mut self) -> (String, Duration) {
        match self.next().await {
            FenceEvent::Failed { text, again_in } => (text, again_in),
            confirmed => panic!("{confirmed:?}"),
        }
    }

    /// One attempt that succeeds: the device.
    pub async fn success(&mut self) -> String {
        match self.next().await {
            FenceEvent::Confirmed { device } => device,
            failed => panic!("{failed:?}; the log has {:#?}", self.lines.borrow()),
        }
    }

    /// All that was logged.
    pub fn logged(&self) -> String {
        self.lines.borrow().iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}
