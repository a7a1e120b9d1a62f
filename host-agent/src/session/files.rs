//! Which files may pass: those of a direction that the customer has agreed to; the others wait for the answer.

use std::time::Instant;

use nearhand_protocol::file::{FileMessage, FileProblem, TransferId};
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::Seat;

use super::{Effect, FileOffer, LocalFile, News, Session};

/// Files of one direction that may wait for one answer.
const MAX_WAITING: usize = 8;

/// What waits for an answer of the customer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    offers: Vec<FileOffer>,
    files: Vec<LocalFile>,
    /// The question about incoming files came up because of an offer, not because the technician asked for the right.
    by_offer: bool,
}

/// Which end sends under this right.
pub(super) const fn sender(right: Right) -> Seat {
    if matches!(right, Right::FilesOut) { Seat::Host } else { Seat::Viewer }
}

impl Session {
    pub(super) fn file_offered(&mut self, offer: FileOffer, now: Instant, out: &mut Vec<Effect>) {
        if self.guest {
            out.push(stop(offer.id, FileProblem::Refused));
        } else if offer.id.sender != Seat::Viewer {
            out.push(stop(offer.id, FileProblem::Protocol));
        } else if self.grants.has(Right::FilesIn) {
            out.push(Effect::Receive(offer));
        } else if self.is_silenced(now) && !self.questions.rights().has(Right::FilesIn) {
            out.push(stop(offer.id, FileProblem::Refused));
        } else if self.waiting.offers.len() >= MAX_WAITING {
            out.push(stop(offer.id, FileProblem::TooMany));
        } else if self.waiting.offers.iter().any(|other| other.id == offer.id) {
            out.push(stop(offer.id, FileProblem::Protocol));
        } else {
            if !self.questions.rights().has(Right::FilesIn) {
                self.waiting.by_offer = true;
            }
            self.question(Right::FilesIn, Some((offer.name.clone(), offer.size)));
            self.waiting.offers.push(offer);
            self.ask_next(out);
            self.send_rights(out);
        }
    }

    pub(super) fn file_withdrawn(&mut self, id: TransferId, out: &mut Vec<Effect>) {
        let before = self.waiting.offers.len();
        self.waiting.offers.retain(|offer| offer.id != id);
        if before > 0 && self.waiting.offers.is_empty() && self.waiting.by_offer {
            self.waiting.by_offer = false;
            self.unask(Right::FilesIn, out);
        }
    }

    pub(super) fn send_file(&mut self, file: LocalFile, out: &mut Vec<Effect>) {
        if !self.connected || !self.trusts() {
            let why = "the technician is not connected; send the file when they are".into();
            out.push(Effect::Tell(News::Problem(why)));
        } else if self.grants.has(Right::FilesOut) {
            out.push(Effect::Offer(file));
        } else if self.waiting.files.len() >= MAX_WAITING {
            out.push(Effect::Tell(News::Problem("answer the open question first".into())));
        } else {
            self.question(Right::FilesOut, Some((file.name.clone(), file.size)));
            self.waiting.files.push(file);
            self.ask_next(out);
            self.send_rights(out);
        }
    }

    /// The customer said yes to this direction: what waited goes.
    pub(super) fn release_files(&mut self, right: Right, out: &mut Vec<Effect>) {
        if right == Right::FilesIn {
            self.waiting.by_offer = false;
            out.extend(self.waiting.offers.drain(..).map(Effect::Receive));
        } else {
            out.extend(self.waiting.files.drain(..).map(Effect::Offer));
        }
    }

    /// The customer said no to this direction, or it ended: what waited is refused.
    pub(super) fn refuse_files(&mut self, right: Right, out: &mut Vec<Effect>) {
        if right == Right::FilesIn {
            self.waiting.by_offer = false;
            out.extend(self.waiting.offers.drain(..).map(|offer| stop(offer.id, FileProblem::Refused)));
        } else {
            self.waiting.files.clear();
        }
    }

    /// The connection is gone, and with it every offer that was made over it. A question that stands is still
    /// answered: its yes counts for the next file.
    pub(super) fn drop_offers(&mut self) {
        self.waiting.offers.clear();
        self.waiting.files.clear();
    }
}

fn stop(id: TransferId, problem: FileProblem) -> Effect {
    Effect::SendFile(FileMessage::Stop { id, problem })
}
