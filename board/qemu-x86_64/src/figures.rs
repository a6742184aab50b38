//! `appliance figures`: how long a boot takes, how much memory the daemon uses, how large the image is.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use lubdub_lab::arp::Arp;
use lubdub_lab::{Error, Pair, Result};
use lubdub_qemu::{Appliance, BOOT, Bench, Hardware, Image, Lan, disk};

const VIP: Ipv4Addr = Ipv4Addr::new(192, 168, 20, 100);
const TIMES: usize = 3;
const SOON: Duration = Duration::from_secs(120);
/// From the daemon's /proc: kB that are in memory, its own share of them, what is locked; the kernel's use beside it.
const MEMORY: &str = "cd /proc/$(cat /run/heartbeat/pid) && grep -E '^(VmHWM|VmRSS|VmLck|VmSize):' status && \
                      grep -E '^(Pss|Private_Dirty|Private_Clean):' smaps_rollup && \
                      awk '/MemTotal|MemAvailable/ { print \"machine\", $0 }' /proc/meminfo";

/// Boots three times, alone, with the null-modem configuration.
pub fn measure() -> Result<String> {
    let image = Image::build()?;
    let mut text = String::new();
    for (name, file) in [("vmlinux", &image.kernel), ("initrd.gz", &image.initrd), ("root.sqfs", &image.root)] {
        let _ = writeln!(text, "{name:12} {:>10} bytes", fs::metadata(file)?.len());
    }
    for _ in 0..TIMES {
        boot(&image, &mut text)?;
    }
    Ok(text)
}

fn boot(image: &Image, text: &mut String) -> Result<()> {
    let bench = Bench::new()?;
    let lan = Lan::new(&bench, "lan")?;
    let mut hardware = Hardware::node1();
    hardware.ethernet[0].plug = Some(lan.plug("node1")?);
    hardware.configuration = Some(disk::of_pair(&bench, "node1", &Pair::appliance())?);
    let mut node = Appliance::power_on(image, &hardware)?;
    let shell = node.await_shell(BOOT)?;
    let announced = lan
        .await_frame(SOON, |frame| Arp::parse(&frame.bytes).is_some_and(|arp| arp.announces() && arp.sender == VIP))
        .ok_or_else(|| Error::new("the VIP was not announced"))?;
    let service = announced.at - node.since();
    let _ = writeln!(text, "\npower to shell {shell:.2?}, power to the first announcement of the VIP {service:.2?}");
    node.await_success("ipvsadm -Ln | grep -q 192.168.20.40", SOON)?;
    text.push_str(&node.run(MEMORY)?.ok()?);
    node.power_off();
    Ok(())
}
