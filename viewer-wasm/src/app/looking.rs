//! What the technician looks at, and how: the choice of quality, the monitors and their windows, and a picture that
//! stands still.

use nearhand_protocol::control::ToHost;

use super::{App, Input, Picture, now_ms};
use crate::monitors::window::{self, OwnWindow, Sinks};
use crate::state::Phase;
use crate::words::{self, picture};
use crate::{dom, monitors, panel};

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
            monitors::Event::Choose(monitor) => self.choose(monitor),
            monitors::Event::Number(number) => {
                if let Some(choice) = self.monitors.numbered(number) {
                    self.monitors_used(choice);
                }
            }
            monitors::Event::Window(id) => self.open_window(id),
        }
    }

    pub(super) fn window_used(&mut self, event: window::Event) {
        match event {
            window::Event::Closed(id) => self.windows.retain(|window| window.monitor() != id),
            window::Event::Left(_) => self.release(),
        }
    }

    /// Something was painted: no silence any more, and the windows follow.
    pub(super) fn painted(&mut self) {
        if self.silence.painted(now_ms()) {
            self.show_silence();
        }
        for window in &self.windows {
            window.painted();
        }
    }

    /// Shows the monitors, and tells the host what is looked at, where that is news.
    pub(super) fn watch(&mut self) {
        self.windows.retain(|window| !window.is_closed());
        if let Some(gone) = self.state.layout().and_then(|layout| self.watching.fit(layout)) {
            let name = self.monitors.name(gone).unwrap_or_default();
            self.toolbar.toast(&picture::monitor_gone(&name), true);
        }
        let windows: Vec<u8> = self.windows.iter().map(OwnWindow::monitor).collect();
        self.monitors.show(self.state.layout(), self.watching.wanted().monitor, &windows);
        self.watching.set_paused(self.hidden && !self.windows.iter().any(OwnWindow::is_seen));
        if self.state.is_proven()
            && let Some(watch) = self.watching.due()
        {
            self.tell(ToHost::Watch(watch));
        }
    }

    /// Says whether the picture stands still because the line is silent.
    pub(super) fn show_silence(&mut self) {
        let standing = match self.phase {
            Phase::Viewing | Phase::Controlling => Picture::Live(self.state.silent_ms()),
            Phase::Reconnecting if self.state.may_see() || self.state.keeps_last() => Picture::Last,
            _ => Picture::None,
        };
        let silent_ms = self.silence.look(now_ms(), standing);
        self.toolbar.show_silence(silent_ms, &self.state);
        if !self.windows.is_empty() {
            self.show_windows(silent_ms);
        }
    }

    /// The focus leaves a window of its own for the page.
    pub(super) fn come_back(&self) {
        if !self.windows.is_empty()
            && let Ok(page) = dom::window()
        {
            let _ = page.focus();
        }
    }

    fn choose(&mut self, monitor: Option<u8>) {
        // The windows show parts of what comes: one of them alone would leave the others without.
        if monitor.is_some() && !self.windows.is_empty() {
            self.windows.clear();
            self.toolbar.toast(&picture::windows_closed(), false);
        }
        self.watching.set_monitor(monitor);
    }

    fn open_window(&mut self, id: u8) {
        if let Some(open) = self.windows.iter().position(|window| window.monitor() == id) {
            self.windows.remove(open);
            return;
        }
        let (Some(monitor), Some(name)) = (self.monitors.monitor(id), self.monitors.name(id)) else { return };
        let sinks = Sinks {
            window: self.handle.sink(Input::Window),
            keyboard: self.handle.sink(Input::Keyboard),
            pointer: self.handle.sink(Input::Pointer),
        };
        match OwnWindow::open(monitor, &name, &sinks) {
            Ok(window) => {
                self.windows.push(window);
                self.watching.set_monitor(None);
            }
            Err(window::Blocked) => self.toolbar.toast(&picture::popup_blocked(), true),
        }
    }

    fn show_windows(&mut self, silent_ms: Option<u64>) {
        if matches!(self.phase, Phase::Ended(_)) {
            self.windows.clear();
            return;
        }
        let Ok(page) = dom::body() else { return };
        let machine = self.state.machine();
        let said = match (self.phase, silent_ms) {
            (_, Some(ms)) => Some(picture::silent(ms, machine, false).0),
            (Phase::Viewing | Phase::Controlling, None) => None,
            (phase, None) => Some(words::status(phase)),
        };
        let cursor = self.screen.cursor_style();
        let corner = self.shown.map_or((0, 0), |view| (view.area.x, view.area.y));
        for window in &self.windows {
            if let (Some(monitor), Some(name)) =
                (self.monitors.monitor(window.monitor()), self.monitors.name(window.monitor()))
            {
                window.fit(monitor, &name, machine);
            }
            if !self.state.may_see() && !self.state.keeps_last() {
                window.darken();
            }
            window.set_corner(corner);
            window.set_active(self.phase == Phase::Controlling, &cursor);
            window.follow(&page, said.as_deref());
        }
        let monitors = &self.monitors;
        self.windows.retain(|window| monitors.monitor(window.monitor()).is_some());
    }
}
