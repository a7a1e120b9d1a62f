//! Sentences that go away by themselves.

use web_sys::Element;

use super::Command;
use crate::dom::{self, Missing};
use crate::listen::{self, Sink, Timer};

/// Most toasts at once; the oldest goes.
const MOST_TOASTS: u32 = 3;
/// How long a toast stays, in milliseconds.
const TOAST_MS: i32 = 7_000;

/// Those that are shown.
pub(super) struct Toasts {
    place: Element,
    timers: Vec<Timer>,
    sink: Sink<Command>,
}

impl Toasts {
    /// Finds their place in the page; when one has been there long enough, that is said to `sink`.
    pub(super) fn new(sink: Sink<Command>) -> Result<Self, Missing> {
        Ok(Self { place: dom::by_id("toasts")?, timers: Vec::new(), sink })
    }

    /// Says something.
    pub(super) fn say(&mut self, text: &str, bad: bool) {
        let Ok(toast) = dom::copy_of("toast-template") else { return };
        toast.set_text_content(Some(text));
        if bad {
            let _ = toast.class_list().add_1("danger");
        }
        let _ = self.place.append_child(&toast);
        let sink = self.sink.clone();
        self.timers.extend(listen::after(TOAST_MS, move || sink(Command::ToastOver)));
        while self.place.child_element_count() > MOST_TOASTS {
            self.end_oldest();
        }
    }

    /// The oldest one goes.
    pub(super) fn end_oldest(&mut self) {
        if let Some(oldest) = self.place.first_element_child() {
            oldest.remove();
        }
        if !self.timers.is_empty() {
            self.timers.remove(0);
        }
    }
}
