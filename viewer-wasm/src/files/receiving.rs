//! One file on its way from the customer: gathered in the browser's memory, offered for saving when it is whole.

use js_sys::{Array, Uint8Array};
use nearhand_protocol::file::{FileChunk, FileMessage, FileProblem, TransferId};
use nearhand_protocol::machine::transfer::{Effect, Receiver, Status};
use web_sys::{Blob, BlobPropertyBag, Url};

use super::row::Row;

/// Most bytes that are taken at once: a tab's memory is not a disk.
pub(super) const MOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Pieces are put together after so many bytes; the browser moves what is put together to its disk.
const GATHER: usize = 8 * 1024 * 1024;

pub(super) struct Receiving {
    id: TransferId,
    name: String,
    machine: Receiver,
    row: Row,
    /// Whole parts.
    parts: Array,
    /// Pieces that are not put together yet.
    pieces: Array,
    gathered: usize,
    shown: Option<Status>,
    url: Option<String>,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Some(url) = self.url.take() {
            let _ = Url::revoke_object_url(&url);
        }
    }
}

impl Receiving {
    pub(super) fn offered(id: TransferId, name: String, size: u64, row: Row) -> Self {
        let machine = Receiver::offered(id, size);
        let parts = Array::new();
        Self { id, name, machine, row, parts, pieces: Array::new(), gathered: 0, shown: None, url: None }
    }

    pub(super) const fn id(&self) -> TransferId {
        self.id
    }

    pub(super) const fn status(&self) -> Status {
        self.machine.status()
    }

    pub(super) const fn size(&self) -> u64 {
        self.machine.size()
    }

    /// The answer is to be sent.
    pub(super) fn accept(&mut self) -> Option<FileMessage> {
        let answer = self.machine.accept();
        self.show();
        answer
    }

    /// A piece arrived; the answers are to be sent.
    pub(super) fn chunk(&mut self, chunk: &FileChunk<'_>) -> Vec<FileMessage> {
        let effects = self.machine.chunk(chunk);
        self.carry_out(effects, chunk.data)
    }

    /// A message of the sender; the answers are to be sent.
    pub(super) fn receive(&mut self, message: &FileMessage) -> Vec<FileMessage> {
        let effects = self.machine.receive(message);
        self.carry_out(effects, &[])
    }

    /// Ends it from this side; the answer is to be sent.
    pub(super) fn stop(&mut self, problem: FileProblem) -> Option<FileMessage> {
        let message = self.machine.stop(problem);
        if message.is_some() {
            self.discard();
        }
        self.show();
        message
    }

    fn carry_out(&mut self, effects: Vec<Effect>, data: &[u8]) -> Vec<FileMessage> {
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Write => self.write(data),
                Effect::Send(message) => answers.push(message),
                Effect::Keep => answers.extend(self.keep()),
                Effect::Discard(_) => self.discard(),
            }
        }
        // How far it is, the page follows by the clock: each piece would be more than anybody sees.
        if self.shown != Some(self.machine.status()) {
            self.show();
        }
        answers
    }

    fn write(&mut self, data: &[u8]) {
        self.pieces.push(&Uint8Array::from(data));
        self.gathered += data.len();
        if self.gathered >= GATHER {
            self.gather();
        }
    }

    fn gather(&mut self) {
        self.gathered = 0;
        let pieces = core::mem::take(&mut self.pieces);
        match Blob::new_with_u8_array_sequence(&pieces) {
            Ok(part) => {
                self.parts.push(&part);
            }
            // What can't be put together yet stays in pieces.
            Err(_) => pieces.iter().for_each(|piece| {
                self.parts.push(&piece);
            }),
        }
    }

    fn keep(&mut self) -> Option<FileMessage> {
        self.gather();
        let options = BlobPropertyBag::new();
        // Whatever it is, the browser shall save it, not show it.
        options.set_type("application/octet-stream");
        let blob = Blob::new_with_blob_sequence_and_options(&self.parts, &options).ok();
        self.parts = Array::new();
        let Some(url) = blob.and_then(|blob| Url::create_object_url_with_blob(&blob).ok()) else {
            return self.stop(FileProblem::CannotWrite);
        };
        self.row.offer_save(&url);
        self.url = Some(url);
        self.machine.saved(self.name.clone())
    }

    fn discard(&mut self) {
        self.parts = Array::new();
        self.pieces = Array::new();
        self.gathered = 0;
    }

    pub(super) fn show(&mut self) {
        self.shown = Some(self.machine.status());
        self.row.show(self.machine.status(), self.machine.received(), self.machine.size());
    }
}
