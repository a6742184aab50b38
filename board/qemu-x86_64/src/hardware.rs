//! What is in the box, and how QEMU is told.

use std::path::{Path, PathBuf};

use lubdub_lab::arp::Mac;

use crate::cable::Jack;
use crate::image::Image;
use crate::lan::Plug;
use crate::lines;

/// Of the guest's kernel: fast under emulation, back within a second of a panic, quiet on the console but for errors.
///
/// And its clock is the HPET, whose speed is known. That of the other two must be measured at boot, which a host that has
/// other work spoils: by the TSC a guest's clock ran three times too fast for the whole of its life (at a load of 15).
const KERNEL: &str = "console=ttyS0 quiet loglevel=4 panic=1 mitigations=off nokaslr no_timer_check \
                      clocksource=hpet tsc=unstable nolapic_timer";

/// One appliance's hardware.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// Its host name, a node's name in ha.cf.
    pub node: String,
    /// Address and prefix of eth0.
    pub address: String,
    /// Memory in MiB.
    pub memory: u32,
    /// eth0 on the service LAN, eth1 for the crossover cable.
    pub ethernet: [Ethernet; 2],
    /// Where the second serial port, the guest's ttyS1, leads; without it nothing is plugged in.
    pub serial: Option<Serial>,
    /// There is a hardware watchdog, an Intel 6300ESB, /dev/watchdog0 of the guest.
    pub watchdog: bool,
    /// A disk that has its own ha.d and sysconfig, see [`crate::disk`]; without it those of the image are used.
    pub configuration: Option<PathBuf>,
}

/// One network card.
#[derive(Clone, Debug)]
pub struct Ethernet {
    /// Its address.
    pub mac: Mac,
    /// Where its cable goes; without one it is alone on a wire.
    pub plug: Option<Plug>,
}

/// What a serial port leads to.
#[derive(Clone, Debug)]
pub enum Serial {
    /// A listening socket. The modem lines look up always; what the guest sends while nobody is connected is lost, as on
    /// a port without a cable.
    Socket(PathBuf),
    /// An end of a null-modem cable, with its modem lines.
    Cable(Jack),
}

/// Where console and control port end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached<'a> {
    /// The console at descriptor 3, the control port at 4, and the monitor where somebody listens at this path.
    Descriptors(&'a Path),
    /// The console at the terminal, no control port. Ctrl-A X pulls the plug.
    Terminal,
}

impl Hardware {
    /// node1.a.com of the tutorial, nothing plugged in.
    pub fn node1() -> Self {
        Self::node(1)
    }

    /// node2.a.com.
    pub fn node2() -> Self {
        Self::node(2)
    }

    fn node(number: u8) -> Self {
        let card = |wire| Ethernet { mac: Mac([2, 0, 0, 0, wire, number << 4]), plug: None };
        Self {
            node: format!("node{number}.a.com"),
            address: format!("192.168.20.{number}0/24"),
            memory: 192,
            ethernet: [card(0), card(1)],
            serial: None,
            watchdog: false,
            configuration: None,
        }
    }

    /// The command line of QEMU.
    pub fn command_line(&self, image: &Image, attached: Attached<'_>) -> Vec<String> {
        let mut line = Line::default();
        // Before the other work of the host, where that is permitted (root); otherwise nice(1) says so and runs it all the
        // same. A machine that stands still for 5 ms in the wrong moment does not renew its lease.
        line.add("nice -n -10");
        if let Some(Serial::Cable(jack)) = &self.serial {
            line.add("env");
            line.0.push(format!("LD_PRELOAD={}", image.shim.display()));
            line.0.push(format!("{}={}", lines::PATH, jack.path().display()));
        }
        line.add("qemu-system-x86_64 -accel tcg -machine pc,usb=off,vmport=off -cpu qemu64 -smp 1");
        line.add("-nodefaults -no-user-config -display none");
        line.option("-m", self.memory.to_string());
        line.option("-kernel", image.kernel.display().to_string());
        line.option("-initrd", image.initrd.display().to_string());
        line.option("-append", format!("{KERNEL} appliance.node={} appliance.address={}", self.node, self.address));
        for (number, disk) in [Some(&image.root), self.configuration.as_ref()].into_iter().flatten().enumerate() {
            line.disk(number, disk);
        }
        if self.watchdog {
            line.add("-device i6300esb -action watchdog=reset");
        }
        match attached {
            Attached::Descriptors(monitor) => {
                line.add("-chardev socket,id=console,fd=3 -serial chardev:console");
                line.serial(self.serial.as_ref());
                line.option("-chardev", format!("socket,id=monitor,path={}", escape(monitor)));
                line.add("-mon chardev=monitor,mode=control");
                line.add("-chardev socket,id=control,fd=4 -device virtio-serial-pci");
                line.add("-device virtserialport,chardev=control,name=control");
            }
            Attached::Terminal => {
                line.add("-chardev stdio,id=console,mux=on,signal=off -serial chardev:console");
                line.serial(self.serial.as_ref());
                line.add("-mon chardev=console");
            }
        }
        for (number, card) in self.ethernet.iter().enumerate() {
            line.card(number, card);
        }
        line.0
    }
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    /// Words that have no blanks in them.
    fn add(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(String::from));
    }

    fn option(&mut self, name: &str, value: String) {
        self.0.extend([name.into(), value]);
    }

    fn disk(&mut self, number: usize, file: &Path) {
        let file = escape(file);
        self.option("-drive", format!("file={file},if=none,id=disk{number},format=raw,readonly=on"));
        self.option("-device", format!("virtio-blk-pci,drive=disk{number}"));
    }

    fn serial(&mut self, serial: Option<&Serial>) {
        let port = match serial {
            Some(Serial::Socket(path)) => format!("socket,id=ttyS1,path={},server=on,wait=off", escape(path)),
            Some(Serial::Cable(jack)) => format!("serial,id=ttyS1,path={}", escape(jack.path())),
            None => return self.add("-serial null"),
        };
        self.option("-chardev", port);
        self.add("-serial chardev:ttyS1");
    }

    fn card(&mut self, number: usize, card: &Ethernet) {
        match &card.plug {
            Some(plug) => {
                let [local, remote] = [&plug.card, &plug.hub].map(|path| escape(path));
                self.option(
                    "-netdev",
                    format!(
                        "dgram,id=eth{number},local.type=unix,local.path={local},\
                         remote.type=unix,remote.path={remote}"
                    ),
                );
            }
            None => self.option("-netdev", format!("hubport,id=eth{number},hubid={number}")),
        }
        // Without romfile= the card would bring a boot loader of its own.
        let device = format!("virtio-net-pci,id=card{number},netdev=eth{number},mac={},romfile=", card.mac);
        self.option("-device", device);
    }
}

/// A path inside an option of QEMU, where a comma ends a value and two are one.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(hardware: &Hardware, attached: Attached<'_>) -> String {
        let [kernel, initrd, root, shim] =
            ["/i/vmlinux", "/i/initrd.gz", "/i,j/root.sqfs", "/i/shim.so"].map(PathBuf::from);
        let image = Image { kernel, initrd, root, shim };
        hardware.command_line(&image, attached).join(" ")
    }

    #[test]
    fn an_appliance_that_nothing_is_plugged_into() {
        let line = line(&Hardware::node2(), Attached::Terminal);
        assert!(line.contains("appliance.node=node2.a.com appliance.address=192.168.20.20/24"), "{line}");
        assert!(line.contains("file=/i,,j/root.sqfs,if=none,id=disk0,format=raw,readonly=on"), "{line}");
        assert!(line.contains("-serial chardev:console -serial null -mon"), "{line}");
        assert!(line.contains("netdev=eth1,mac=02:00:00:00:01:20,"), "{line}");
        assert!(!line.contains("disk1") && !line.contains("virtserialport"), "{line}");
    }

    #[test]
    fn every_cable_has_its_place() {
        let mut hardware = Hardware::node1();
        hardware.configuration = Some("/b/etc.sqfs".into());
        hardware.serial = Some(Serial::Socket("/b/ttyS1".into()));
        hardware.ethernet[0].plug = Some(Plug { card: "/b/card".into(), hub: "/b/hub".into() });
        let line = line(&hardware, Attached::Descriptors(Path::new("/b/qmp")));
        assert!(line.contains("file=/b/etc.sqfs,if=none,id=disk1,"), "{line}");
        assert!(line.contains("-serial chardev:console -chardev socket,id=ttyS1,path=/b/ttyS1,"), "{line}");
        assert!(line.contains("-chardev socket,id=monitor,path=/b/qmp -mon "), "{line}");
        assert!(line.contains("dgram,id=eth0,local.type=unix,local.path=/b/card,remote.type=unix,remote.path=/b/hub"));
        assert!(line.contains("hubport,id=eth1"), "{line}");
    }

    #[test]
    fn a_cable_with_lines_needs_the_shim() {
        let bench = crate::bench::Bench::new().unwrap();
        let cable = crate::cable::Cable::new(&bench).unwrap();
        let mut hardware = Hardware::node1();
        hardware.serial = Some(Serial::Cable(cable.end(1)));
        hardware.watchdog = true;
        let line = line(&hardware, Attached::Terminal);
        let path = bench.folder().join("cable.1").display().to_string();
        assert!(
            line.starts_with(&format!("nice -n -10 env LD_PRELOAD=/i/shim.so LUBDUB_TTY={path} qemu-system-x86_64 ")),
            "{line}"
        );
        assert!(line.contains(&format!("-chardev serial,id=ttyS1,path={path} -serial chardev:ttyS1")), "{line}");
        assert!(line.contains("-device i6300esb -action watchdog=reset"), "{line}");
    }
}
