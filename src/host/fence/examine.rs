//! What `check` asks a fencing device: whether it has its parameters, and whether it knows the peer.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use lubdub::conf::Stonith;

use super::Setting;
use super::commands::Shell;
use super::device::Device;
use crate::host::clock::{self, Alarm};
use crate::host::resources::Log;
use crate::host::script::Timer;

/// What keeps a device from working.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It cannot be used: no parameters, no program, or the names and the values do not fit.
    Unusable(String),
    /// It does not say which hosts it can switch off: perhaps it cannot be reached for the moment.
    Silent(String),
    /// The peer is not one of its hosts.
    Hosts(String),
}

/// Asks the device of a line of ha.cf, for as long as its limits allow. Nothing is switched. To be called outside of a
/// runtime.
///
/// # Errors
/// What keeps it from working, without parameters.
pub fn examine(device: &Stonith<'_>, nodes: [&str; 2], setting: &Setting) -> Result<(), Flaw> {
    let device = Device::of(device, &setting.plugins);
    let nodes = nodes.map(str::to_ascii_lowercase);
    let (timer, silent) = (Rc::<Timer>::default(), Rc::new(|_, _: std::fmt::Arguments<'_>| {}) as Log);
    let killed = Rc::default();
    let shell = Shell { setting, nodes: &nodes, timer: &timer, log: &silent, killed: &killed };
    let questions = async {
        let commands = shell.prepare(&device).await.map_err(Flaw::Unusable)?;
        let hosts = commands.hosts().await.map_err(Flaw::Silent)?;
        commands.knows_peer(&hosts).map_err(Flaw::Hosts)
    };
    wait(questions, &timer).unwrap_or_else(|error| Err(Flaw::Unusable(format!("cannot be asked: {error}"))))
}

/// Runs a future of this node's programs in a loop of its own.
fn wait<T>(future: impl Future<Output = T>, timer: &Timer) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut alarm = Alarm::new()?;
        let mut future = pin!(future);
        let result = poll_fn(|cx| {
            loop {
                timer.turn(clock::now());
                if let Poll::Ready(result) = future.as_mut().poll(cx) {
                    return Poll::Ready(result);
                }
                let Some(wake) = timer.wake_at() else { return Poll::Pending };
                alarm.set(wake);
                if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        });
        Ok(result.await)
    })
}
