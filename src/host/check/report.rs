//! What `check` prints.

use super::Finding;
use super::guarantee::Statement;
use crate::host::{REFUSED, console};
use lubdub::conf::{Config, Diagnostic, Diagnostics, Severity};
use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write as _};

/// All that was found.
pub(super) struct Report<'r> {
    node: &'r str,
    diagnostics: &'r Diagnostics<'r>,
    findings: &'r [Finding],
}

/// One entry of the JSON report.
struct Entry<'r> {
    /// File, line and column, where there are any.
    place: Option<(&'r str, u32, u32)>,
    message: String,
    remedy: String,
}

impl<'r> Report<'r> {
    pub fn new(node: &'r str, diagnostics: &'r Diagnostics<'r>, findings: &'r [Finding]) -> Self {
        Self { node, diagnostics, findings }
    }

    /// Prints the report, with the configuration and what it guarantees when it could be read, and returns the exit code.
    pub fn print(&self, config: Option<(&Config<'_>, &Statement<'_>)>, json: bool) -> u8 {
        let config = config.filter(|_| self.count(Severity::Error) == 0);
        let text = if json {
            self.json(config)
        } else {
            // Nobody listens on a closed stderr; the exit code still tells.
            let _ = self.complain(config.is_some());
            config.map_or(String::new(), |config| self.text(config))
        };
        if config.is_some() {
            return console::print(&text, 0);
        }
        console::print(&text, REFUSED);
        REFUSED
    }

    fn complain(&self, would_run: bool) -> io::Result<()> {
        let mut console = io::stderr().lock();
        for diagnostic in self.diagnostics.iter() {
            writeln!(console, "{diagnostic}")?;
        }
        if self.diagnostics.dropped() > 0 {
            writeln!(console, "({} more are not shown)", self.diagnostics.dropped())?;
        }
        for finding in self.findings {
            writeln!(console, "{finding}")?;
        }
        if would_run {
            return Ok(());
        }
        let errors = Counted(self.count(Severity::Error), "error");
        writeln!(console, "{}: would not run: {errors}, {}", self.node, self.warnings())
    }

    fn warnings(&self) -> Counted {
        Counted(self.count(Severity::Warning), "warning")
    }

    fn text(&self, (config, statement): (&Config<'_>, &Statement<'_>)) -> String {
        format!("{}: would run: {}, {}\n{statement}", self.node, summary(config), self.warnings())
    }

    fn json(&self, config: Option<(&Config<'_>, &Statement<'_>)>) -> String {
        let ok = config.is_some();
        let mut object = format!("{{\"ok\":{ok},\"node\":{}", Json(self.node));
        for (name, severity) in [("errors", Severity::Error), ("warnings", Severity::Warning)] {
            let entries: Vec<String> = self.entries(severity).map(|entry| entry.to_string()).collect();
            object += &format!(",\"{name}\":[{}]", entries.join(","));
        }
        if let Some((_, statement)) = config {
            object += &format!(",\"guarantee\":{}", statement.to_json());
        }
        format!("{object},\"dropped\":{}}}\n", self.diagnostics.dropped())
    }

    fn entries(&self, severity: Severity) -> impl Iterator<Item = Entry<'r>> {
        let diagnostics = self.diagnostics.iter().filter(move |diagnostic| diagnostic.severity == severity);
        let findings = self.findings.iter().filter(move |finding| finding.severity == severity);
        diagnostics.map(Entry::from).chain(findings.map(Entry::from))
    }

    fn count(&self, severity: Severity) -> usize {
        let found = self.findings.iter().filter(|finding| finding.severity == severity).count();
        found
            + match severity {
                Severity::Error => self.diagnostics.errors(),
                Severity::Warning => self.diagnostics.iter().filter(|one| one.severity == Severity::Warning).count(),
            }
    }
}

/// What would run, in a few words.
fn summary(config: &Config<'_>) -> String {
    let resources = config.groups.iter().map(|group| group.words().count()).sum();
    let links = Counted(config.links.len(), "link");
    let (groups, resources) = (Counted(config.groups.len(), "group"), Counted(resources, "resource"));
    let (keepalive, deadtime) = (config.keepalive.as_millis(), config.deadtime.as_millis());
    let peer = config.peer;
    format!("peer {peer}, {links}, {groups}, {resources}, keepalive {keepalive} ms, deadtime {deadtime} ms")
}

/// A number of things.
struct Counted(usize, &'static str);

impl Display for Counted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

impl<'r> From<&'r Diagnostic<'r>> for Entry<'r> {
    fn from(from: &'r Diagnostic<'r>) -> Self {
        let (message, remedy) = (from.message.to_string(), from.remedy.to_string());
        Self { place: Some((from.file, from.line, from.column)), message, remedy }
    }
}

impl From<&Finding> for Entry<'_> {
    fn from(from: &Finding) -> Self {
        Self { place: None, message: from.message.clone(), remedy: from.remedy.clone() }
    }
}

impl Display for Entry<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((file, line, column)) => {
                write!(f, "{{\"file\":{},\"line\":{line},\"column\":{column}", Json(file))?;
            }
            None => f.write_str("{\"file\":null,\"line\":null,\"column\":null")?,
        }
        write!(f, ",\"message\":{},\"remedy\":{}}}", Json(&self.message), Json(&self.remedy))
    }
}

/// A JSON string (RFC 8259 section 7).
pub(super) struct Json<'s>(pub &'s str);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Json, Report};
    use lubdub::conf::{Diagnostics, Severity};

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(Json("a\"b\\c\n\u{1b}é").to_string(), r#""a\"b\\c\u000a\u001bé""#);
    }

    #[test]
    fn an_error_of_the_machine_refuses() {
        let diagnostics = Diagnostics::new();
        let findings = [Finding::error("no eth9", "plug it in"), Finding::warning("slow", "hurry")];
        let report = Report::new("a", &diagnostics, &findings);
        assert_eq!((report.count(Severity::Error), report.count(Severity::Warning)), (1, 1));
        let entries: Vec<String> = report.entries(Severity::Error).map(|entry| entry.to_string()).collect();
        assert_eq!(entries, [r#"{"file":null,"line":null,"column":null,"message":"no eth9","remedy":"plug it in"}"#]);
    }
}
