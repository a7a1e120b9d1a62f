//! The person in front of the shared screen: asked, told, listened to.

mod headless;
mod terminal;
mod words;

use std::path::PathBuf;

use nearhand_protocol::grant::Right;
use tokio::sync::mpsc;

use crate::session::{News, Question, QuestionId};
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
    },
    /// A chat line.
    Say(String),
    /// Send this file.
    SendFile(PathBuf),
    /// Take a right back.
    TakeBack(Right),
    /// Be asked again, after having said no so often that nobody asks any more.
    AskAgain,
    /// End the session.
    End,
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
