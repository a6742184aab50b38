//! One case: three files as text, and the diagnostics and the configuration as text.

use lubdub::conf::{self, Config, Diagnostics, Link, Params, Resource, Source, StopFailure};
use lubdub::lease::Exclusive;
use std::fmt::Write;

/// The sections that stand for themselves when a case leaves them out.
const GOOD: [(&str, &str); 4] = [
    ("node", "alpha\n"),
    ("ha.cf", "node alpha beta\nbaud 115200\nserial /dev/ttyS1\nbcast eth1\nauto_failback on\n"),
    ("haresources", "alpha 10.0.0.1/24/eth0 web\n"),
    ("authkeys", "auth 1\n1 md5 secret\n"),
];
const EXPECTED: &str = "expected";

/// A case file: a first line that says what it shows, then sections that begin with `== NAME`. In the input sections
/// `\xNN;` is the character of that hexadecimal number, for what an editor would hide.
pub struct Case<'a> {
    text: &'a str,
    sections: Vec<(&'a str, String)>,
    /// The expected section as written.
    pub expected: &'a str,
}

impl<'a> Case<'a> {
    /// Splits a case file; the error says what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut parts = text.split("\n== ");
        let title = parts.next().unwrap_or("");
        if title.trim().is_empty() || title.starts_with("==") {
            return Err("the first line does not say what the case shows".into());
        }
        let mut case = Self { text, sections: Vec::new(), expected: "" };
        for part in parts {
            let (name, body) = part.split_once('\n').unwrap_or((part, ""));
            if name == EXPECTED {
                case.expected = body;
            } else if !GOOD.iter().any(|(known, _)| *known == name) {
                return Err(format!("unknown section `{name}`"));
            } else if case.sections.iter().any(|(known, _)| *known == name) {
                return Err(format!("section `{name}` twice"));
            } else {
                case.sections.push((name, unescape(&format!("{}\n", body.strip_suffix('\n').unwrap_or(body)))?));
            }
        }
        if case.sections.is_empty() {
            return Err("no input section".into());
        }
        if case.expected.is_empty() && std::env::var_os("CONF_CASES").is_none() {
            return Err("no expected section".into());
        }
        Ok(case)
    }

    /// What comes of the case.
    pub fn run(&self) -> String {
        let text = |index: usize| {
            let (name, good) = GOOD[index];
            self.sections.iter().find(|(given, _)| *given == name).map_or(good, |(_, text)| text)
        };
        outcome(text(0).trim(), [text(1), text(2), text(3)])
    }

    /// The case file with another expectation.
    pub fn with_expected(&self, expected: &str) -> String {
        let marker = format!("\n== {EXPECTED}\n");
        let input = self.text.split(&marker).next().unwrap_or(self.text).trim_end_matches('\n');
        format!("{input}{marker}{expected}")
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let (hex, rest) = part.split_once(';').ok_or("`\\x` without `;`")?;
        let code = u32::from_str_radix(hex, 16).map_err(|why| format!("`\\x{hex};`: {why}"))?;
        out.push(char::from_u32(code).ok_or(format!("`\\x{hex};` is no character"))?);
        out.push_str(rest);
    }
    Ok(out)
}

/// The diagnostics as the console shows them, and what would run.
pub fn outcome(node: &str, [ha_cf, haresources, authkeys]: [&str; 3]) -> String {
    let mut diagnostics = Diagnostics::new();
    let source = |name, text| Source { name, text };
    let (ha_cf, haresources) = (source("ha.cf", ha_cf), source("haresources", haresources));
    let config = conf::read(ha_cf, haresources, source("authkeys", authkeys), node, &mut diagnostics);
    assert_eq!(config.is_none(), diagnostics.errors() > 0, "refused exactly when there are errors");
    let mut text = String::new();
    for diagnostic in diagnostics.iter() {
        writeln!(text, "{diagnostic}").unwrap();
    }
    if diagnostics.dropped() > 0 {
        writeln!(text, "(and {} more)", diagnostics.dropped()).unwrap();
    }
    match config {
        Some(config) => describe(&config, &mut text),
        None => text.push_str("=> refused\n"),
    }
    text
}

fn describe(config: &Config<'_>, text: &mut String) {
    let ms = |time: lubdub::time::Duration| time.as_micros() as f64 / 1000.0;
    let (keepalive, warntime) = (ms(config.keepalive), ms(config.warntime));
    let (deadtime, initdead) = (ms(config.deadtime), ms(config.initdead));
    writeln!(text, "=> would run: {}, peer {}", config.me, config.peer).unwrap();
    writeln!(text, "ms: keepalive {keepalive} warntime {warntime} deadtime {deadtime} initdead {initdead}").unwrap();
    let (failback, facility) = (config.auto_failback, config.logfacility);
    let (udpport, debug, cluster) = (config.udpport, config.debug, config.cluster);
    writeln!(text, "failback {failback:?}, udpport {udpport}, facility {facility:?}, debug {debug}, cluster {cluster}")
        .unwrap();
    for (name, path) in [("logfile", config.logfile), ("debugfile", config.debugfile)] {
        if let Some(path) = path {
            writeln!(text, "{name} {path}").unwrap();
        }
    }
    for link in &config.links {
        match link {
            Link::Serial { device, baud } => writeln!(text, "link serial {device} at {baud}"),
            Link::Broadcast { interface } => writeln!(text, "link bcast {interface}"),
        }
        .unwrap();
    }
    describe_guards(config, text);
    for group in &config.groups {
        let (key, preferred, mine) = (group.key, group.preferred, if group.preferred_me { ", this node" } else { "" });
        let vip = if group.has_vip() { "" } else { ", no VIP" };
        writeln!(text, "group {key} prefers {preferred}{mine}{vip}").unwrap();
        assert!(group.words().eq(group.resources().map(|resource| resource.word())), "each word is a resource");
        group.resources().for_each(|resource| describe_resource(&resource, text));
    }
    for key in &config.keys {
        let sends = if key.id == config.send_key { ", sends" } else { "" };
        writeln!(text, "key {} {:?}, {} bytes{sends}", key.id, key.method, key.secret.len()).unwrap();
    }
}

/// What keeps a second owner away, as far as ha.cf says anything about it.
fn describe_guards(config: &Config<'_>, text: &mut String) {
    if let Some(lease) = config.lease {
        writeln!(text, "lease {} ms", lease.as_millis()).unwrap();
    }
    if config.exclusive != Exclusive::Auto {
        writeln!(text, "exclusive {:?}", config.exclusive).unwrap();
    }
    if let Some(device) = config.watchdog {
        writeln!(text, "watchdog {device}").unwrap();
    }
    if (config.stop_failure == StopFailure::Reboot) != config.watchdog.is_some() {
        writeln!(text, "stop_failure {:?}", config.stop_failure).unwrap();
    }
    for device in &config.stonith {
        match device.params {
            Params::File(path) => writeln!(text, "stonith {} from {path}", device.plugin).unwrap(),
            Params::Written(_) => {
                let words: Vec<_> = device.params.words().collect();
                writeln!(text, "stonith {} {words:?}", device.plugin).unwrap();
            }
        }
    }
    for node in &config.pings {
        writeln!(text, "ping {}{}", node.address, node.group.map_or(String::new(), |name| format!(" of {name}")))
            .unwrap();
    }
}

fn describe_resource(resource: &Resource<'_>, text: &mut String) {
    match *resource {
        Resource::Script { name, args } => writeln!(text, "  script {name} {:?}", args.collect::<Vec<_>>()),
        Resource::Vip(vip) => {
            write!(text, "  vip {}", vip.address).unwrap();
            field(text, "prefix", vip.prefix);
            field(text, "on", vip.interface);
            field(text, "broadcast", vip.broadcast);
            field(text, "label", vip.label);
            writeln!(text)
        }
    }
    .unwrap();
}

fn field(text: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        write!(text, " {name} {value}").unwrap();
    }
}
