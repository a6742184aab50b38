//! Where commands come from and where words go: a person at a terminal, or a pipe.

use std::io::{self, IsTerminal, Lines, StdinLock, Write};
use std::sync::{Mutex, PoisonError};

use lubdub_lab::{Context, Result};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Editor, ExternalPrinter, Helper};

use super::commands::FORMS;
use super::words;

const PROMPT: &str = "lubdub> ";

/// The next command, asked for in the way that fits.
pub enum Prompt {
    /// With line editing, history and completion.
    Terminal(Box<Editor<Completion, MemHistory>>),
    /// Line by line; each is shown, so that the output reads as a transcript.
    Pipe(Lines<StdinLock<'static>>),
}

/// Says something without disturbing the line that is being typed. Any thread may.
pub struct Voice(Mutex<Option<Box<dyn ExternalPrinter + Send>>>);

impl Prompt {
    /// For the present standard input and output.
    pub fn new() -> Result<(Self, Voice)> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok((Self::Pipe(io::stdin().lines()), Voice(Mutex::new(None))));
        }
        let config = Config::builder().completion_type(CompletionType::List).build();
        let mut editor = Editor::with_history(config, MemHistory::new()).context("use the terminal")?;
        editor.set_helper(Some(Completion));
        let printer = editor.create_external_printer().context("use the terminal")?;
        Ok((Self::Terminal(Box::new(editor)), Voice(Mutex::new(Some(Box::new(printer))))))
    }

    /// Whether a person is there.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next line; `None`: there are no more.
    pub fn next(&mut self, voice: &Voice) -> Option<String> {
        match self {
            Self::Terminal(editor) => match editor.readline(PROMPT) {
                Ok(line) => {
                    editor.add_history_entry(&line).ok();
                    Some(line)
                }
                Err(ReadlineError::Interrupted) => Some(String::new()),
                Err(_) => None,
            },
            Self::Pipe(lines) => {
                let line = lines.next()?.ok()?;
                voice.say(&format!("{PROMPT}{line}"));
                Some(line)
            }
        }
    }
}

impl Voice {
    /// One or more lines, at once. A reader that went away is no reason to stop.
    pub fn say(&self, text: &str) {
        let text = format!("{}\n", text.trim_end_matches('\n'));
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(printer) => printer.print(text).ok(),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok()
            }
        };
    }
}

/// Completes the words of the forms.
pub struct Completion;

impl Completer for Completion {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(words::complete(&FORMS, line.get(..at).unwrap_or(line)))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}
