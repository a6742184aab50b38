//! Every command: its form, its help, and what it does to the lab.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use lubdub_lab::{Error, Fault, Flood, Node, Output, Payload, Result};

use super::Session;
use super::words::{Form, NODES};

/// What a command does with its words; what it returns is shown.
pub type Action = fn(&Session<'_>, &[&str]) -> Result<String>;

/// takeover and standby give themselves 60 s.
const ORDER: Duration = Duration::from_secs(70);
/// Anything else that a person waits for.
const COMMAND: Duration = Duration::from_secs(20);
/// Without a number, `watch` and `flood` last so many seconds.
const WHILE: u32 = 5;
/// Without a number, `log` shows so many lines.
const LINES: usize = 20;
/// Bytes of random text that fill a line for hours.
const ENDLESS: u64 = u64::MAX;

const fn form(pattern: &'static str, help: &'static str, action: Action) -> Form<Action> {
    Form { pattern, help, action }
}

/// In the order of the help text.
pub const FORMS: [Form<Action>; 46] = [
    form("status [NODE]", "what lubdub says", status),
    form("watch", "what the client and both nodes see, now", |session, _| {
        session.view.show();
        done(Ok(()))
    }),
    form("watch on|off", "tell every change, or tell none", watch_switch),
    form("watch SECONDS", "only look, for so long", watch_while),
    form("log NODE [LINES]", "the end of its log", log),
    form("ip NODE", "its addresses", |s, w| Ok(text(&run(s, w, &["ip", "-br", "addr"], COMMAND)?))),
    form("ipvsadm NODE", "its table of virtual servers", ipvsadm),
    form("shell NODE COMMAND...", "anything, in the node", shell),
    form("takeover NODE [all|local|foreign]", "the node takes the groups", order),
    form("standby NODE [all|local|foreign]", "the node gives them away", order),
    form("power off NODE", "its plug is pulled", |s, w| done(s.node(w[2]).power_off())),
    form("power on NODE", "it boots, and starts its daemon", |s, w| done(s.node(w[2]).boot())),
    form("start NODE", "starts the daemon", |s, w| done(s.node(w[1]).start())),
    form("stop NODE", "stops it in order (SIGTERM)", |s, w| Ok(s.node(w[1]).stop()?.to_string())),
    form("kill NODE", "kills the daemon (SIGKILL)", |s, w| done(s.node(w[1]).kill().map(drop))),
    form("freeze NODE", "the daemon stops to run (SIGSTOP)", |s, w| done(s.node(w[1]).freeze())),
    form("thaw NODE", "it runs again (SIGCONT)", |s, w| done(s.node(w[1]).thaw())),
    form("cut serial [NODE]", "the cable is cut; with NODE: only what it sends", |s, w| {
        s.fault(w.get(2), |_| Fault::Cut)
    }),
    form("cut eth1", "the crossover is silent, its carrier stays", |s, _| done(s.lab.crossover().cut())),
    form("cut lan NODE", "the node has no service LAN", |s, w| done(s.lab.lan().cut(index(w[2])))),
    form("mend [serial|eth1|lan]", "everything that was cut, looped, filled ... is whole again", mend),
    form("noise serial RATE [NODE]", "each byte may have a wrong bit", |s, w| {
        let rate = rate(w[2])?;
        s.fault(w.get(3), |seed| Fault::Noise { rate, seed })
    }),
    form("burst serial RATE [NODE]", "at each byte a burst of 50 random ones may begin", |s, w| {
        let rate = rate(w[2])?;
        s.fault(w.get(3), |seed| Fault::Burst { rate, length: 50, seed })
    }),
    form("drop serial RATE [NODE]", "each byte may vanish", |s, w| {
        let rate = rate(w[2])?;
        s.fault(w.get(3), |seed| Fault::Drop { rate, seed })
    }),
    form("double serial RATE [NODE]", "each byte may come twice", |s, w| {
        let rate = rate(w[2])?;
        s.fault(w.get(3), |seed| Fault::Double { rate, seed })
    }),
    form("loop serial [NODE]", "a loopback plug: the node hears only itself", |s, w| {
        s.fault(w.get(2), |_| Fault::Loop)
    }),
    form("echo serial [NODE]", "the node hears itself too", |s, w| s.fault(w.get(2), |_| Fault::Echo)),
    form("stall serial [NODE]", "nobody takes what the node sends", |s, w| s.fault(w.get(2), |_| Fault::Stall)),
    form("inject NODE TEXT...", "its serial port receives this line", |s, w| {
        done(s.lab.cable().inject(index(w[1]), format!("{}\r\n", w[2..].join(" ")).as_bytes()))
    }),
    form("fill NODE", "its serial port receives random bytes without a pause", |s, w| {
        s.lab.cable().fill(index(w[1]), ENDLESS, s.seed());
        done(Ok(()))
    }),
    form("baud NODE BAUD", "its serial port gets another speed", |s, w| {
        done(s.lab.cable().set_baud(index(w[1]), number(w.get(2), 0)))
    }),
    form("unplug serial NODE", "its serial adapter is pulled out", |s, w| done(s.lab.cable().remove_port(index(w[2])))),
    form("plug serial NODE", "and put in again", |s, w| done(s.lab.cable().insert_port(index(w[2])))),
    form("unplug eth1", "the crossover is pulled out: no carrier", |s, _| {
        s.lab.crossover().unplug();
        done(Ok(()))
    }),
    form("plug eth1", "and put in again", |s, _| {
        s.lab.crossover().replug();
        done(Ok(()))
    }),
    form("flood NODE [SECONDS] [PER_SECOND]", "random datagrams to port 694", |s, w| flood(s, w, Payload::Random)),
    form("replay NODE [SECONDS] [PER_SECOND]", "old beats of the other node", |s, w| {
        flood(s, w, Payload::Replay(recorded(s, w[1])?))
    }),
    form("forge NODE [SECONDS] [PER_SECOND]", "the same with a wrong byte in each", |s, w| {
        flood(s, w, Payload::Forged(recorded(s, w[1])?))
    }),
    form("down NODE INTERFACE", "ip link set INTERFACE down", |s, w| done(s.node(w[1]).interface(w[2]).down())),
    form("up NODE INTERFACE", "ip link set INTERFACE up", |s, w| done(s.node(w[1]).interface(w[2]).up())),
    form("rename NODE INTERFACE NAME", "it has another name", |s, w| done(s.node(w[1]).interface(w[2]).rename(w[3]))),
    form("delete NODE INTERFACE", "it is gone", |s, w| done(s.node(w[1]).interface(w[2]).delete())),
    form("create NODE eth0|eth1", "it is there again", |s, w| done(s.node(w[1]).interface(w[2]).create())),
    form("help", "this text", |_, _| Ok(help(""))),
    form("help WORD", "the commands with this word", |_, w| Ok(help(w[1]))),
    form("quit", "everything is taken down", |session, _| {
        session.over.set(true);
        Ok(String::new())
    }),
];

fn done(result: Result<()>) -> Result<String> {
    result.map(|()| String::new())
}

/// The number of a node that the forms have let pass.
fn index(node: &str) -> usize {
    usize::from(node == NODES[1])
}

fn number(word: Option<&&str>, otherwise: u32) -> u32 {
    word.and_then(|word| word.parse().ok()).unwrap_or(otherwise)
}

fn rate(word: &str) -> Result<f64> {
    word.parse().map_err(|_| Error::new(format!("{word} is no rate")))
}

impl Session<'_> {
    fn node(&self, name: &str) -> &Node {
        &self.lab.nodes()[index(name)]
    }

    /// Another one for every fault, and the same ones in every run of the lab.
    fn seed(&self) -> u64 {
        self.seeds.set(self.seeds.get() + 1);
        self.seeds.get()
    }

    /// On what one node sends, or on both directions.
    fn fault(&self, node: Option<&&str>, fault: impl Fn(u64) -> Fault) -> Result<String> {
        let ends = node.map_or(vec![0, 1], |node| vec![index(node)]);
        for end in ends {
            self.lab.cable().set_fault(end, fault(self.seed()));
        }
        done(Ok(()))
    }
}

/// Runs a command in the node that the second word names.
fn run(session: &Session<'_>, words: &[&str], command: &[&str], within: Duration) -> Result<Output> {
    session.node(words[1]).exec_within(command, within)
}

/// Both outputs, and how it ended unless it went well.
fn text(output: &Output) -> String {
    let how = if output.exit.success() { String::new() } else { format!("({})\n", output.exit) };
    format!("{}{}{how}", output.stdout, output.stderr)
}

fn status(session: &Session<'_>, words: &[&str]) -> Result<String> {
    let nodes = words.get(1).map_or(NODES.to_vec(), |node| vec![node]);
    let mut all = String::new();
    for name in nodes {
        let said = session.node(name).exec_within(&["lubdub", "status"], COMMAND);
        let said = said.map_or_else(|error| format!("{error}\n"), |output| text(&output));
        all += &format!("{name} $ lubdub status\n{said}");
    }
    Ok(all)
}

fn watch_switch(session: &Session<'_>, words: &[&str]) -> Result<String> {
    session.view.tell(words[1] == "on");
    done(Ok(()))
}

fn watch_while(session: &Session<'_>, words: &[&str]) -> Result<String> {
    session.view.show();
    let (_never, end): (Sender<()>, _) = channel();
    end.recv_timeout(Duration::from_secs(number(words.get(1), WHILE).into())).ok();
    done(Ok(()))
}

fn log(session: &Session<'_>, words: &[&str]) -> Result<String> {
    let (lines, last) = (session.node(words[1]).log().since(Default::default()), number(words.get(2), LINES as u32));
    let shown = &lines[lines.len().saturating_sub(last as usize)..];
    Ok(shown.iter().fold(String::new(), |all, line| all + &line.text + "\n"))
}

fn ipvsadm(session: &Session<'_>, words: &[&str]) -> Result<String> {
    if session.lab.has_ipvs() {
        return Ok(text(&run(session, words, &["ipvsadm", "-L", "-n"], COMMAND)?));
    }
    let node = session.node(words[1]);
    node.space()?;
    Ok(node.read("/run/lab/ipvsadm.table").unwrap_or_else(|_| "the table is empty".into()))
}

fn shell(session: &Session<'_>, words: &[&str]) -> Result<String> {
    Ok(text(&run(session, words, &["sh", "-c", &words[2..].join(" ")], COMMAND)?))
}

fn order(session: &Session<'_>, words: &[&str]) -> Result<String> {
    let what = words.get(2).unwrap_or(&"all");
    Ok(text(&run(session, words, &["lubdub", words[0], what], ORDER)?))
}

fn mend(session: &Session<'_>, words: &[&str]) -> Result<String> {
    let (lab, all) = (session.lab, words.len() == 1);
    let wanted = |what| all || words[1] == what;
    if wanted("serial") {
        lab.cable().mend();
    }
    if wanted("eth1") {
        lab.crossover().mend()?;
    }
    if wanted("lan") {
        lab.nodes()
            .iter()
            .zip(0..)
            .filter(|(node, _)| node.space().is_ok())
            .try_for_each(|(_, at)| lab.lan().mend(at))?;
    }
    done(Ok(()))
}

/// Beats of the other node, from the crossover.
fn recorded(session: &Session<'_>, to: &str) -> Result<Vec<Vec<u8>>> {
    session.lab.record(1 - index(to), 10, COMMAND)
}

fn flood(session: &Session<'_>, words: &[&str], payload: Payload) -> Result<String> {
    let flood = Flood {
        payload,
        per_second: words.get(3).map(|word| number(Some(word), 0)),
        count: u64::MAX,
        within: Duration::from_secs(number(words.get(2), WHILE).into()),
        seed: session.seed(),
    };
    let flooded = session.lab.flood(index(words[1]), flood)?.wait();
    let rate = flooded.sent as f64 / flooded.took.as_secs_f64().max(f64::EPSILON);
    Ok(format!("{} datagrams in {:.1} s, {rate:.0} a second", flooded.sent, flooded.took.as_secs_f64()))
}

/// The forms with this word, or all.
fn help(word: &str) -> String {
    let shown = FORMS.iter().filter(|form| form.pattern.contains(word) || form.help.contains(word));
    let lines: String = shown.map(|form| format!("  {:36}{}\n", form.pattern, form.help)).collect();
    if lines.is_empty() { format!("no command has \"{word}\"; type help for all of them") } else { lines }
}
