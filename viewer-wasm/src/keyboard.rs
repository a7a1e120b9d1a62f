//! The keyboard, while the technician acts: a text field over the picture catches keys and the text of input methods.
//!
//! An element that can't be edited gets no composition events, so the field is a `<textarea>` that nobody sees. The
//! decision whether the browser may act on a key falls while its event is handled; so this module holds the pure
//! [`Typing`] itself and hands on what is to be sent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Array;
use nearhand_protocol::input::InputEvent;
use web_sys::{CompositionEvent, Event as DomEvent, HtmlElement, HtmlTextAreaElement, KeyboardEvent};

use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::typing::{self, Stroke, Typing};

/// What the keyboard did.
pub(crate) enum Event {
    /// To be sent, in order.
    Send(Vec<InputEvent>),
    /// The technician wants to leave the picture.
    Leave,
    /// The monitor with this number is to be shown; 0: all of them.
    Monitor(u8),
    /// The field lost the focus: nothing is pressed any more.
    Blurred,
}

/// The text field over the picture.
pub(crate) struct Keyboard {
    field: HtmlTextAreaElement,
    active: Rc<Cell<bool>>,
    typing: Rc<RefCell<Typing>>,
    _listeners: Vec<Listener>,
}

impl Keyboard {
    /// Finds the field in the page.
    pub(crate) fn new(sink: &Sink<Event>) -> Result<Self, Missing> {
        Ok(Self::of(dom::by_id("keys")?, sink))
    }

    /// Listens to this field.
    pub(crate) fn of(field: HtmlTextAreaElement, sink: &Sink<Event>) -> Self {
        let active = Rc::new(Cell::new(false));
        let typing = Rc::new(RefCell::new(Typing::new()));
        let mut listeners = Vec::new();
        for kind in ["keydown", "keyup"] {
            let (active, typing, sink) = (active.clone(), typing.clone(), sink.clone());
            listeners.push(listen::on(&field, kind, move |event: KeyboardEvent| {
                if active.get() {
                    stroke(&event, &typing, &sink);
                }
            }));
        }
        let (of_input, to_input, live) = (field.clone(), sink.clone(), active.clone());
        listeners.push(listen::on(&field, "input", move |event: DomEvent| {
            // While an input method is at work its text changes; what it settled on comes with `compositionend`.
            let composing = dom::get(&event, "isComposing").is_some_and(|composing| composing.is_truthy());
            if !composing {
                take_text(&of_input, live.get(), &to_input);
            }
        }));
        let (of_method, to_method, live) = (field.clone(), sink.clone(), active.clone());
        listeners.push(listen::on(&field, "compositionend", move |_: CompositionEvent| {
            take_text(&of_method, live.get(), &to_method);
        }));
        let to_blur = sink.clone();
        listeners.push(listen::on(&field, "blur", move |_: DomEvent| to_blur(Event::Blurred)));
        Self { field, active, typing, _listeners: listeners }
    }

    /// Forwards keys from now on, or leaves them to the page.
    pub(crate) fn set_active(&self, active: bool) {
        self.active.set(active);
        if self.field.read_only() == active {
            self.field.set_read_only(!active);
        }
    }

    /// Puts the focus where keys are heard.
    pub(crate) fn focus(&self) {
        focus(&self.field);
    }

    /// Lets go of everything; `None` where nothing is held.
    pub(crate) fn release_all(&self) -> Option<InputEvent> {
        self.field.set_value("");
        self.typing.borrow_mut().release_all()
    }

    /// Full screen: ask for the keys that the system would catch (Alt+Tab, Meta, Escape). Chromium has this, others go
    /// without.
    pub(crate) fn lock(locked: bool) {
        let Some(keyboard) = dom::window().ok().and_then(|window| dom::get(&window.navigator(), "keyboard"))
        else {
            return;
        };
        dom::call(&keyboard, if locked { "lock" } else { "unlock" }, &Array::new());
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        Self::lock(false);
        let _ = AsRef::<HtmlElement>::as_ref(&self.field).blur();
    }
}

/// Puts the focus on this field.
pub(crate) fn focus(field: &HtmlTextAreaElement) {
    let options = js_sys::Object::new();
    // The field lies in the picture's corner; a scrolled picture must stay where it is.
    dom::set(&options, "preventScroll", &true.into());
    dom::call(field, "focus", &Array::of1(&options));
}

fn stroke(event: &KeyboardEvent, typing: &RefCell<Typing>, sink: &Sink<Event>) {
    let (code, key) = (event.code(), event.key());
    // 229 is how browsers say that an input method has the key.
    let composing = event.is_composing() || event.key_code() == 229;
    let stroke = if event.type_() == "keydown" {
        Stroke::down(&code, &key, composing)
    } else {
        Stroke::up(&code, &key)
    };
    let outcome = typing.borrow_mut().stroke(stroke);
    if outcome.prevent {
        event.prevent_default();
        event.stop_propagation();
    }
    if !outcome.send.is_empty() {
        sink(Event::Send(outcome.send));
    }
    if outcome.leave {
        sink(Event::Leave);
    }
    if let Some(number) = outcome.digit {
        sink(Event::Monitor(number));
    }
}

fn take_text(field: &HtmlTextAreaElement, active: bool, sink: &Sink<Event>) {
    let text = field.value();
    field.set_value("");
    if active && !text.is_empty() {
        sink(Event::Send(typing::text(&text)));
    }
}
