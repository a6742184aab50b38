//! Where commands come from and where words go: a person at a terminal, or a pipe.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lubdub_lab::{Context, Result};
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::commands::FORMS;
use super::edit::{Editor, Keyboard, Typed};
use super::words;

const PROMPT: &str = "lubdub> ";

/// The next command, asked for in the way that fits.
pub enum Prompt {
    /// With line editing, history and completion.
    Terminal(Keys),
    /// Line by line; each is shown, so that the output reads as a transcript.
    Pipe,
}

/// Says something without disturbing the line that is being typed. Any thread may.
pub struct Voice(Mutex<Screen>);

struct Screen {
    editor: Editor,
    /// The line is on the screen.
    asking: bool,
}

/// A person's keys; those after the end of a line wait for the next one.
#[derive(Default)]
pub struct Keys {
    waiting: VecDeque<u8>,
    keyboard: Keyboard,
}

impl Prompt {
    /// For the present standard input and output.
    pub fn new() -> (Self, Voice) {
        let person = io::stdin().is_terminal() && io::stdout().is_terminal();
        let editor = Editor::new(|text| words::complete(&FORMS, text));
        let voice = Voice(Mutex::new(Screen { editor, asking: false }));
        (if person { Self::Terminal(Keys::default()) } else { Self::Pipe }, voice)
    }

    /// Whether a person is there.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next line; `None`: there are no more.
    pub fn next(&mut self, voice: &Voice) -> Result<Option<String>> {
        match self {
            Self::Terminal(keys) => {
                let _raw = Raw::begin().context("use the terminal")?;
                voice.ask(true);
                let line = keys.line(voice);
                voice.ask(false);
                Ok(line)
            }
            Self::Pipe => {
                let line = io::stdin().lines().next().and_then(io::Result::ok);
                line.iter().for_each(|line| voice.say(&format!("{PROMPT}{line}")));
                Ok(line)
            }
        }
    }
}

impl Keys {
    fn line(&mut self, voice: &Voice) -> Option<String> {
        loop {
            let byte = self.byte()?;
            let typed = self.keyboard.press(byte).map(|key| voice.screen().editor.key(key));
            match typed {
                Some(Typed::Line(line)) => {
                    voice.screen().print(&format!("{PROMPT}{line}"));
                    return Some(line);
                }
                Some(Typed::Choices(choices)) => voice.say(&choices.join("  ")),
                Some(Typed::End) => return None,
                Some(Typed::More) => voice.screen().draw(),
                None => {}
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        if self.waiting.is_empty() {
            let mut buffer = [0; 256];
            let n = io::stdin().lock().read(&mut buffer).ok()?;
            self.waiting.extend(&buffer[..n]);
        }
        self.waiting.pop_front()
    }
}

impl Voice {
    /// One or more lines, at once.
    pub fn say(&self, text: &str) {
        self.screen().print(text);
    }

    fn ask(&self, asking: bool) {
        let mut screen = self.screen();
        if !asking {
            write("\r\x1b[K");
        }
        screen.asking = asking;
        screen.draw();
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen {
    fn print(&mut self, text: &str) {
        let text = text.trim_end_matches('\n');
        write(&format!("{}{text}\n", if self.asking { "\r\x1b[K" } else { "" }));
        self.draw();
    }

    fn draw(&self) {
        if self.asking {
            let (line, at) = self.editor.shown();
            let column = PROMPT.len() + at;
            write(&format!("\r\x1b[K{PROMPT}{line}\r\x1b[{column}C"));
        }
    }
}

/// To the terminal at once; a reader that went away is no reason to stop.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// The terminal gives every key at once and shows none, as long as this lives.
struct Raw(Termios);

impl Raw {
    fn begin() -> nix::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
        raw.input_flags.remove(InputFlags::ICRNL | InputFlags::IXON);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0).ok();
    }
}
