//! Looking things up in the page, and the casts that this needs: nowhere else.
//!
//! What the page must hold is looked up once at the start; what is missing then is an error with a name. APIs that not
//! every browser has are called by name, and answer `None` or an error instead of a panic.

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Document, DocumentFragment, Element, Event, HtmlElement, HtmlTemplateElement, Storage, Window,
};

/// Something that the page or the browser should have and has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing(String);

impl Missing {
    /// This is missing.
    pub(crate) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "this page lacks {}", self.0)
    }
}

/// The window.
pub(crate) fn window() -> Result<Window, Missing> {
    web_sys::window().ok_or_else(|| Missing("a window".into()))
}

/// The document.
pub(crate) fn document() -> Result<Document, Missing> {
    window()?.document().ok_or_else(|| Missing("a document".into()))
}

/// The page's body.
pub(crate) fn body() -> Result<HtmlElement, Missing> {
    document()?.body().ok_or_else(|| Missing("a body".into()))
}

/// The element with this id, of this kind.
pub(crate) fn by_id<T: JsCast>(id: &str) -> Result<T, Missing> {
    let missing = || Missing(format!("the element #{id}"));
    document()?.get_element_by_id(id).ok_or_else(missing)?.dyn_into().map_err(|_| missing())
}

/// The first element within `root` that the selector finds, of this kind.
pub(crate) fn within<T: JsCast>(root: &Element, selector: &str) -> Result<T, Missing> {
    let missing = || Missing(format!("the element {selector}"));
    root.query_selector(selector).ok().flatten().ok_or_else(missing)?.dyn_into().map_err(|_| missing())
}

/// A new element of this kind.
pub(crate) fn create<T: JsCast>(name: &str) -> Result<T, Missing> {
    let missing = || Missing(format!("elements <{name}>"));
    document()?.create_element(name).map_err(|_| missing())?.dyn_into().map_err(|_| missing())
}

/// A copy of the only element in the `<template>` with this id.
pub(crate) fn copy_of(template: &str) -> Result<Element, Missing> {
    let missing = || Missing(format!("the template #{template}"));
    let content: DocumentFragment = by_id::<HtmlTemplateElement>(template)?.content();
    let copy = content.clone_node_with_deep(true).map_err(|_| missing())?;
    let copy: DocumentFragment = copy.dyn_into().map_err(|_| missing())?;
    copy.first_element_child().ok_or_else(missing)
}

/// Shows or hides an element; touches the page only where that changes something.
pub(crate) fn show(element: &HtmlElement, shown: bool) {
    if element.hidden() == shown {
        element.set_hidden(!shown);
    }
}

/// Puts plain text into an element; touches the page only where that changes something, so that a screen reader does
/// not repeat itself.
pub(crate) fn set_text(element: &Element, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

/// Sets an attribute; touches the page only where that changes something.
pub(crate) fn set_attribute(element: &Element, name: &str, value: &str) {
    if element.get_attribute(name).as_deref() != Some(value) {
        let _ = element.set_attribute(name, value);
    }
}

/// Sets an attribute that says whether something is so, as ARIA writes it; touches the page only where that changes
/// something.
pub(crate) fn set_flag(element: &Element, name: &str, value: bool) {
    set_attribute(element, name, if value { "true" } else { "false" });
}

/// Sets a CSS property of one element.
pub(crate) fn set_style(element: &HtmlElement, property: &str, value: &str) {
    let _ = element.style().set_property(property, value);
}

/// Links of the page to one address lead to another.
pub(crate) fn lead_elsewhere(from: &str, to: &str) {
    let Ok(links) = document().and_then(|document| {
        document.query_selector_all(&format!("a[href='{from}']")).map_err(|_| Missing("links".into()))
    }) else {
        return;
    };
    for index in 0..links.length() {
        if let Some(link) = links.item(index).and_then(cast::<Element>) {
            set_attribute(&link, "href", to);
        }
    }
}

/// This tab's storage; `None` where the browser forbids it.
pub(crate) fn storage() -> Option<Storage> {
    window().ok()?.session_storage().ok().flatten()
}

/// What this browser keeps for all tabs, also later ones; `None` where it forbids that.
pub(crate) fn browser_storage() -> Option<Storage> {
    window().ok()?.local_storage().ok().flatten()
}

/// A value as another type; `None` where it is not of it.
pub(crate) fn cast<T: JsCast>(value: impl Into<JsValue>) -> Option<T> {
    value.into().dyn_into().ok()
}

/// An event as what events of its kind are. Those of another window are of that window's classes, not of this one's; but
/// what the browser itself dispatches there (`isTrusted`, which no script can forge) is what it should be.
pub(crate) fn event<E: JsCast>(event: JsValue) -> Option<E> {
    let event = match event.dyn_into() {
        Ok(event) => return Some(event),
        Err(event) => event,
    };
    let trusted = get(&event, "isTrusted").is_some_and(|trusted| trusted.is_truthy());
    (trusted && !event.has_type::<Event>()).then(|| event.unchecked_into())
}

/// A property, whatever the object.
pub(crate) fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

/// A numeric property.
pub(crate) fn number(object: &JsValue, name: &str) -> Option<f64> {
    get(object, name)?.as_f64().filter(|number| number.is_finite())
}

/// A text property.
pub(crate) fn string(object: &JsValue, name: &str) -> Option<String> {
    get(object, name)?.as_string()
}

/// Sets a property, whatever the object; an object that refuses it goes without.
pub(crate) fn set(object: &JsValue, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

/// Calls a method that not every browser has.
pub(crate) fn call(object: &JsValue, method: &str, arguments: &Array) -> Option<JsValue> {
    let function: Function = cast(get(object, method)?)?;
    Reflect::apply(&function, object, arguments).ok()
}

/// Calls a method that answers later.
pub(crate) fn call_async(object: &JsValue, method: &str, arguments: &Array) -> Option<Promise> {
    cast(call(object, method, arguments)?)
}

/// Whether the browser knows this global name.
pub(crate) fn global(name: &str) -> Option<JsValue> {
    get(&js_sys::global(), name)
}

/// Milliseconds since 1970, by a clock that never runs backwards.
pub(crate) fn epoch_ms() -> f64 {
    now_ms(true)
}

/// Milliseconds since the page was opened, by the same clock.
pub(crate) fn page_ms() -> f64 {
    now_ms(false)
}

fn now_ms(of_epoch: bool) -> f64 {
    let Some(performance) = window().ok().and_then(|window| window.performance()) else { return 0.0 };
    performance.now() + if of_epoch { performance.time_origin() } else { 0.0 }
}

/// The list in which a test wants to read when each part of the picture was painted.
pub(crate) fn trace() -> Option<Array> {
    global("nearhandTrace").and_then(cast)
}
