//! What the browser counts of the connection: asked for twice a second, shown, and told to the host.

use nearhand_protocol::control::ToHost;
use nearhand_protocol::id::Epoch;

use super::{App, Input};
use crate::silence::WORTH_A_WORD_MS;
use crate::state::{Event, Phase};
use crate::stats::{self, Sample};
use crate::words::Path;

/// In every so many looks the figures are shown, and told to the host's encoder.
const FIGURES_LOOKS: u32 = 2;

impl App {
    /// Asks the browser; it answers later.
    pub(super) fn ask_what_came(&mut self) {
        let Some(peer) = &self.peer else { return };
        let epoch = peer.epoch();
        let sink = self.handle.sink(move |sample| Input::Stats(epoch, sample));
        self.sampling = Some(stats::read(peer.stats(), sink));
    }

    /// The answer is there.
    pub(super) fn figures(&mut self, epoch: Epoch, mut sample: Sample) {
        // WebRTC counts only what it decodes itself.
        sample.decoded += self.screen.decoded() as f64;
        if self.state.epoch() != Some(epoch) {
            return;
        }
        // More of them, or others: another path begins its count anew.
        if core::mem::replace(&mut self.received, sample.received).to_bits() != sample.received.to_bits() {
            self.advance(Event::Traffic(epoch));
        }
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(FIGURES_LOOKS) {
            return;
        }
        if let Some(path) = sample.path_since(&self.sample) {
            let relayed = path == Path::Relayed && !self.ways.relay_only;
            let sure = relayed && sample.path == Some(Path::Direct);
            self.advance(Event::Travels { epoch, relayed, sure, busy: self.files.is_moving() });
        }
        if let Some(figures) = stats::compare(&self.sample, &sample) {
            let silent_ms = self.state.silent_ms().filter(|ms| *ms >= WORTH_A_WORD_MS);
            self.panel.take(&figures, silent_ms);
            let connected = self.phase.is_connected();
            self.toolbar.show_path(figures.path.filter(|_| connected));
            if matches!(self.phase, Phase::Viewing | Phase::Controlling) && self.sample.at_ms > 0.0 {
                self.tell(ToHost::Arrival(figures.arrival));
            }
        }
        self.sample = sample;
    }
}
