//! One attempt to fence the peer: every device in its order, until one confirms.

use std::cell::Cell;
use std::rc::Rc;

use super::Setting;
use super::commands::Shell;
use super::device::Device;
use crate::host::resources::{Level, Log};
use crate::host::script::{Killed, Runner, Timer};

/// What an attempt needs.
pub(super) struct Attempt {
    /// This node and the peer.
    nodes: [String; 2],
    devices: Rc<[Device]>,
    setting: Setting,
    timer: Rc<Timer>,
    log: Log,
    killed: Killed,
    trying: Cell<usize>,
}

impl Attempt {
    pub fn new(
        nodes: [String; 2],
        devices: Rc<[Device]>,
        setting: Setting,
        timer: Rc<Timer>,
        log: Log,
        killed: Killed,
    ) -> Self {
        Self { nodes, devices, setting, timer, log, killed, trying: Cell::new(0) }
    }

    /// The type of a device.
    pub fn name(&self, device: usize) -> &str {
        self.devices.get(device).map_or("", |device| &device.name)
    }

    /// The number of the device that is tried.
    pub fn trying(&self) -> usize {
        self.trying.get()
    }

    /// The number of the device that confirmed.
    ///
    /// # Errors
    /// What each of them said.
    pub async fn run(self: Rc<Self>) -> Result<usize, String> {
        self.bury().await;
        let mut failures = Vec::new();
        for (number, device) in self.devices.iter().enumerate() {
            self.trying.set(number);
            match self.fence_by(device).await {
                Ok(()) => {
                    self.tell(&failures);
                    return Ok(number);
                }
                Err((level, why)) => failures.push((level, format!("{}: {why}", device.name))),
            }
        }
        Err(failures.into_iter().map(|(_, failure)| failure).collect::<Vec<_>>().join("; "))
    }

    /// Nobody else tells of devices that failed when another one did it.
    fn tell(&self, failures: &[(Level, String)]) {
        for (level, failure) in failures {
            (self.log)(*level, format_args!("fencing {}: {failure}", self.nodes[1]));
        }
    }

    /// Waits for what was killed before. What hangs in the kernel keeps nobody from another attempt.
    pub async fn bury(&self) {
        let runner = Runner::new(&self.setting.paths, self.setting.limits.grace, self.timer.clone(), self.log.clone());
        if !runner.bury(&self.killed).await {
            (self.log)(Level::Error, format_args!("fencing: a program that was killed hangs in the kernel"));
        }
    }

    /// The error has its weight: where both nodes have the same ha.cf, each passes over the device of its own.
    async fn fence_by(&self, device: &Device) -> Result<(), (Level, String)> {
        let Self { nodes, setting, timer, log, killed, .. } = self;
        let shell = Shell { setting, nodes, timer, log, killed };
        let failed = |why| (Level::Error, why);
        let commands = shell.prepare(device).await.map_err(failed)?;
        let hosts = commands.hosts().await.map_err(failed)?;
        commands.knows_peer(&hosts).map_err(|why| (Level::Info, why))?;
        log(Level::Warning, format_args!("fencing {}: {} is told to reset it", nodes[1], device.name));
        commands.reset().await.map_err(failed)
    }
}
