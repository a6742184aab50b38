//! The demo: the life of a pair of appliances in half a minute, told while it is lived.

use std::fmt::Display;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use lubdub_lab::{Error, Judge, Lab, Node, Pair, Result, VIP, Verdict, now};

const GROUP: &str = "192.168.20.100/24/eth0";
const SERIAL: &str = "/dev/ttyS1";
const SECOND: Duration = Duration::from_secs(1);
/// deadtime 300 ms, and what a busy machine adds.
const FAILOVER: Duration = SECOND;
/// A silence that no client notices, on a machine that does other things too.
const UNNOTICED: Duration = Duration::from_millis(100);
/// How long the client watches what has settled.
const A_WHILE: Duration = Duration::from_secs(3);
/// How long it watches that a cut cable moves nothing.
const LONG: Duration = Duration::from_secs(9);
/// initdead 3 s before the failback, and the start of a daemon.
const RETURN: Duration = Duration::from_secs(15);

const DRAWING: &str = "
                      client 192.168.20.1
                               |
        eth0 .10 ------- service LAN ------- .20 eth0
     +-------------+                       +-------------+
     | node1.a.com |                       | node2.a.com |
     |        eth1 |====== crossover ======| eth1        |
     |       ttyS1 |----- null modem ------| ttyS1       |
     +-------------+      115200 baud      +-------------+

     virtual address 192.168.20.100, at home on node1
";

/// Tells the story. Exit status 0: everything happened as it must.
pub fn run() -> ExitCode {
    let mut story = Story::default();
    if let Err(error) = story.tell() {
        story.failed.push(error.to_string());
    }
    story.end()
}

#[derive(Default)]
struct Story {
    failed: Vec<String>,
}

impl Story {
    fn tell(&mut self) -> Result<()> {
        say(DRAWING);
        let lab = Lab::new(Pair::appliance())?;
        say(lab.ipvs());
        self.start(&lab)?;
        self.power_off(&lab)?;
        self.come_back(&lab)?;
        self.cut_the_cable(&lab)?;
        self.stop(&lab)
    }

    fn start(&mut self, lab: &Lab) -> Result<()> {
        title("Both nodes start");
        let [one, two] = lab.nodes();
        let (judge, start) = (lab.judge(VIP)?, now());
        lab.boot()?;
        judge.await_owner(one.mac(), RETURN)?;
        say(format!("the client's first answer came after {}", shown(now() - start)));
        settled(lab, one)?;
        show_status(one)?;
        show_status(two)?;
        self.watch(judge, one, A_WHILE, "who answers for the address")?;
        Ok(())
    }

    fn power_off(&mut self, lab: &Lab) -> Result<()> {
        title("node1 loses its power");
        let [one, two] = lab.nodes();
        let judge = asking(lab, one)?;
        one.power_off()?;
        judge.await_owner(two.mac(), FAILOVER * 5)?;
        two.await_status(RETURN, |status| status.holds(GROUP) && !status.peer_alive())?;
        let verdict = self.watch(judge, two, A_WHILE, "the new owner")?;
        say(format!("the client, asking every millisecond, got no answer for {}", shown(verdict.gap())));
        self.expect(verdict.gap() < FAILOVER, format!("the gap is shorter than {}", shown(FAILOVER)));
        show_status(two)
    }

    fn come_back(&mut self, lab: &Lab) -> Result<()> {
        title("node1 gets its power back");
        let [one, two] = lab.nodes();
        let (judge, start) = (asking(lab, two)?, now());
        one.boot()?;
        one.await_status(RETURN, |status| status.peer_alive())?;
        say(format!("the nodes have met again after {}; auto_failback waits for initdead, 3 s", shown(now() - start)));
        judge.await_owner(one.mac(), RETURN)?;
        settled(lab, one)?;
        say(format!("the address is back home after {}", shown(now() - start)));
        let verdict = self.watch(judge, one, A_WHILE, "the address at home")?;
        say(format!("the client got no answer for {}", shown(verdict.gap())));
        self.expect(verdict.gap() < FAILOVER, format!("the gap is shorter than {}", shown(FAILOVER)));
        Ok(())
    }

    fn cut_the_cable(&mut self, lab: &Lab) -> Result<()> {
        title("The serial cable is cut");
        let one = lab.node1();
        let judge = asking(lab, one)?;
        lab.cable().cut();
        for node in lab.nodes() {
            node.await_status(FAILOVER * 3, |status| !status.link_up(SERIAL))?;
        }
        show_status(one)?;
        self.expect(one.exec(&["lubdub", "status"])?.exit.code() == Some(1), "status says degraded (exit 1)");
        let verdict = self.watch(judge, one, LONG, "that nothing moves while Ethernet alone carries the beats")?;
        self.unmoved(&verdict, one);

        title("The serial cable is mended");
        let judge = asking(lab, one)?;
        lab.cable().mend();
        for node in lab.nodes() {
            node.await_status(FAILOVER * 3, |status| status.link_up(SERIAL))?;
        }
        settled(lab, one)?;
        self.expect(one.exec(&["lubdub", "status"])?.exit.success(), "status says healthy (exit 0)");
        let verdict = self.watch(judge, one, A_WHILE, "that nothing moves back")?;
        self.unmoved(&verdict, one);
        Ok(())
    }

    fn stop(&mut self, lab: &Lab) -> Result<()> {
        title("Both nodes stop");
        for node in lab.nodes().iter().rev() {
            let exit = node.stop()?;
            self.expect(exit.success(), format!("{} ends in order ({exit})", node.name()));
            self.expect(!node.has_address(VIP), format!("{} has given the address up", node.name()));
        }
        Ok(())
    }

    /// The client goes on asking for `span`; then this node must have answered all that time, and alone.
    fn watch(&mut self, judge: Judge, owner: &Node, span: Duration, what: &str) -> Result<Verdict> {
        say(format!("... the client watches for {}: {what}", shown(span)));
        let answers = judge.so_far().ping.answers;
        let elsewhere = judge.await_verdict(span, |verdict| verdict.owner != Some(owner.mac())).is_some();
        let heard = judge.await_verdict(SECOND * 5, |verdict| verdict.ping.answers > answers + 100);
        let verdict =
            heard.map(|()| judge.verdict()).ok_or_else(|| Error::new("the client gets no echo replies any more"))?;
        let answers = !elsewhere && verdict.owner == Some(owner.mac());
        self.expect(answers, format!("{} answers ({})", owner.name(), owner.mac()));
        let doubles = verdict.doubles.len();
        self.expect(doubles == 0, format!("{doubles} of {} questions had two answers", verdict.asked));
        Ok(verdict)
    }

    fn unmoved(&mut self, verdict: &Verdict, owner: &Node) {
        let announced = verdict.announcements.iter().all(|announcement| announcement.mac == owner.mac());
        self.expect(announced, "nothing has moved: nobody else has announced the address");
        let gap = verdict.gap();
        self.expect(gap < UNNOTICED + verdict.late, format!("no gap that a client would notice ({})", shown(gap)));
    }

    fn expect(&mut self, happened: bool, what: impl Display) {
        say(format!("  [{}] {what}", if happened { "ok" } else { "NOT SO" }));
        if !happened {
            self.failed.push(what.to_string());
        }
    }

    fn end(&self) -> ExitCode {
        if self.failed.is_empty() {
            say("\nEverything happened as it must.");
            return ExitCode::SUCCESS;
        }
        say("\nThis did not happen as it must:");
        self.failed.iter().for_each(|what| say(format!("  {what}")));
        ExitCode::FAILURE
    }
}

/// A judge that has found the VIP at this node, by ARP and by echo request.
fn asking(lab: &Lab, node: &Node) -> Result<Judge> {
    let judge = lab.judge(VIP)?;
    judge.await_owner(node.mac(), SECOND * 5)?;
    let heard = judge.await_verdict(SECOND * 5, |verdict| verdict.ping.answers > 0);
    heard.map(|()| judge).ok_or_else(|| Error::new("the address answers ARP but no echo request"))
}

/// Waits until this node holds the group, the other one nothing, and both see each other on every link.
fn settled(lab: &Lab, owner: &Node) -> Result<()> {
    lab.await_held(GROUP, owner, RETURN)?;
    lab.await_whole(RETURN)
}

fn show_status(node: &Node) -> Result<()> {
    let output = node.exec(&["lubdub", "status"])?;
    say(format!("\n  {} $ lubdub status", node.name().trim_end_matches(".a.com")));
    output.stdout.lines().for_each(|line| say(format!("  {line}").trim_end()));
    say("");
    Ok(())
}

fn shown(time: Duration) -> String {
    if time < SECOND { format!("{} ms", time.as_millis()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

fn title(text: &str) {
    say(format!("\n== {text}"));
}

/// To the terminal at once; a reader that went away is no reason to stop half-way.
fn say(text: impl Display) {
    let mut out = stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}
