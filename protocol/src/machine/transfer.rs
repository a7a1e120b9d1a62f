//! The exchange of one file: a sender and a receiver, run by host and viewer alike.
//!
//! ```text
//! sender                     receiver
//!   Offer ──────────────────►  (the person is asked)
//!     ◄─────────────────────  Accept { offset }   or  Stop { Refused }
//!   FileChunk … ────────────►  writes, hashes
//!     ◄─────────────────────  Progress             every PROGRESS_EVERY bytes: the sender keeps WINDOW ahead of it
//!   Complete { sha256 } ────►  compares
//!     ◄─────────────────────  Saved { name }      or  Stop { HashMismatch }
//! ```
//! Either side may `Stop` at any time, once. The driver reads and writes the files; these machines decide.

use sha2::{Digest, Sha256 as Hasher};

use crate::file::{FileChunk, FileMessage, FileProblem, MAX_CHUNK, Sha256, TransferId};

/// Bytes that the sender may be ahead of the receiver's last report.
pub const WINDOW: u64 = 4 * 1024 * 1024;
/// The receiver reports after this many bytes.
pub const PROGRESS_EVERY: u64 = 256 * 1024;

/// How a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Offered; nobody has answered yet.
    Offered,
    /// Contents flow.
    Running,
    /// Everything was sent; the receiver compares and saves.
    Checking,
    /// It arrived whole.
    Done,
    /// It ended without success.
    Stopped(FileProblem),
}

impl Status {
    /// Whether nothing more will happen.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Stopped(_))
    }
}

/// The sending side of one transfer.
#[derive(Debug)]
pub struct Sender {
    id: TransferId,
    size: u64,
    status: Status,
    sent: u64,
    confirmed: u64,
    hasher: Hasher,
}

impl Sender {
    /// A new transfer, and the offer that opens it.
    pub fn offer(id: TransferId, name: String, size: u64) -> (Self, FileMessage) {
        let sender = Self { id, size, status: Status::Offered, sent: 0, confirmed: 0, hasher: Hasher::new() };
        (sender, FileMessage::Offer { id, name, size })
    }

    /// How it stands.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Bytes that the receiver reported as written.
    pub const fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Size of the file in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What to read next: place and length of the next chunk. `None` while the window is shut, or nothing is to be sent.
    ///
    /// The driver asks again after every message of the receiver, and whenever its channel has room.
    pub fn wants(&self) -> Option<(u64, usize)> {
        if self.status != Status::Running {
            return None;
        }
        let window = (self.confirmed + WINDOW).saturating_sub(self.sent);
        let len = (self.size - self.sent).min(window).min(MAX_CHUNK as u64);
        (len > 0).then_some((self.sent, len as usize))
    }

    /// Makes a chunk of what was read at the place that [`Self::wants`] named. Shorter than wanted is allowed, nothing is
    /// not: a file that ended early is [`Self::stop`]ped with [`FileProblem::CannotRead`].
    pub fn chunk<'a>(&mut self, data: &'a [u8]) -> Option<FileChunk<'a>> {
        let (offset, len) = self.wants()?;
        if data.is_empty() || data.len() > len {
            return None;
        }
        self.hasher.update(data);
        self.sent += data.len() as u64;
        Some(FileChunk { id: self.id, offset, data })
    }

    /// The closing message, once everything was sent; `None` otherwise, and when it was taken before.
    pub fn complete(&mut self) -> Option<FileMessage> {
        if self.status != Status::Running || self.sent < self.size {
            return None;
        }
        self.status = Status::Checking;
        let sha256 = Sha256(self.hasher.clone().finalize().into());
        Some(FileMessage::Complete { id: self.id, sha256 })
    }

    /// A message of the receiver about this transfer; the answer is one to send back.
    ///
    /// [`FileMessage::Accept`] with an offset asks to go on where an earlier attempt broke off. Nobody can do that yet:
    /// the bytes before it would be missing in the hash, so it is a breach of the protocol.
    pub fn receive(&mut self, message: &FileMessage) -> Option<FileMessage> {
        match (message, self.status) {
            (_, status) if status.is_over() => None,
            (FileMessage::Accept { offset: 0, .. }, Status::Offered) => {
                self.status = Status::Running;
                None
            }
            (FileMessage::Progress { received, .. }, Status::Running | Status::Checking)
                if (self.confirmed..=self.sent).contains(received) =>
            {
                self.confirmed = *received;
                None
            }
            (FileMessage::Saved { .. }, Status::Checking) => {
                self.confirmed = self.size;
                self.status = Status::Done;
                None
            }
            (FileMessage::Stop { problem, .. }, _) => {
                self.status = Status::Stopped(*problem);
                None
            }
            _ => self.stop(FileProblem::Protocol),
        }
    }

    /// Ends the transfer from this side; the message tells the other. `None` where it was over already.
    pub fn stop(&mut self, problem: FileProblem) -> Option<FileMessage> {
        stop(&mut self.status, self.id, problem)
    }
}

/// What the receiving driver does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the chunk's data at its offset.
    Write,
    /// Send this to the sender.
    Send(FileMessage),
    /// The contents are whole: give the file its name, then call [`Receiver::saved`].
    Keep,
    /// The transfer ended without success: remove what was written.
    Discard(FileProblem),
}

/// The receiving side of one transfer.
#[derive(Debug)]
pub struct Receiver {
    id: TransferId,
    size: u64,
    status: Status,
    received: u64,
    reported: u64,
    hasher: Hasher,
    announced: Option<Sha256>,
}

impl Receiver {
    /// A file was offered; the person, or the policy, is asked next.
    pub fn offered(id: TransferId, size: u64) -> Self {
        Self {
            id,
            size,
            status: Status::Offered,
            received: 0,
            reported: 0,
            hasher: Hasher::new(),
            announced: None,
        }
    }

    /// How it stands.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Bytes that arrived.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Size of the file in bytes, as offered.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The person said yes, and a place to write to is open.
    pub fn accept(&mut self) -> Option<FileMessage> {
        if self.status != Status::Offered {
            return None;
        }
        self.status = Status::Running;
        Some(FileMessage::Accept { id: self.id, offset: 0 })
    }

    /// A chunk of this transfer arrived. Where the effects begin with [`Effect::Write`], its data are to be written.
    pub fn chunk(&mut self, chunk: &FileChunk<'_>) -> Vec<Effect> {
        if self.status.is_over() {
            // The sender has not read our `Stop` yet.
            return Vec::new();
        }
        let in_turn = self.status == Status::Running
            && chunk.offset == self.received
            && chunk.data.len() as u64 <= self.size - self.received;
        if !in_turn {
            return self.fail(FileProblem::Protocol);
        }
        self.hasher.update(chunk.data);
        self.received += chunk.data.len() as u64;
        let mut effects = vec![Effect::Write];
        if self.received - self.reported >= PROGRESS_EVERY {
            self.reported = self.received;
            effects.push(Effect::Send(FileMessage::Progress { id: self.id, received: self.received }));
        }
        effects.extend(self.compare());
        effects
    }

    /// A message of the sender about this transfer. `Complete` travels on another channel than the chunks and may
    /// overtake them; it is kept until the last one is there.
    pub fn receive(&mut self, message: &FileMessage) -> Vec<Effect> {
        match (message, self.status) {
            (_, status) if status.is_over() => Vec::new(),
            (FileMessage::Complete { sha256, .. }, Status::Running) if self.announced.is_none() => {
                self.announced = Some(*sha256);
                self.compare()
            }
            (FileMessage::Stop { problem, .. }, _) => {
                self.status = Status::Stopped(*problem);
                vec![Effect::Discard(*problem)]
            }
            _ => self.fail(FileProblem::Protocol),
        }
    }

    /// The file has its final name.
    pub fn saved(&mut self, name: String) -> Option<FileMessage> {
        if self.status != Status::Checking {
            return None;
        }
        self.status = Status::Done;
        Some(FileMessage::Saved { id: self.id, name })
    }

    /// Ends the transfer from this side; the message tells the other. `None` where it was over already.
    pub fn stop(&mut self, problem: FileProblem) -> Option<FileMessage> {
        stop(&mut self.status, self.id, problem)
    }

    fn compare(&mut self) -> Vec<Effect> {
        match self.announced {
            Some(announced) if self.received == self.size => {
                if announced.0 != <[u8; 32]>::from(self.hasher.clone().finalize()) {
                    return self.fail(FileProblem::HashMismatch);
                }
                self.status = Status::Checking;
                vec![Effect::Keep]
            }
            _ => Vec::new(),
        }
    }

    fn fail(&mut self, problem: FileProblem) -> Vec<Effect> {
        self.stop(problem)
            .map_or_else(Vec::new, |message| vec![Effect::Discard(problem), Effect::Send(message)])
    }
}

fn stop(status: &mut Status, id: TransferId, problem: FileProblem) -> Option<FileMessage> {
    if status.is_over() {
        return None;
    }
    *status = Status::Stopped(problem);
    Some(FileMessage::Stop { id, problem })
}

#[cfg(test)]
mod tests;
