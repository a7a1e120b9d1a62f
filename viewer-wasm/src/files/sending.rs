//! One file on its way to the customer: read in blocks ahead of the channel, which decides the pace.

use nearhand_protocol::channel::Channel;
use nearhand_protocol::file::{FileMessage, FileProblem, MAX_NAME, TransferId};
use nearhand_protocol::machine::transfer::{Sender, Status};
use nearhand_protocol::wire;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::Event;
use super::row::Row;
use crate::dom;
use crate::listen::{self, Sink, Task};
use crate::rtc::Peer;

/// Bytes that are read at once: large enough that the browser's round trip to the disk does not matter.
/// Smaller than what the browser maps and clears anew for each buffer.
const BLOCK: u64 = 512 * 1024;

pub(super) struct Sending {
    id: TransferId,
    file: File,
    machine: Sender,
    row: Row,
    shown: Status,
    sink: Sink<Event>,
    /// What was read and is not sent yet.
    block: Vec<u8>,
    /// How much of it was sent.
    used: usize,
    /// The block after it.
    next: Option<Vec<u8>>,
    /// How far the file was read, what is being read included.
    asked: u64,
    reading: Option<Task>,
}

impl Sending {
    /// A new transfer and the offer of it; a name that can't be offered stops it at once.
    pub(super) fn offer(
        id: TransferId,
        file: File,
        row: Row,
        sink: Sink<Event>,
    ) -> (Self, Option<FileMessage>) {
        let name = file.name();
        let fits = !name.is_empty() && name.len() <= MAX_NAME;
        let (machine, message) = Sender::offer(id, name, file.size() as u64);
        let mut sending = Self {
            id,
            file,
            shown: machine.status(),
            machine,
            row,
            sink,
            block: Vec::new(),
            used: 0,
            next: None,
            asked: 0,
            reading: None,
        };
        if !fits {
            sending.machine.stop(FileProblem::BadName);
        }
        (sending, fits.then_some(message))
    }

    pub(super) const fn id(&self) -> TransferId {
        self.id
    }

    pub(super) const fn status(&self) -> Status {
        self.machine.status()
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// A message of the receiver; the answer is to be sent.
    pub(super) fn receive(&mut self, message: &FileMessage) -> Option<FileMessage> {
        let answer = self.machine.receive(message);
        self.settle();
        answer
    }

    /// A block was read; the answer is to be sent.
    pub(super) fn read(&mut self, block: Option<Vec<u8>>) -> Option<FileMessage> {
        self.reading = None;
        match block {
            Some(block) if !block.is_empty() => {
                if self.used >= self.block.len() {
                    (self.block, self.used) = (block, 0);
                } else {
                    self.next = Some(block);
                }
                None
            }
            _ => self.stop(FileProblem::CannotRead),
        }
    }

    /// Ends it from this side; the answer is to be sent.
    pub(super) fn stop(&mut self, problem: FileProblem) -> Option<FileMessage> {
        let message = self.machine.stop(problem);
        self.settle();
        message
    }

    /// Sends as much as window, blocks and channel allow; the answer is to be sent on the files channel.
    pub(super) fn pump(&mut self, peer: &Peer) -> Option<FileMessage> {
        while let Some((_, len)) = self.machine.wants() {
            if self.used >= self.block.len() {
                self.used = 0;
                self.block = self.next.take().unwrap_or_default();
            }
            self.read_ahead();
            let data = &self.block[self.used..self.block.len().min(self.used + len)];
            // A little room is kept: the encoding adds a header to the data.
            if data.is_empty()
                || peer.buffered(Channel::FileData) + data.len() + 64 > Channel::FileData.buffer_limit()
            {
                return None;
            }
            let sent = data.len();
            let bytes = self.machine.chunk(data).and_then(|chunk| wire::encode(&chunk).ok());
            if bytes.is_none_or(|bytes| peer.send(Channel::FileData, &bytes).is_err()) {
                return self.stop(FileProblem::ConnectionLost);
            }
            self.used += sent;
        }
        let complete = self.machine.complete();
        if complete.is_some() {
            self.show();
        }
        complete
    }

    pub(super) fn show(&mut self) {
        self.shown = self.machine.status();
        self.row.show(self.machine.status(), self.machine.confirmed(), self.machine.size());
    }

    fn settle(&mut self) {
        if self.machine.status().is_over() {
            self.reading = None;
            self.next = None;
            self.block = Vec::new();
            self.used = 0;
        }
        // How far it is, the page follows by the clock: each report of the receiver would be more than anybody sees.
        if self.machine.status() != self.shown {
            self.show();
        }
    }

    fn read_ahead(&mut self) {
        let size = self.machine.size();
        if self.reading.is_some() || self.next.is_some() || self.asked >= size {
            return;
        }
        let (start, end) = (self.asked, size.min(self.asked + BLOCK));
        self.asked = end;
        let (id, sink) = (self.id, self.sink.clone());
        let part = self.file.slice_with_f64_and_f64(start as f64, end as f64);
        self.reading = Some(listen::spawn(async move {
            let bytes = match part {
                Ok(part) => JsFuture::from(part.array_buffer()).await.ok(),
                Err(_) => None,
            };
            let bytes = bytes.and_then(dom::cast::<js_sys::ArrayBuffer>);
            let bytes = bytes.map(|buffer| js_sys::Uint8Array::new(&buffer).to_vec());
            // A file that shrank meanwhile gives less than was asked for.
            sink(Event::Read(id, bytes.filter(|bytes| bytes.len() as u64 == end - start)));
        }));
    }
}
