//! Nobody at the screen: the rights of the command line are given, all others refused. For tests only; the technician
//! and the server are told.

use nearhand_protocol::grant::Rights;

use super::{Command, Commands, Terminal, Ui};
use crate::session::{News, Question, QuestionId};

/// Answers by the command line, and prints what a [`Terminal`] would.
pub struct Headless {
    grant: Rights,
    commands: Commands,
    print: Terminal,
}

impl Headless {
    /// Gives these rights and no others.
    pub fn new(grant: Rights, commands: Commands, print: Terminal) -> Self {
        Self { grant, commands, print }
    }
}

impl Ui for Headless {
    fn ask(&mut self, question: &Question) {
        let answer =
            Command::Answer { question: question.id, yes: self.grant.has(question.right), choice: None };
        // The queue is full only if the driver is stuck; then an unanswered question gives nothing, which is right.
        let _ = self.commands.try_send(answer);
    }

    fn withdraw(&mut self, _: QuestionId) {}

    fn show(&mut self, news: &News) {
        self.print.show(news);
    }

    fn stop(&mut self) {
        self.print.stop();
    }
}
