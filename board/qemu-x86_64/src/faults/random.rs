//! Random faults, the same ones for the same seed.

use std::time::Duration;

use lubdub_lab::{Random, Result};

use super::{Row, Tale, daemon, power, tell, vip_held};
use crate::cable::Wire;
use crate::rig::Rig;

/// A fault of the cables lasts so long at most: longer than deadtime, which is when it matters.
const LONGEST_MS: usize = 6000;

/// A fault that comes and goes.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Serial,
    Ethernet,
    Both,
    Wire,
    Noise,
    Killed,
    DaemonFrozen,
    Takeover,
    Plug,
    Panic,
    Reset,
    MachineFrozen,
}

const FAULTS: [Fault; 12] = [
    Fault::Serial,
    Fault::Ethernet,
    Fault::Both,
    Fault::Wire,
    Fault::Noise,
    Fault::Killed,
    Fault::DaemonFrozen,
    Fault::Takeover,
    Fault::Plug,
    Fault::Panic,
    Fault::Reset,
    Fault::MachineFrozen,
];

/// Makes so many, each after the pair has recovered from the last.
///
/// # Errors
/// The pair cannot be booted after one that failed.
pub fn some(rig: &mut Rig, count: usize, seed: u64, add: &mut dyn FnMut(Row)) -> Result<()> {
    let mut random = Random::new(seed);
    for number in 1..=count {
        let fault = FAULTS[random.below(FAULTS.len())];
        let held = Duration::from_millis(random.below(LONGEST_MS) as u64);
        let from = random.below(2);
        let name = format!("{number} of seed {seed}: {fault:?}, {} ms", held.as_millis());
        add(tell(rig, &name, &|rig, tale| make(rig, fault, held, from, tale))?);
    }
    Ok(())
}

fn make(rig: &mut Rig, fault: Fault, held: Duration, from: usize, tale: &mut Tale) -> Result<()> {
    let owner = rig.await_holder()?;
    match fault {
        Fault::Serial => rig.cable.cut(),
        Fault::Ethernet => rig.set_crossover(false)?,
        Fault::Both => {
            rig.cable.cut();
            rig.set_crossover(false)?;
        }
        Fault::Wire => rig.cable.set_wire(from, Wire::Broken),
        Fault::Noise => rig.cable.set_wire(from, Wire::Noisy { rate: 0.05, seed: held.as_millis() as u64 }),
        Fault::Killed => return daemon::killed_at_any_age(rig, tale),
        Fault::DaemonFrozen => return daemon::frozen(rig, tale),
        Fault::Takeover => return daemon::takeover(rig, tale),
        Fault::Plug => return power::plug_pulled(rig, tale),
        Fault::Panic => return power::panic(rig, tale),
        Fault::Reset => return power::reset(rig, tale),
        Fault::MachineFrozen => return power::frozen(rig, tale),
    }
    rig.pass(held);
    vip_held(rig, owner)?;
    rig.cable.mend();
    rig.set_crossover(true)
}
