//! One word of haresources: a virtual IP, or a script with its arguments.

use super::INTERFACE_NAME_MAX;
use super::phrase::{Phrase, say};
use core::net::{Ipv4Addr, Ipv6Addr};

/// Between a script and its arguments.
const SEPARATOR: &str = "::";
/// The agents of Heartbeat whose work is built in.
const ADDRESS_AGENTS: [&str; 2] = ["IPaddr", "IPaddr2"];

/// One resource of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// An address that moves with its group.
    Vip(Vip<'a>),
    /// Anything else: a script that understands `start`, `stop` and `status`.
    Script {
        /// The file's name, looked for in `resource.d` and then in /etc/init.d.
        name: &'a str,
        /// What comes before `start`, `stop` or `status`.
        args: Args<'a>,
    },
}

/// A virtual IP as haresources writes it; what is absent is taken from the route to the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vip<'a> {
    /// The word as written.
    pub word: &'a str,
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of the network's prefix, 1 to 32.
    pub prefix: Option<u8>,
    /// The interface, without a label.
    pub interface: Option<&'a str>,
    /// The broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// The whole label, interface and colon included (`eth0:0`), where one is written.
    pub label: Option<&'a str>,
}

/// The arguments of a script, from left to right. Empty ones vanish, as in Heartbeat's shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Args<'a> {
    word: &'a str,
    rest: &'a str,
}

/// Something wrong or doubtful in a word.
#[derive(Debug)]
pub(super) struct Remark<'a> {
    /// The part of the word that it is about.
    pub part: &'a str,
    pub message: Phrase<'a>,
    pub remedy: &'static str,
}

impl<'a> Resource<'a> {
    /// The word as written.
    pub const fn word(&self) -> &'a str {
        match self {
            Self::Vip(vip) => vip.word,
            Self::Script { args, .. } => args.word,
        }
    }

    /// Reads one word.
    pub(super) fn parse(word: &'a str) -> Result<Self, Remark<'a>> {
        refuse_ipv6(word)?;
        if is_address(word) {
            return parse_vip(word, word).map(Self::Vip);
        }
        let (name, rest) = word.split_once(SEPARATOR).unwrap_or((word, ""));
        if ADDRESS_AGENTS.contains(&name) {
            return parse_vip(word, rest).map(Self::Vip);
        }
        check_script_name(word, name)?;
        Ok(Self::Script { name, args: Args { word, rest } })
    }
}

impl<'a> Vip<'a> {
    /// The address as written.
    pub(super) fn address_text(&self) -> &'a str {
        self.fields().next().unwrap_or(self.word)
    }

    fn fields(&self) -> core::str::Split<'a, char> {
        self.word.rsplit(SEPARATOR).next().unwrap_or(self.word).split('/')
    }

    /// What Heartbeat takes, and what may yet not be what was meant.
    pub(super) fn doubt(&self) -> Option<Remark<'a>> {
        if let Some(mask) = self.fields().nth(1).filter(|field| field.contains('.')) {
            let message = say("`{}` is a netmask, not a prefix length; it is read as /{}");
            let message = message.with(mask).with(u64::from(self.prefix.unwrap_or(32)));
            return Some(Remark { part: mask, message, remedy: "write the prefix length" });
        }
        let label = self.label?;
        if label.len() > INTERFACE_NAME_MAX {
            let message = say("the label `{}` has more than {} bytes: the address is added without it");
            let message = message.with(label).with(INTERFACE_NAME_MAX as u64);
            return Some(Remark { part: label, message, remedy: "shorten the label" });
        }
        let (_, alias) = label.split_once(':')?;
        alias.bytes().all(|b| b.is_ascii_digit()).then(|| Remark {
            part: label,
            message: say("`{}` fixes a label that is otherwise chosen, and that another address may have").with(label),
            remedy: "write the interface alone: the next free label is taken",
        })
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (arg, rest) = self.rest.split_once(SEPARATOR).unwrap_or((self.rest, ""));
            self.rest = rest;
            if !arg.is_empty() {
                return Some(arg);
            }
        }
        None
    }
}

/// Whether Heartbeat takes `word` for an address: its pattern is `[0-9]*.[0-9]*.[0-9]*.[0-9]*`, which a typo also fits.
/// A word of digits and dots is nothing else either.
fn is_address(word: &str) -> bool {
    let digit_first = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let fits = word.split('.').filter(|part| digit_first(part)).count() >= 4;
    let numeric = word.split('/').next().unwrap_or(word).bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digit_first(word) && (numeric || (fits && !word.contains(SEPARATOR)))
}

fn refuse_ipv6(word: &str) -> Result<(), Remark<'_>> {
    let bare = word.trim_start_matches('[');
    let address = bare.split(['/', ']']).next().unwrap_or(bare);
    // `cafe::1` is an address too, but a script with an argument to Heartbeat, as it would be with any other name.
    let head = address.split(SEPARATOR).next().unwrap_or(address);
    let is_script = !head.is_empty() && head.bytes().all(|b| b.is_ascii_alphabetic()) && !word.starts_with('[');
    if word.starts_with("IPv6addr") || (!is_script && address.parse::<Ipv6Addr>().is_ok()) {
        let remedy = "write an IPv4 address, or put `#` before the line";
        return Err(Remark { part: word, message: say("`{}`: IPv6 is not supported yet").with(word), remedy });
    }
    Ok(())
}

fn check_script_name<'a>(word: &'a str, name: &'a str) -> Result<(), Remark<'a>> {
    let refuse = |part: &'a str, message: Phrase<'a>, remedy: &'static str| Err(Remark { part, message, remedy });
    if name.is_empty() {
        return refuse(word, say("`{}` has no script before `::`").with(word), "write SCRIPT or SCRIPT::ARGUMENT");
    }
    if word.ends_with('\\') {
        let part = &word[word.len() - 1..];
        let remedy = "remove it, or what follows it on its line: only a `\\` at the very end continues a line";
        return refuse(part, say("`\\` is not the last character of the line, and escapes nothing"), remedy);
    }
    if name.contains("..") || name.contains('/') || name.starts_with(['.', '-']) {
        let message = say("`{}` is not the name of a script in resource.d or /etc/init.d").with(name);
        return refuse(name, message, "write the file's name alone, without a path");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
    if let Some(at) = name.find(|c| !allowed(c)) {
        let part = &name[at..at + name[at..].chars().next().map_or(0, char::len_utf8)];
        let message = say("`{}` cannot stand in a script's name").with(part);
        return refuse(part, message, "arguments come after `::`; a name has letters, digits and `._-+@`");
    }
    Ok(())
}

/// Reads `ADDRESS[/PREFIX[/INTERFACE[:LABEL]][/BROADCAST]]`. A third field that begins with a digit is the broadcast
/// address, so an interface's name cannot begin with one.
fn parse_vip<'a>(word: &'a str, text: &'a str) -> Result<Vip<'a>, Remark<'a>> {
    let part = if text.is_empty() { word } else { text };
    if text.contains(SEPARATOR) {
        let message = say("an address has one argument, fields apart by `/`");
        let remedy = "write ADDRESS/PREFIX/INTERFACE, and each address as a resource of its own";
        return Err(Remark { part, message, remedy });
    }
    let mut fields = text.split('/');
    let address = fields.next().unwrap_or("");
    let prefix = fields.next();
    let third = fields.next();
    let (device, broadcast) = match third {
        Some(third) if third.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(third)),
        device => (device, fields.next()),
    };
    if let Some(extra) = fields.next() {
        let message = say("`{}` comes after the broadcast address").with(extra);
        let part = if extra.is_empty() { part } else { extra };
        return Err(Remark { part, message, remedy: "write ADDRESS/PREFIX/INTERFACE/BROADCAST at most" });
    }
    if let Some(empty) = text.split('/').position(str::is_empty) {
        let message = say("field {} of the address is empty").with(empty as u64 + 1);
        return Err(Remark { part, message, remedy: "write ADDRESS/PREFIX/INTERFACE/BROADCAST, or fewer of them" });
    }
    let (interface, label) = device.map(parse_device).transpose()?.unzip();
    Ok(Vip {
        word,
        address: parse_address(address)?,
        prefix: prefix.map(parse_prefix).transpose()?,
        interface,
        broadcast: broadcast.map(parse_broadcast).transpose()?,
        label: label.flatten(),
    })
}

fn parse_address(text: &str) -> Result<Ipv4Addr, Remark<'_>> {
    let remedy = "write four numbers from 0 to 255, without leading zeros, for example 192.168.20.100";
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        let message = say("`{}` is not an IPv4 address").with(text);
        return Err(Remark { part: text, message, remedy });
    };
    let first = address.octets()[0];
    if matches!(first, 0 | 127) || first >= 224 {
        let message = say("`{}` cannot be the address of a host on a network").with(text);
        return Err(Remark { part: text, message, remedy: "write an address of the service network" });
    }
    Ok(address)
}

/// Reads a prefix length, or a netmask with its ones before its zeros.
fn parse_prefix(text: &str) -> Result<u8, Remark<'_>> {
    let bits = match text.parse::<Ipv4Addr>().map(Ipv4Addr::to_bits) {
        Ok(mask) if mask.leading_ones() + mask.trailing_zeros() == u32::BITS => u8::try_from(mask.leading_ones()).ok(),
        Ok(_) => None,
        Err(_) => text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())),
    };
    bits.filter(|bits| (1..=32).contains(bits)).ok_or_else(|| Remark {
        part: text,
        message: say("`{}` is not a prefix length from 1 to 32").with(text),
        remedy: "write ADDRESS/PREFIX/INTERFACE, for example 192.168.20.100/24/eth0",
    })
}

fn parse_broadcast(text: &str) -> Result<Ipv4Addr, Remark<'_>> {
    text.parse().map_err(|_| Remark {
        part: text,
        message: say("`{}` is not a broadcast address").with(text),
        remedy: "write one as in 192.168.20.100/24/eth0/192.168.20.255, or leave it out",
    })
}

/// Reads `INTERFACE` or `INTERFACE:LABEL`.
fn parse_device(text: &str) -> Result<(&str, Option<&str>), Remark<'_>> {
    let interface = text.split(':').next().unwrap_or(text);
    let refuse =
        |message| Err(Remark { part: text, message, remedy: "write a name that `ip link` shows, for example eth0" });
    if interface.is_empty() || interface == "." || interface == ".." || text.ends_with(':') {
        return refuse(say("`{}` is not the name of an interface").with(text));
    }
    if interface.len() > INTERFACE_NAME_MAX {
        let message = say("`{}` is longer than the {} bytes of an interface's name");
        return refuse(message.with(interface).with(INTERFACE_NAME_MAX as u64));
    }
    Ok((interface, (interface.len() < text.len()).then_some(text)))
}
