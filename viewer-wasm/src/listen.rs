//! Everything that the browser may call back: guards that take their listener, timer or task away when they are dropped.

use std::rc::Rc;

use futures_util::future::{AbortHandle, abortable};
use wasm_bindgen::convert::FromWasmAbi;
use wasm_bindgen::prelude::*;
use web_sys::{EventTarget, Window};

use crate::dom;

/// Where a module's events go.
pub(crate) type Sink<T> = Rc<dyn Fn(T)>;

/// A listener that removes itself.
pub(crate) struct Listener {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        let _ = self.target.remove_event_listener_with_callback(self.kind, function);
    }
}

/// Listens for events of one kind, until the guard is dropped. What scripts make of another class than `E` is ignored.
pub(crate) fn on<E: JsCast + 'static>(
    target: &impl AsRef<EventTarget>,
    kind: &'static str,
    mut handle: impl FnMut(E) + 'static,
) -> Listener {
    let target = target.as_ref();
    let closure = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        if let Some(event) = dom::event(event) {
            handle(event);
        }
    });
    let options = js_sys::Object::new();
    // Wheel and touch listeners are passive by default, and could prevent nothing.
    dom::set(&options, "passive", &JsValue::FALSE);
    let arguments = js_sys::Array::of3(&kind.into(), closure.as_ref(), &options);
    dom::call(target, "addEventListener", &arguments);
    Listener { target: target.clone(), kind, closure }
}

/// A timer that stops itself.
pub(crate) struct Timer {
    window: Window,
    id: i32,
    repeats: bool,
    _closure: Closure<dyn FnMut()>,
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.repeats {
            self.window.clear_interval_with_handle(self.id);
        } else {
            self.window.clear_timeout_with_handle(self.id);
        }
    }
}

/// Calls every so many milliseconds, until the guard is dropped.
pub(crate) fn every(period_ms: i32, handle: impl FnMut() + 'static) -> Option<Timer> {
    timer(period_ms, true, handle)
}

/// Calls once after so many milliseconds, unless the guard is dropped before.
pub(crate) fn after(delay_ms: i32, handle: impl FnMut() + 'static) -> Option<Timer> {
    timer(delay_ms, false, handle)
}

fn timer(period_ms: i32, repeats: bool, handle: impl FnMut() + 'static) -> Option<Timer> {
    let window = dom::window().ok()?;
    let closure = Closure::<dyn FnMut()>::new(handle);
    let function = closure.as_ref().unchecked_ref();
    let id = if repeats {
        window.set_interval_with_callback_and_timeout_and_arguments_0(function, period_ms)
    } else {
        window.set_timeout_with_callback_and_timeout_and_arguments_0(function, period_ms)
    };
    Some(Timer { window, id: id.ok()?, repeats, _closure: closure })
}

/// A task that is cancelled with its owner.
pub(crate) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a future on the page's event loop, until it ends or the guard is dropped.
#[must_use = "the task ends with its guard"]
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) -> Task {
    let (future, handle) = abortable(future);
    wasm_bindgen_futures::spawn_local(async move {
        let _ = future.await;
    });
    Task(handle)
}

/// A callback for an API that is no event target, for example an observer.
pub(crate) fn callback<T: FromWasmAbi + 'static>(handle: impl FnMut(T) + 'static) -> Closure<dyn FnMut(T)> {
    Closure::new(handle)
}
