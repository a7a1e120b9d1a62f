//! What the technician looks at, and how: what the host knows of it, and what it has yet to be told.

use nearhand_protocol::control::{Quality, Watch};
use nearhand_protocol::display::Layout;

/// What is wanted, and what the host of the current peer connection was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watching {
    wanted: Watch,
    told: Watch,
}

impl Watching {
    /// Everything is looked at, with this in mind.
    pub fn new(quality: Quality) -> Self {
        Self { wanted: Watch { quality, ..Watch::default() }, told: Watch::default() }
    }

    /// What is wanted.
    pub const fn wanted(&self) -> Watch {
        self.wanted
    }

    /// What matters most.
    pub const fn set_quality(&mut self, quality: Quality) {
        self.wanted.quality = quality;
    }

    /// One monitor, or all.
    pub const fn set_monitor(&mut self, monitor: Option<u8>) {
        self.wanted.monitor = monitor;
    }

    /// Nobody sees the picture just now, or somebody does again.
    pub const fn set_paused(&mut self, paused: bool) {
        self.wanted.paused = paused;
    }

    /// The host's figures are of use, or not.
    pub const fn set_figures(&mut self, figures: bool) {
        self.wanted.figures = figures;
    }

    /// The monitors are these now. Where the one that is looked at is not among them, all are looked at from now on, and
    /// its number is the answer.
    pub fn fit(&mut self, layout: &Layout) -> Option<u8> {
        let gone = self.wanted.monitor.filter(|id| layout.monitors.iter().all(|monitor| monitor.id != *id));
        if gone.is_some() {
            self.wanted.monitor = None;
        }
        gone
    }

    /// A new peer connection: its host knows nothing, and does as if told the default.
    pub fn begin(&mut self) {
        self.told = Watch::default();
    }

    /// What the host is to be told now, if anything; it counts as told.
    pub fn due(&mut self) -> Option<Watch> {
        if self.told == self.wanted {
            return None;
        }
        self.told = self.wanted;
        Some(self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use nearhand_protocol::display::Monitor;

    use super::*;

    fn layout(ids: &[u8]) -> Layout {
        let monitor = |id: &u8| Monitor {
            id: *id,
            name: format!("M{id}"),
            x: 0,
            y: 0,
            width: 10,
            height: 10,
            scale_percent: 100,
            primary: false,
        };
        Layout { width: 10, height: 10, monitors: ids.iter().map(monitor).collect() }
    }

    #[test]
    fn the_host_is_told_what_changed_and_after_each_new_connection() {
        let mut watching = Watching::new(Quality::Auto);
        assert_eq!(watching.due(), None, "the default needs no words");
        watching.set_quality(Quality::Sharp);
        watching.set_figures(true);
        let told = Watch { quality: Quality::Sharp, figures: true, ..Watch::default() };
        assert_eq!((watching.due(), watching.due()), (Some(told), None));
        watching.begin();
        assert_eq!((watching.due(), watching.due()), (Some(told), None));
        watching.set_quality(Quality::Auto);
        watching.set_figures(false);
        assert_eq!(watching.due(), Some(Watch::default()), "back to the default is a change, too");
    }

    #[test]
    fn a_monitor_that_vanished_is_looked_at_no_longer() {
        let mut watching = Watching::default();
        watching.set_monitor(Some(2));
        assert_eq!(watching.fit(&layout(&[1, 2])), None);
        assert_eq!(watching.wanted().monitor, Some(2));
        assert_eq!(watching.fit(&layout(&[1])), Some(2));
        assert_eq!((watching.wanted().monitor, watching.fit(&layout(&[]))), (None, None));
    }
}
