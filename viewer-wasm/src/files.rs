//! Files both ways: what the page shows of them, and which one gets what arrives; the rules are the protocol's machines.

mod name;
mod receiving;
mod row;
mod sending;

use nearhand_protocol::channel::Channel;
use nearhand_protocol::file::{FileChunk, FileMessage, FileProblem, TransferId};
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::transfer::Status;
use nearhand_protocol::wire;
use web_sys::{
    DataTransfer, DragEvent, Event as DomEvent, File, FileList, HtmlButtonElement, HtmlElement,
    HtmlInputElement,
};

use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::rtc::{Peer, SendError};
use crate::signal::Memory;

use receiving::Receiving;
use row::Row;
use sending::Sending;

/// Most transfers that run or wait at once, each way.
const MOST_OPEN: usize = 16;
/// Most rows in the page; the oldest that is over goes.
const MOST_ROWS: usize = 50;

/// What happened in the page.
pub(crate) enum Event {
    /// Files were chosen or dropped.
    Chosen(Vec<File>),
    /// The technician wants a file of the customer.
    Wanted,
    /// The button of a row: cancel, or once more.
    Pressed(TransferId),
    /// A part of a file was read; `None`: it could not be.
    Read(TransferId, Option<Vec<u8>>),
    /// Files hang over the page, or do no longer.
    Hovering(bool),
}

/// Both ways.
pub(crate) struct Files {
    sending: Vec<Sending>,
    receiving: Vec<Receiving>,
    offers: u32,
    memory: Memory,
    sink: Sink<Event>,
    list: HtmlElement,
    empty: HtmlElement,
    buttons: [HtmlButtonElement; 2],
    _listeners: Vec<Listener>,
}

impl Files {
    /// Finds the parts in the page.
    pub(crate) fn new(memory: Memory, sink: Sink<Event>) -> Result<Self, Missing> {
        let listeners = listeners(&sink)?;
        let offers = memory.get("offers").and_then(|stored| stored.parse().ok()).unwrap_or(0);
        Ok(Self {
            sending: Vec::new(),
            receiving: Vec::new(),
            offers,
            memory,
            sink,
            list: dom::by_id("files")?,
            empty: dom::by_id("files-empty")?,
            buttons: [dom::by_id("choose-file")?, dom::by_id("want-file")?],
            _listeners: listeners,
        })
    }

    /// Nobody is there to send to, or somebody is.
    pub(crate) fn set_open(&self, open: bool) {
        for button in &self.buttons {
            if button.disabled() == open {
                button.set_disabled(!open);
            }
        }
    }

    /// Whether a file is on its way, either way.
    pub(crate) fn is_moving(&self) -> bool {
        let sending = self.sending.iter().map(Sending::status);
        let receiving = self.receiving.iter().map(Receiving::status);
        sending.chain(receiving).any(|status| matches!(status, Status::Running | Status::Checking))
    }

    /// Offers a file to the customer.
    pub(crate) fn offer(&mut self, file: File, peer: Option<&Peer>) {
        let open = self.sending.iter().filter(|sending| !sending.status().is_over()).count();
        // The number survives a reload: the host has seen the earlier ones.
        self.offers = self.offers.saturating_add(1);
        self.memory.set("offers", &self.offers.to_string());
        let id = TransferId { sender: Seat::Viewer, number: self.offers };
        let Ok(row) = self.row(id, &file.name()) else { return };
        let (mut sending, message) = Sending::offer(id, file, row, self.sink.clone());
        if open >= MOST_OPEN {
            sending.stop(FileProblem::TooMany);
        } else if tell(peer, message.as_ref()).is_err() {
            sending.stop(FileProblem::ConnectionLost);
        }
        sending.show();
        self.sending.push(sending);
    }

    /// Asks the customer for a file.
    pub(crate) fn want(peer: Option<&Peer>) -> Result<(), SendError> {
        tell(peer, Some(&FileMessage::Wanted))
    }

    /// A message on the files channel.
    pub(crate) fn receive(&mut self, message: &FileMessage, peer: Option<&Peer>) {
        let id = match message {
            FileMessage::Offer { id, name, size } => return self.offered(*id, name, *size, peer),
            // Whose clipboard these files are of, we did not ask.
            FileMessage::Wanted | FileMessage::Bundle { .. } => return,
            FileMessage::Accept { id, .. }
            | FileMessage::Progress { id, .. }
            | FileMessage::Complete { id, .. }
            | FileMessage::Saved { id, .. }
            | FileMessage::Stop { id, .. } => *id,
        };
        // An answer to a transfer that is not there (any more) is nothing to act on.
        match id.sender {
            Seat::Viewer => {
                if let Some(sending) = self.sending.iter_mut().find(|sending| sending.id() == id) {
                    let _ = tell(peer, sending.receive(message).as_ref());
                }
                self.pump(peer);
            }
            Seat::Host => {
                if let Some(receiving) = self.receiving.iter_mut().find(|receiving| receiving.id() == id) {
                    for answer in receiving.receive(message) {
                        let _ = tell(peer, Some(&answer));
                    }
                }
            }
        }
    }

    /// A piece of a file of the customer.
    pub(crate) fn chunk(&mut self, chunk: &FileChunk<'_>, peer: Option<&Peer>) {
        if let Some(receiving) = self.receiving.iter_mut().find(|receiving| receiving.id() == chunk.id) {
            for answer in receiving.chunk(chunk) {
                let _ = tell(peer, Some(&answer));
            }
        }
    }

    /// A part of a file was read.
    pub(crate) fn read(&mut self, id: TransferId, part: Option<Vec<u8>>, peer: Option<&Peer>) {
        if let Some(sending) = self.sending.iter_mut().find(|sending| sending.id() == id) {
            let _ = tell(peer, sending.read(part).as_ref());
        }
        self.pump(peer);
    }

    /// The button of a row: cancels what runs, and offers again what did not arrive.
    pub(crate) fn press(&mut self, id: TransferId, peer: Option<&Peer>) {
        if let Some(index) = self.sending.iter().position(|sending| sending.id() == id) {
            if self.sending[index].status().is_over() {
                let sending = self.sending.remove(index);
                self.offer(sending.into_file(), peer);
            } else {
                let stop = self.sending[index].stop(FileProblem::Cancelled);
                let _ = tell(peer, stop.as_ref());
            }
        } else if let Some(receiving) = self.receiving.iter_mut().find(|receiving| receiving.id() == id) {
            let stop = receiving.stop(FileProblem::Cancelled);
            let _ = tell(peer, stop.as_ref());
        }
    }

    /// Sends as much as the channel takes; called again when it has room, when something was read and when the
    /// receiver reports.
    pub(crate) fn pump(&mut self, peer: Option<&Peer>) {
        let Some(peer) = peer else { return };
        for sending in &mut self.sending {
            if let Some(message) = sending.pump(peer) {
                let _ = tell(Some(peer), Some(&message));
            }
        }
    }

    /// Shows how far everything is that is on its way; called a few times a second.
    pub(crate) fn follow(&mut self) {
        for sending in self.sending.iter_mut().filter(|sending| sending.status() == Status::Running) {
            sending.show();
        }
        for receiving in self.receiving.iter_mut().filter(|receiving| receiving.status() == Status::Running) {
            receiving.show();
        }
    }

    /// The peer connection is another, or none: what ran is lost.
    pub(crate) fn interrupted(&mut self) {
        for sending in &mut self.sending {
            sending.stop(FileProblem::ConnectionLost);
        }
        for receiving in &mut self.receiving {
            receiving.stop(FileProblem::ConnectionLost);
        }
    }

    fn offered(&mut self, id: TransferId, name: &str, size: u64, peer: Option<&Peer>) {
        let known = self.receiving.iter().any(|receiving| receiving.id() == id);
        if id.sender != Seat::Host || known {
            return;
        }
        let open = || self.receiving.iter().filter(|receiving| !receiving.status().is_over());
        let problem = if open().count() >= MOST_OPEN {
            Some(FileProblem::TooMany)
        } else if open().map(Receiving::size).sum::<u64>().saturating_add(size) > receiving::MOST_BYTES {
            Some(FileProblem::TooLarge)
        } else {
            None
        };
        let name = name::shown(name);
        let Ok(row) = self.row(id, &name) else { return };
        let mut receiving = Receiving::offered(id, name, size, row);
        let answer = match problem {
            Some(problem) => receiving.stop(problem),
            None => receiving.accept(),
        };
        let _ = tell(peer, answer.as_ref());
        self.receiving.push(receiving);
    }

    fn row(&mut self, id: TransferId, name: &str) -> Result<Row, Missing> {
        while self.sending.len() + self.receiving.len() >= MOST_ROWS && self.forget_oldest() {}
        dom::show(&self.empty, false);
        Row::new(&self.list, id, name, &self.sink)
    }

    fn forget_oldest(&mut self) -> bool {
        if let Some(index) = self.sending.iter().position(|sending| sending.status().is_over()) {
            self.sending.remove(index);
        } else if let Some(index) = self.receiving.iter().position(|receiving| receiving.status().is_over()) {
            self.receiving.remove(index);
        } else {
            return false;
        }
        true
    }
}

fn tell(peer: Option<&Peer>, message: Option<&FileMessage>) -> Result<(), SendError> {
    let Some(message) = message else { return Ok(()) };
    let bytes = wire::encode(message).map_err(|_| SendError::NotOpen)?;
    peer.ok_or(SendError::NotOpen)?.send(Channel::Files, &bytes)
}

fn listeners(sink: &Sink<Event>) -> Result<Vec<Listener>, Missing> {
    let input: HtmlInputElement = dom::by_id("file-input")?;
    let document = dom::document()?;
    let (chosen, from) = (sink.clone(), input.clone());
    let mut listeners = vec![listen::on(&input, "change", move |_: DomEvent| {
        let files = files_of(from.files());
        // The same file may be chosen again.
        from.set_value("");
        chosen(Event::Chosen(files));
    })];
    let wanted = sink.clone();
    listeners.push(listen::on(&dom::by_id::<HtmlElement>("want-file")?, "click", move |_: DomEvent| {
        wanted(Event::Wanted);
    }));
    // A label is no button for the keyboard; the button opens the picker.
    let picker = input.clone();
    listeners.push(listen::on(&dom::by_id::<HtmlElement>("choose-file")?, "click", move |_: DomEvent| {
        picker.click();
    }));
    for kind in ["dragenter", "dragover", "dragleave", "drop"] {
        let sink = sink.clone();
        listeners.push(listen::on(&document, kind, move |event: DragEvent| dragged(kind, &event, &sink)));
    }
    Ok(listeners)
}

fn dragged(kind: &str, event: &DragEvent, sink: &Sink<Event>) {
    let Some(transfer) = event.data_transfer().filter(has_files) else { return };
    // Without this the browser would leave the session and open the file.
    event.prevent_default();
    match kind {
        "drop" => {
            sink(Event::Hovering(false));
            sink(Event::Chosen(files_of(transfer.files())));
        }
        // `relatedTarget` is empty when the drag leaves the window, not when it passes from element to element.
        "dragleave" if event.related_target().is_some() => {}
        "dragleave" => sink(Event::Hovering(false)),
        _ => sink(Event::Hovering(true)),
    }
}

fn has_files(transfer: &DataTransfer) -> bool {
    transfer.types().iter().any(|kind| kind.as_string().as_deref() == Some("Files"))
}

fn files_of(list: Option<FileList>) -> Vec<File> {
    let Some(list) = list else { return Vec::new() };
    (0..list.length()).filter_map(|index| list.get(index)).collect()
}
