//! The customer at a terminal, line by line; input may be a pipe.
//!
//! What goes to standard output is stable, one line each, for tests and for scripts:
//!
//! ```text
//! connected to ORIGIN as MACHINE
//! TECHNICIAN: NAME (ORGANISATION)          who helps
//! TECHNICIAN: waiting | here | away
//! SERVER: lost (WHY) | back
//! WORDS: ONE TWO THREE FOUR                 the same four at the technician, once their end proved the code
//! CONNECTION: up | interrupted
//! PATH: direct | relayed                    how the packets travel, at every change
//! RIGHTS: none | view control files-in files-out     what holds, at every change
//! QUESTION: …? [y/N]                       without a line's end: the answer follows
//! QUESTION: withdrawn
//! NAME: TEXT                               chat; each line of a long text so
//! COLLEAGUE: NAME (ORGANISATION): words … | here | interrupted | rights … | gone (machine_code) | refused: …     of one who was invited
//! FILE WANTED: …
//! FILE SAVED: PATH
//! FILE SENT: NAME
//! FILE FAILED: NAME: WHY
//! NOTE: …                                  anything else that the customer should read
//! SESSION ENDED: machine_code              then the same in words, as a NOTE, and nothing more
//! ```
//!
//! `y` or `yes` is a yes; `n`, `no` and an empty line are a no. Any other line is chat, also while a question stands.
//! `/send PATH`, `/view on`, `/view off`, `/control on`, `/control off`, `/files off`, `/resume`, `/ask`, `/end`, `/panic` and `/help` are
//! commands. The end of the input is no end of the session, but nobody answers any more: what stands open, and what is
//! asked later, is refused.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::grant::Right;
use nearhand_protocol::signal::Technician;

use super::{Command, Commands, Ui, words};
use crate::session::{Colleague, News, Question, QuestionId, Whom};

#[cfg(test)]
mod tests;

/// Longest line that is read, in bytes; the rest of a longer one is dropped.
const MAX_LINE: u64 = 64 * 1024;

const HELP: &str = "NOTE: type a line to chat; /send PATH sends a file; /control off, /view off and /files off take \
                    back what you allowed; /view on and /control on allow it; /end (or Ctrl+C) ends everything";

/// Prints to a stream, and understands lines.
pub struct Terminal {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    out: Box<dyn Write + Send>,
    origin: String,
    machine: String,
    technician: Technician,
    open: Option<Question>,
    /// The cursor stands behind a question.
    mid_line: bool,
    input_ended: bool,
    commands: Commands,
    stopped: bool,
}

impl Terminal {
    /// Prints to `out`; what the customer wants goes to `commands`.
    pub fn new(out: Box<dyn Write + Send>, origin: String, machine: String, commands: Commands) -> Self {
        let shared = Shared {
            out,
            origin,
            machine,
            technician: Technician::default(),
            open: None,
            mid_line: false,
            input_ended: false,
            commands,
            stopped: false,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Reads lines from `input` on a thread of its own, to its end.
    ///
    /// Nobody joins that thread: a read of standard input can't be broken off. It holds nothing but the input, and ends
    /// with the program at the latest.
    pub fn listen(&self, mut input: impl BufRead + Send + 'static) -> io::Result<()> {
        let shared = self.shared.clone();
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line);
                let commands = lock(&shared).commands.clone();
                if !matches!(read, Ok(1..)) {
                    if let Some(no) = lock(&shared).input_ended() {
                        let _ = commands.blocking_send(no);
                    }
                    return;
                }
                let command = lock(&shared).line(&String::from_utf8_lossy(&line));
                // Not under the lock: the driver may be printing.
                if let Some(command) = command
                    && commands.blocking_send(command).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(())
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ui for Terminal {
    fn ask(&mut self, question: &Question) {
        lock(&self.shared).ask(question);
    }

    fn withdraw(&mut self, question: QuestionId) {
        let mut shared = lock(&self.shared);
        if shared.open.take_if(|open| open.id == question).is_some() {
            shared.print("QUESTION: withdrawn");
        }
    }

    fn show(&mut self, news: &News) {
        lock(&self.shared).show(news);
    }

    fn stop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.open = None;
        shared.stopped = true;
    }
}

impl Shared {
    /// One line, whatever stands there already; an open question is put again behind it.
    fn print(&mut self, line: &str) {
        if self.stopped {
            return;
        }
        let start = if std::mem::take(&mut self.mid_line) { "\n" } else { "" };
        // A closed output is no reason to end a session.
        let _ = writeln!(self.out, "{start}{line}");
        let _ = self.out.flush();
        self.prompt();
    }

    fn prompt(&mut self) {
        let Some(question) = &self.open else { return };
        let _ = write!(self.out, "QUESTION: {} [y/N] ", words::question(question));
        let _ = self.out.flush();
        self.mid_line = true;
    }

    fn ask(&mut self, question: &Question) {
        if self.input_ended {
            // Nobody is there: an unanswered question must not stand for ever.
            let _ =
                self.commands.try_send(Command::Answer { question: question.id, yes: false, choice: None });
            return;
        }
        self.open = Some(question.clone());
        if std::mem::take(&mut self.mid_line) {
            let _ = writeln!(self.out);
        }
        self.prompt();
    }

    fn input_ended(&mut self) -> Option<Command> {
        self.input_ended = true;
        let question = self.open.take()?.id;
        Some(Command::Answer { question, yes: false, choice: None })
    }

    /// What a typed line means.
    fn line(&mut self, line: &str) -> Option<Command> {
        // The person's own Enter has ended the line on a terminal; on a pipe the next output does.
        let line = line.trim();
        if let Some(question) = &self.open {
            let yes = match line.to_lowercase().as_str() {
                "y" | "yes" => Some(true),
                "n" | "no" | "" => Some(false),
                _ => None,
            };
            if let Some(yes) = yes {
                let question = question.id;
                self.open = None;
                return Some(Command::Answer { question, yes, choice: None });
            }
        }
        if line.is_empty() {
            return None;
        }
        if !line.starts_with('/') {
            if self.open.is_some() {
                self.print("NOTE: sent as chat; the question still stands");
            }
            return Some(Command::Say(line.to_owned()));
        }
        let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (command, argument.trim()) {
            ("/end", "") => Some(Command::End),
            ("/ask", "") => Some(Command::AskAgain),
            ("/panic", "") => Some(Command::Panic),
            ("/resume", "") => Some(Command::Resume),
            ("/control", "on") => Some(Command::Give { whom: Whom::All, right: Right::Control }),
            ("/control", "off") => Some(Command::TakeBack { whom: Whom::All, right: Right::Control }),
            ("/view", "on") => Some(Command::Give { whom: Whom::All, right: Right::View }),
            ("/view", "off") => Some(Command::TakeBack { whom: Whom::All, right: Right::View }),
            ("/files", "off") => Some(Command::TakeBack { whom: Whom::All, right: Right::FilesIn }),
            ("/send", path) if !path.is_empty() => Some(Command::SendFile(unquoted(path).into())),
            _ => {
                self.print(HELP);
                None
            }
        }
    }

    fn show(&mut self, news: &News) {
        let line = match news {
            News::Connected { technician, viewer_present } => {
                self.technician = technician.clone();
                self.print(&format!("connected to {} as {}", self.origin, words::harmless(&self.machine)));
                self.print(&format!("TECHNICIAN: {}", words::who(technician)));
                format!("TECHNICIAN: {}", if *viewer_present { "here" } else { "waiting" })
            }
            News::ServerLost { why, goes_on } => {
                self.print(&format!("SERVER: lost ({})", words::harmless(why)));
                if *goes_on {
                    "NOTE: the server can't be reached just now; the session goes on without it".into()
                } else {
                    "NOTE: the server can't be reached just now; it is being tried again".into()
                }
            }
            News::ServerBack => "SERVER: back".into(),
            News::TechnicianArrived => "TECHNICIAN: here".into(),
            News::TechnicianDropped => "TECHNICIAN: away".into(),
            News::Words(words) => format!("WORDS: {}", words.join(" ")),
            News::PeerConnected => "CONNECTION: up".into(),
            News::PeerLost => "CONNECTION: interrupted".into(),
            News::Unreached => {
                "NOTE: No connection to the technician comes about. Either the two networks do not let each other \
                 through, or somebody changes what the server passes on. It is tried again; Ctrl+C ends it."
                    .into()
            }
            News::RightsExpired => {
                "NOTE: the connection was away for too long; what you allowed has to be asked again".into()
            }
            News::Path { relayed } => format!("PATH: {}", if *relayed { "relayed" } else { "direct" }),
            News::Silenced => {
                "NOTE: you said no three times; for ten minutes you are not asked any more. Type /ask to be asked again"
                    .into()
            }
            News::Rights(rights) => format!("RIGHTS: {}", words::rights(*rights)),
            // Told line by line already.
            News::Who(_) => String::new(),
            News::Yielded(rests) => yielded(&self.technician, *rests),
            News::Shares(choice) => format!("NOTE: {}", words::shares(choice)),
            News::ScopeClosed => "NOTE: what you shared was closed; nobody sees anything".into(),
            News::Choose(_) => "NOTE: several technicians could have it; let the one ask whom you mean".into(),
            News::Chat(text) => written(&self.technician, text),
            News::ChatMerged(lines) => merged(&self.technician, *lines),
            News::Invited => format!(
                "NOTE: {} invites another technician; you are asked before they see anything",
                words::name(&self.technician)
            ),
            News::Colleague { technician, what: Colleague::Chat(text) } => written(technician, text),
            News::Colleague { technician, what: Colleague::ChatMerged(lines) } => merged(technician, *lines),
            News::Colleague { technician, what: Colleague::Yielded(rests) } => yielded(technician, *rests),
            News::Colleague { technician, what } => {
                let said = match what {
                    Colleague::Words(words) => format!("words {}", words.join(" ")),
                    Colleague::Up => "here".into(),
                    Colleague::Interrupted => "interrupted".into(),
                    Colleague::Rights(rights) => format!("rights {}", words::rights(*rights)),
                    Colleague::Gone(CloseReason::NotProven) => "refused: not who was invited".into(),
                    Colleague::Gone(reason) => format!("gone ({})", reason.as_str()),
                    Colleague::Chat(_) | Colleague::ChatMerged(_) | Colleague::Yielded(_) => String::new(),
                };
                format!("COLLEAGUE: {}: {said}", words::who(technician))
            }
            News::FileWanted => {
                format!(
                    "FILE WANTED: {} asks for a file; type /send PATH to send one",
                    words::name(&self.technician)
                )
            }
            News::FileSaved { path } => format!("FILE SAVED: {}", path.display()),
            News::FileSent { name } => format!("FILE SENT: {}", words::harmless(name)),
            News::FileFailed { name, why } => format!("FILE FAILED: {}: {why}", words::harmless(name)),
            News::Problem(text) => format!("NOTE: {}", words::harmless(text)),
            News::Ended(reason) => {
                self.open = None;
                self.print(&format!("SESSION ENDED: {}", reason.as_str()));
                format!("NOTE: {}", words::ended(*reason))
            }
        };
        if !line.is_empty() {
            self.print(&line);
        }
    }
}

/// A text of this person, each line under their name: nobody can write a line that looks like one of the program.
fn written(technician: &Technician, text: &str) -> String {
    let name = words::name(technician);
    let lines: Vec<_> = text.lines().map(|line| format!("{name}: {}", words::harmless(line))).collect();
    lines.join("\n")
}

/// More than anybody reads.
fn merged(technician: &Technician, lines: u32) -> String {
    format!("NOTE: {lines} more lines of {} are not shown", words::name(technician))
}

/// Whose hand it is.
fn yielded(technician: &Technician, rests: bool) -> String {
    let name = words::name(technician);
    if rests {
        format!("NOTE: you have taken over, and {name} only looks; type /resume to let them go on")
    } else {
        format!("NOTE: {name} goes on with your mouse and keyboard")
    }
}

/// A path as people paste it.
fn unquoted(path: &str) -> &str {
    let inner = |quote: char| path.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(path)
}
