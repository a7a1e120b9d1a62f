//! What the technician looks at, and how: the choice of quality, the monitors, and a picture that stands still.

use super::{App, Picture, now_ms};
use crate::state::Phase;
use crate::words::picture;
use crate::{monitors, panel};
use nearhand_protocol::control::ToHost;

impl App {
    pub(super) fn panel_used(&mut self, event: panel::Event) {
        match event {
            panel::Event::Opened(open) => {
                self.panel.set_open(open);
                self.watching.set_figures(open);
            }
            panel::Event::Chosen(quality) => {
                self.panel.choose(quality);
                self.watching.set_quality(quality);
            }
        }
    }

    pub(super) fn monitors_used(&mut self, event: monitors::Event) {
        match event {
            monitors::Event::Choose(monitor) => self.watching.set_monitor(monitor),
            monitors::Event::Number(number) => {
                if let Some(monitor) = self.monitors.numbered(number) {
                    self.watching.set_monitor(monitor);
                }
            }
            monitors::Event::Window(_) => {}
        }
    }

    /// Shows the monitors, and tells the host what is looked at, where that is news.
    pub(super) fn watch(&mut self) {
        if let Some(gone) = self.state.layout().and_then(|layout| self.watching.fit(layout)) {
            let name = self.monitors.name(gone).unwrap_or_default();
            self.toolbar.toast(&picture::monitor_gone(&name), true);
        }
        self.monitors.show(self.state.layout(), self.watching.wanted().monitor, &[]);
        if self.state.is_proven()
            && let Some(watch) = self.watching.due()
        {
            self.tell(ToHost::Watch(watch));
        }
    }

    /// Says whether the picture stands still because the line is silent.
    pub(super) fn show_silence(&mut self) {
        let picture = match self.phase {
            Phase::Viewing | Phase::Controlling => Picture::Live(self.state.silent_ms()),
            Phase::Reconnecting if self.state.may_see() || self.state.keeps_last() => Picture::Last,
            _ => Picture::None,
        };
        let silent_ms = self.silence.look(now_ms(), picture);
        self.toolbar.show_silence(silent_ms, &self.state);
    }
}
