//! Files, both ways: one thread for each transfer reads or writes and runs the machine of
//! [`nearhand_protocol::machine::transfer`]; this module routes messages to them. Whether a file may pass at all is
//! decided in [`crate::session`].

mod folder;
mod incoming;
mod name;
mod outgoing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use nearhand_protocol::file::{
    FileChunk, FileMessage, FileProblem, MAX_CHUNK, MAX_NAME, MAX_SIZE, TransferId,
};
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::transfer::WINDOW;
use nearhand_protocol::wire::decode_borrowed;
use tokio::sync::mpsc;

use crate::rtc::Transport;
use crate::session::{FileOffer, LocalFile};

/// Transfers of each direction that run at the same time.
const MAX_RUNNING: usize = 4;
/// Pieces that wait for a transfer's thread: a full window, and some messages. Who sends more breaks the protocol.
const QUEUE: usize = WINDOW as usize / MAX_CHUNK + 64;
/// Events that wait for the driver; the threads wait where there are more.
const EVENTS: usize = 64;

/// What the driver learns.
#[derive(Debug)]
pub enum Event {
    /// To be sent on the files channel.
    Send(FileMessage),
    /// A transfer is over.
    Over(TransferId, Outcome),
}

/// How a transfer ended.
#[derive(Debug)]
pub enum Outcome {
    /// It arrived whole, here.
    Saved(PathBuf),
    /// It was sent, and arrived whole.
    Sent(String),
    /// It ended without success.
    Failed {
        /// The file's name, safe to show.
        name: String,
        /// Why.
        problem: FileProblem,
    },
}

/// Something for a transfer's thread.
enum Input {
    /// An encoded chunk.
    Chunk(Bytes),
    /// A message of the other end.
    Message(FileMessage),
    /// The channel has room again.
    Room,
    /// End it for this reason.
    Stop(FileProblem),
}

/// One transfer's thread.
struct Running {
    /// `None`: told to end.
    input: Option<SyncSender<Input>>,
    thread: JoinHandle<()>,
}

/// All transfers of a session. Dropping it stops them; their threads end by themselves, and remove what is unfinished.
pub struct Files {
    folder: PathBuf,
    events: mpsc::Sender<Event>,
    running: HashMap<TransferId, Running>,
    offered: u32,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files({} running)", self.running.len())
    }
}

impl Files {
    /// Received files go to `folder`. What an earlier run left half written there is removed.
    pub fn new(folder: PathBuf) -> (Self, mpsc::Receiver<Event>) {
        folder::remove_leftovers(&folder);
        let (events, receiver) = mpsc::channel(EVENTS);
        (Self { folder, events, running: HashMap::new(), offered: 0 }, receiver)
    }

    /// Takes an offered file, to which the customer has agreed. A message back means that it is refused.
    pub fn receive(&mut self, offer: &FileOffer) -> Option<FileMessage> {
        let stop = |problem| Some(FileMessage::Stop { id: offer.id, problem });
        if self.running.contains_key(&offer.id) {
            return stop(FileProblem::Protocol);
        }
        if self.count(Seat::Viewer) >= MAX_RUNNING {
            return stop(FileProblem::TooMany);
        }
        if offer.size > MAX_SIZE {
            return stop(FileProblem::TooLarge);
        }
        let Some(name) = name::safe(&offer.name) else { return stop(FileProblem::BadName) };
        let (input, inbox) = sync_channel(QUEUE);
        let (id, size, folder, events) = (offer.id, offer.size, self.folder.clone(), self.events.clone());
        self.start(id, input, move || incoming::run(id, &name, size, &folder, &inbox, &events))
    }

    /// Offers a file, to which the customer has agreed. False: too many run.
    pub fn offer(&mut self, file: LocalFile, transport: Arc<dyn Transport>) -> bool {
        if self.count(Seat::Host) >= MAX_RUNNING {
            return false;
        }
        self.offered += 1;
        let id = TransferId { sender: Seat::Host, number: self.offered };
        let (input, inbox) = sync_channel(QUEUE);
        let events = self.events.clone();
        self.start(id, input, move || outgoing::run(id, &file, &*transport, &inbox, &events)).is_none()
    }

    fn start(
        &mut self,
        id: TransferId,
        input: SyncSender<Input>,
        run: impl FnOnce() + Send + 'static,
    ) -> Option<FileMessage> {
        match std::thread::Builder::new().name("file".into()).spawn(run) {
            Ok(thread) => {
                self.running.insert(id, Running { input: Some(input), thread });
                None
            }
            Err(_) => Some(FileMessage::Stop { id, problem: FileProblem::TooMany }),
        }
    }

    /// A message about a transfer that runs, or ran; others are ignored.
    pub fn message(&mut self, id: TransferId, message: FileMessage) {
        self.pass(id, Input::Message(message));
    }

    /// A chunk. False: it is none.
    pub fn chunk(&mut self, bytes: Bytes) -> bool {
        let id = match decode_borrowed::<FileChunk<'_>>(&bytes) {
            Ok(chunk) => chunk.id,
            Err(_) => return false,
        };
        self.pass(id, Input::Chunk(bytes));
        true
    }

    /// The channel of contents has room again.
    pub fn room(&mut self) {
        for input in self.running.values().filter_map(|running| running.input.as_ref()) {
            // A full queue wakes its thread as well.
            let _ = input.try_send(Input::Room);
        }
    }

    /// Stops the transfers that this end sends (`None`: all of them).
    pub fn stop(&mut self, sender: Option<Seat>, problem: FileProblem) {
        for (id, running) in &mut self.running {
            if sender.is_none_or(|sender| sender == id.sender)
                && let Some(input) = running.input.take()
            {
                // Where the queue is full the thread ends as well: nobody holds its other end any more.
                let _ = input.try_send(Input::Stop(problem));
            }
        }
    }

    /// Stops everything, and waits for the threads for so long at most. The receiver of events must be gone.
    pub async fn finish(mut self, patience: Duration) {
        self.stop(None, FileProblem::Cancelled);
        let late = tokio::time::Instant::now() + patience;
        for (_, running) in self.running.drain() {
            // A disk may hold a thread up for long; then it ends with the program, and the next start tidies up.
            while !running.thread.is_finished() && tokio::time::Instant::now() < late {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if running.thread.is_finished() {
                let _ = running.thread.join();
            }
        }
    }

    /// A transfer ended: its thread is joined. Called for every [`Event::Over`].
    pub fn over(&mut self, id: TransferId) {
        if let Some(running) = self.running.remove(&id) {
            // It has said its last word, so this does not wait.
            let _ = running.thread.join();
        }
    }

    fn pass(&mut self, id: TransferId, input: Input) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let Some(sender) = &running.input else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send(input) {
            // More than the window: dropping a piece would only be found out at the end.
            tracing::debug!("a transfer broke its window");
            running.input = None;
        }
    }

    fn count(&self, sender: Seat) -> usize {
        self.running.keys().filter(|id| id.sender == sender).count()
    }
}

/// Opens nothing yet: whether there is a file that can be sent, and what it is called there. The error is for the customer.
pub fn look(path: &Path) -> Result<LocalFile, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("{shown} can't be sent: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{shown} can't be sent: it is no file"));
    }
    if metadata.len() > MAX_SIZE {
        return Err(format!("{shown} can't be sent: it is larger than a terabyte"));
    }
    std::fs::File::open(path).map_err(unreadable)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("{shown} can't be sent: give it a shorter name"));
    }
    Ok(LocalFile { path: path.to_owned(), name, size: metadata.len() })
}

/// A problem in words that fit behind a file's name.
pub fn words(problem: FileProblem) -> &'static str {
    match problem {
        FileProblem::Refused => "it was refused",
        FileProblem::Cancelled => "it was cancelled",
        FileProblem::BadName => "its name can't be used here",
        FileProblem::TooLarge => "it is too large",
        FileProblem::TooMany => "too many files at once; try again when the others are done",
        FileProblem::CannotRead => "it can't be read, or it changed meanwhile",
        FileProblem::CannotWrite => "it can't be written to the folder for received files",
        FileProblem::DiskFull => "the disk is full",
        FileProblem::HashMismatch => "it did not arrive as it was sent; try again",
        FileProblem::Protocol => "the two programs misunderstood each other",
        FileProblem::ConnectionLost => "the connection broke; send it again",
    }
}
