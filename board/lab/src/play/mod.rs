//! The interactive lab: a person, or a script in a pipe, does things to two appliances and sees what follows.

mod commands;
mod edit;
mod prompt;
mod view;
mod words;

use std::cell::Cell;
use std::io::{Write, stderr};
use std::process::ExitCode;
use std::thread;

use lubdub_lab::{Lab, Pair, Result};

use commands::FORMS;
use prompt::{Prompt, Voice};
use view::View;

const WELCOME: &str = "
                      client 192.168.20.1
                               |
        eth0 .10 ------- service LAN ------- .20 eth0
     +-------------+                       +-------------+
     |    node1    |                       |    node2    |
     |        eth1 |====== crossover ======| eth1        |
     |       ttyS1 |----- null modem ------| ttyS1       |
     +-------------+                       +-------------+

Virtual address 192.168.20.100, at home on node1. The client asks for it every millisecond.
Try: power off node1, power on node1, cut serial, mend, takeover node2, status, help, quit.
";

/// What a command works on.
struct Session<'a> {
    lab: &'a Lab,
    view: &'a View<'a>,
    voice: &'a Voice,
    seeds: Cell<u64>,
    over: Cell<bool>,
}

/// Builds the lab, boots both nodes and takes commands to the end of the input, or `quit`.
/// Exit status 1: the lab could not be built, or a command of a script could not be carried out.
pub fn run() -> ExitCode {
    match play() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(stderr(), "lab: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Whether a script has run without a mistake; a person may make as many as there are.
fn play() -> Result<bool> {
    let (mut prompt, voice) = Prompt::new();
    let lab = Lab::new(Pair::appliance())?;
    let view = View::new(&lab, &voice);
    voice.say(WELCOME);
    voice.say(lab.ipvs());
    lab.boot()?;
    thread::scope(|scope| {
        for index in [0, 1] {
            let view = &view;
            scope.spawn(move || view.follow_node(index));
        }
        scope.spawn(|| view.follow_client().map_err(|error| voice.say(&format!("the client gave up: {error}"))));
        let session = Session { lab: &lab, view: &view, voice: &voice, seeds: Cell::new(0), over: Cell::new(false) };
        let whole = session.take_commands(&mut prompt);
        view.end();
        Ok(whole || prompt.is_terminal())
    })
}

impl Session<'_> {
    /// Until `quit` or the end of the input; whether every command was understood and carried out.
    fn take_commands(&self, prompt: &mut Prompt) -> bool {
        let mut whole = true;
        while !self.over.get()
            && let Some(line) = self.next(prompt)
        {
            if !line.trim().is_empty() && !line.starts_with('#') {
                whole &= self.obey(&line);
            }
        }
        whole
    }

    fn next(&self, prompt: &mut Prompt) -> Option<String> {
        prompt.next(self.voice).unwrap_or_else(|error| {
            self.voice.say(&error.to_string());
            None
        })
    }

    fn obey(&self, line: &str) -> bool {
        let result = words::parse(&FORMS, line).and_then(|(form, words)| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            (form.action)(self, &words).map_err(|error| error.to_string())
        });
        let obeyed = result.is_ok();
        let text = result.unwrap_or_else(|sentence| sentence);
        if !text.is_empty() {
            self.voice.say(&text);
        }
        obeyed
    }
}
