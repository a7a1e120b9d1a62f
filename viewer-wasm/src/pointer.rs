//! The mouse, pen or finger on the picture, while the technician acts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use nearhand_protocol::input::InputEvent;
use web_sys::{Event as DomEvent, HtmlElement, PointerEvent, WheelEvent};

use crate::listen::{self, Listener, Sink};
use crate::pointing::{Buttons, Turn, Wheel};
use crate::screen::Mapping;

/// What the pointer did.
pub(crate) enum Event {
    /// It is over this pixel.
    Moved(u16, u16),
    /// To be sent, in order.
    Send(Vec<InputEvent>),
    /// A button went down on the picture: keys belong to it from now on.
    Took,
}

/// The listeners on the picture.
pub(crate) struct Pointer {
    active: Rc<Cell<bool>>,
    hand: Rc<RefCell<Hand>>,
    _listeners: Vec<Listener>,
}

#[derive(Default)]
struct Hand {
    buttons: Buttons,
    wheel: Wheel,
}

impl Pointer {
    /// Listens to what shows the picture.
    pub(crate) fn new(mapping: &Mapping, sink: &Sink<Event>) -> Self {
        let picture = mapping.picture().clone();
        let active = Rc::new(Cell::new(false));
        let hand = Rc::new(RefCell::new(Hand::default()));
        let mut listeners = Vec::new();
        // `pointerrawupdate` comes at once, `pointermove` once for each frame of the page: up to 16 ms later. It alone
        // would miss browsers that lack it; a place that was sent already is not sent again.
        for kind in ["pointerdown", "pointerup", "pointercancel", "pointermove", "pointerrawupdate"] {
            let (active, hand, mapping, sink) = (active.clone(), hand.clone(), mapping.clone(), sink.clone());
            let capturing = picture.clone();
            listeners.push(listen::on(&picture, kind, move |event: PointerEvent| {
                if active.get() && event.is_primary() {
                    pointed(kind, &event, &capturing, &hand, &mapping, &sink);
                }
            }));
        }
        let (of_wheel, turning, to_wheel) = (active.clone(), hand.clone(), sink.clone());
        listeners.push(listen::on(&picture, "wheel", move |event: WheelEvent| {
            if of_wheel.get() {
                event.prevent_default();
                let turn = Turn { delta: (event.delta_x(), event.delta_y()), mode: event.delta_mode() };
                if let Some(message) = turning.borrow_mut().wheel.turn(turn) {
                    to_wheel(Event::Send(vec![message]));
                }
            }
        }));
        // The browser's own menu, text selection, and the pages behind the back and forward buttons.
        for kind in ["contextmenu", "mousedown", "mouseup", "auxclick", "dragstart"] {
            let active = active.clone();
            listeners.push(listen::on(&picture, kind, move |event: DomEvent| {
                if active.get() {
                    event.prevent_default();
                }
            }));
        }
        Self { active, hand, _listeners: listeners }
    }

    /// Forwards from now on, or leaves the pointer to the page.
    pub(crate) fn set_active(&self, active: bool) {
        self.active.set(active);
    }

    /// Lets go of every button; `None` where none is held.
    pub(crate) fn release_all(&self) -> Option<InputEvent> {
        let before = core::mem::take(&mut *self.hand.borrow_mut());
        before.buttons.any().then_some(InputEvent::ReleaseAll)
    }
}

fn pointed(
    kind: &str,
    event: &PointerEvent,
    picture: &HtmlElement,
    hand: &RefCell<Hand>,
    mapping: &Mapping,
    sink: &Sink<Event>,
) {
    let Some(at) = mapping.pixel(event.client_x().into(), event.client_y().into()) else { return };
    if kind == "pointerdown" {
        // A drag that leaves the picture goes on; without capture its end would be lost.
        let _ = picture.set_pointer_capture(event.pointer_id());
        sink(Event::Took);
    }
    let buttons = if kind == "pointercancel" { 0 } else { event.buttons() };
    let changed = hand.borrow_mut().buttons.change(buttons, at);
    if changed.is_empty() {
        sink(Event::Moved(at.0, at.1));
    } else {
        sink(Event::Send(changed));
    }
}
