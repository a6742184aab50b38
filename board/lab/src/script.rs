//! Scripts for resource.d that write down how they were called, and fail or hang when they are told to.

use std::time::Duration;

use crate::error::Result;
use crate::node::Node;

/// Where the scripts of a node keep their notes; it is lost at power-off, as anything in /run.
const NOTES: &str = "/run/lab";

const COMMON: &str = r#"#!/bin/sh
# A recording resource script of the lab. Arguments: [ARG...] start|stop|status
name=@NAME@ notes=/run/lab
for verb; do :; done
read -r uptime idle < /proc/uptime
echo "$uptime $verb $*" >> "$notes/$name.calls"
if [ -e "$notes/$name.$verb.hang" ]; then
    echo "$name: told to hang at $verb"
    exec sleep 1000000
fi
if [ -e "$notes/$name.$verb.fail" ]; then
    echo "$name: told to fail at $verb"
    exit 1
fi
case $verb in
start)
    : > "$notes/$name.runs"
    @START@ ;;
stop)
    @STOP@
    rm -f "$notes/$name.runs" ;;
status)
    if [ -e "$notes/$name.runs" ]; then echo running; else echo stopped; exit 3; fi ;;
*)
    echo "usage: $name start|stop|status" >&2
    exit 64 ;;
esac
"#;

/// A resource that does nothing but run; started and stopped as often as one likes.
pub fn recording(name: &str) -> String {
    fill(name, ":", ":")
}

/// In the place of ipvsadm's init script, as the tutorial copies it to resource.d: the table is a file.
pub fn recording_ipvsadm() -> String {
    fill("ipvsadm", "cat /etc/sysconfig/ipvsadm > $notes/ipvsadm.table", "rm -f $notes/ipvsadm.table")
}

fn fill(name: &str, start: &str, stop: &str) -> String {
    COMMON.replace("@NAME@", name).replace("@START@", start).replace("@STOP@", stop)
}

/// One call of a recording script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When, since the machine's boot; the kernel tells it to 10 ms (/proc/uptime).
    pub at: Duration,
    /// `start`, `stop` or `status`.
    pub verb: String,
    /// Every argument, the verb included.
    pub words: Vec<String>,
}

/// What a script is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Exit status 1.
    Fail,
    /// No end.
    Hang,
}

impl Misbehaviour {
    fn suffix(self) -> &'static str {
        match self {
            Misbehaviour::Fail => "fail",
            Misbehaviour::Hang => "hang",
        }
    }
}

/// A recording script on one node.
pub struct Script<'a> {
    node: &'a Node,
    name: &'a str,
}

impl<'a> Script<'a> {
    pub(crate) fn new(node: &'a Node, name: &'a str) -> Self {
        Self { node, name }
    }

    /// From now on it misbehaves at this verb.
    pub fn misbehave(&self, verb: &str, how: Misbehaviour) -> Result<()> {
        self.node.write(&format!("{NOTES}/{}.{verb}.{}", self.name, how.suffix()), "")
    }

    /// From now on it does this verb as it should; what hangs goes on hanging.
    pub fn behave(&self, verb: &str) -> Result<()> {
        for how in [Misbehaviour::Fail, Misbehaviour::Hang] {
            self.node.remove(&format!("{NOTES}/{}.{verb}.{}", self.name, how.suffix()))?;
        }
        Ok(())
    }

    /// Whether it was started and not stopped.
    pub fn runs(&self) -> bool {
        self.node.has(&format!("{NOTES}/{}.runs", self.name))
    }

    /// Every call since the node's power-on.
    pub fn calls(&self) -> Vec<Call> {
        let text = self.node.read(&format!("{NOTES}/{}.calls", self.name)).unwrap_or_default();
        text.lines().filter_map(parse_call).collect()
    }

    /// The verbs of [`Script::calls`] without `status`.
    pub fn moves(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.verb).filter(|verb| verb != "status").collect()
    }
}

fn parse_call(line: &str) -> Option<Call> {
    let mut words = line.split_whitespace().map(String::from);
    let at = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
    Some(Call { at, verb: words.next()?, words: words.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_time_verb_and_words() {
        let call = parse_call("12.34 start a b start").unwrap();
        assert_eq!(call.at, Duration::from_millis(12_340));
        assert_eq!(call.verb, "start");
        assert_eq!(call.words, ["a", "b", "start"]);
        assert_eq!(parse_call("yesterday start"), None);
    }
}
