//! The person in front of the shared screen: asked, told, listened to.

mod headless;
mod terminal;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use nearhand_protocol::grant::Right;
use tokio::sync::mpsc;

use crate::session::{Choice, News, Question, QuestionId, Whom};
pub use headless::Headless;
pub use terminal::Terminal;

/// What the customer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// An answer.
    Answer {
        /// To which question.
        question: QuestionId,
        /// What.
        yes: bool,
        /// What is to be seen, where that is asked; `None`: what was shared before.
        choice: Option<Choice>,
    },
    /// A chat line.
    Say(String),
    /// Send this file.
    SendFile(PathBuf),
    /// Give a right that nobody asks for just now.
    Give {
        /// To whom; control goes to one of them.
        whom: Whom,
        /// What.
        right: Right,
    },
    /// Take a right back.
    TakeBack {
        /// From whom.
        whom: Whom,
        /// What.
        right: Right,
    },
    /// Share something else from now on.
    Narrow(Choice),
    /// Let the technician go on, after the customer's own hand took over.
    Resume,
    /// Let them go on by themselves after so long without a touch; `None`: never.
    ComesBack(Option<Duration>),
    /// Be asked again, after having said no so often that nobody asks any more.
    AskAgain,
    /// End the session.
    End,
    /// End everything at once, whatever else is under way.
    Panic,
}

/// Commands that may wait for the driver; whoever types faster waits.
pub const QUEUE: usize = 32;

/// How the customer is asked and told. Nothing here waits: it is called by the driver.
///
/// What the customer does comes over a channel that the implementation was made with: see [`Command`].
pub trait Ui: Send {
    /// Puts a question. It stands until it is answered or withdrawn; there is one at a time.
    fn ask(&mut self, question: &Question);
    /// The question needs no answer any more.
    fn withdraw(&mut self, question: QuestionId);
    /// Tells something.
    fn show(&mut self, news: &News);
    /// The session is over: nothing is asked or told any more.
    fn stop(&mut self);
}

/// Where a [`Ui`] puts what the customer wants.
pub type Commands = mpsc::Sender<Command>;
