//! `appliance figures`: how long a boot takes, how much memory the daemon uses, how large the image is.

use std::fmt::Write;
use std::fs;
use std::time::Instant;

use lubdub_lab::arp::Arp;
use lubdub_lab::{Error, Pair, Result, VIP};
use lubdub_qemu::{BOOT, Frame, Image, Rig, SOON};

/// Boots of each kind.
const TIMES: usize = 3;
/// From the daemon's /proc: kB that are in memory, its own share of them, what is locked; the kernel's use beside it.
const MEMORY: &str = "cd /proc/$(cat /run/lubdub/pid) && grep -E '^(VmHWM|VmRSS|VmLck|VmSize):' status && \
                      grep -E '^(Pss|Private_Dirty|Private_Clean):' smaps_rollup && \
                      awk '/MemTotal|MemAvailable/ { print \"machine\", $0 }' /proc/meminfo";

/// Boots one alone, and both at once, with the null-modem configuration.
pub fn measure() -> Result<String> {
    let image = Image::build()?;
    let mut text = String::new();
    for (name, file) in [("vmlinux", &image.kernel), ("initrd.gz", &image.initrd), ("root.sqfs", &image.root)] {
        let _ = writeln!(text, "{name:12} {:>10} bytes", fs::metadata(file)?.len());
    }
    let load = || fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let _ = writeln!(text, "\nseconds since power; initdead is 10 s; load of the host {}", load().trim());
    for machines in [1, 2] {
        for _ in 0..TIMES {
            boot(&image, machines, &mut text)?;
        }
    }
    let _ = writeln!(text, "load of the host {}", load().trim());
    Ok(text)
}

fn announces(frame: &Frame) -> bool {
    Arp::parse(&frame.bytes).is_some_and(|arp| arp.announces() && arp.sender == VIP)
}

fn boot(image: &Image, machines: usize, text: &mut String) -> Result<()> {
    // The lease is an address's: a machine that its host stops now and then cannot keep one of milliseconds.
    let pair = Pair::appliance().with_ha_cf("deadtime 300ms", "deadtime 5").with_ha_cf("initdead 3", "initdead 10");
    let mut rig = Rig::new(image, &pair)?;
    for end in 0..machines {
        rig.power_on(end)?;
    }
    let power = rig.node(0)?.since();
    // Waited for as they come: the record of the service LAN is short, since the client asks there all the time.
    let missing = |what: &str| Error::new(format!("no {what} within {SOON:?}"));
    let since = |at: Instant| (at - power).as_secs_f64();
    let announced = rig.lan.await_frame(SOON, announces).ok_or_else(|| missing("announcement"))?;
    let beat = rig.cable.first_sent(0).ok_or_else(|| missing("beat on the cable"))?;
    let shell = rig.node(0)?.await_shell(BOOT)?;
    let kind = if machines == 1 { "one alone" } else { "both cold" };
    let _ = writeln!(
        text,
        "{kind}: first byte on the cable {:.2}, shell at most {:.2}, first announcement of the VIP {:.2}",
        since(beat),
        shell.as_secs_f64(),
        since(announced.at),
    );
    if machines == 1 {
        let node = rig.node(0)?;
        node.await_success("ipvsadm -Ln | grep -q 192.168.20.40", SOON)?;
        text.push_str(&node.run(MEMORY)?.ok()?);
    }
    Ok(())
}
