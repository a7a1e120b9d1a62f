//! What must be closed even after a defect of this program, when its own memory can't be relied on any more.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use js_sys::Array;
use wasm_bindgen::JsValue;

use crate::dom;

thread_local! {
    static OPEN: RefCell<Vec<Weak<JsValue>>> = const { RefCell::new(Vec::new()) };
}

/// A connection with a method `close`, known here for as long as this value lives.
pub(crate) struct Known(
    #[expect(dead_code, reason = "held, so that the weak reference to it lives")] Rc<JsValue>,
);

/// Remembers a connection.
pub(crate) fn remember(connection: &JsValue) -> Known {
    let connection = Rc::new(connection.clone());
    OPEN.with_borrow_mut(|open| {
        open.retain(|known| known.strong_count() > 0);
        open.push(Rc::downgrade(&connection));
    });
    Known(connection)
}

/// Closes every connection that is known, by the browser's own means.
pub(crate) fn close_all() {
    let open = OPEN.with(|open| open.try_borrow_mut().map(|mut open| core::mem::take(&mut *open)));
    for connection in open.unwrap_or_default().iter().filter_map(Weak::upgrade) {
        dom::call(&connection, "close", &Array::new());
    }
}
