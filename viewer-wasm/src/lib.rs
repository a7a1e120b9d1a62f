//! The technician's session tab.
//!
//! A module uses the ones listed above it, never those below. The first group is pure and tested natively; the second
//! touches the browser.

use core::cell::RefCell;

use nearhand_protocol::catalogue::Catalogue;
use nearhand_protocol::id::SessionId;
use wasm_bindgen::prelude::*;

pub mod back_off;
pub mod conversation;
pub mod fragment;
pub mod geometry;
pub mod paint;
pub mod pointing;
pub mod silence;
pub mod state;
pub mod typing;
pub mod verdict;
pub mod watching;
pub mod words;

mod dom;
mod last_resort;
mod listen;

mod stream;

mod rtc;
mod screen;
mod signal;
mod stats;

mod kept;

mod chat;
mod files;
mod keyboard;
mod pointer;

mod monitors;
mod panel;
mod toolbar;

mod app;

thread_local! {
    /// The application, for the page's script and for the panic hook.
    static RUNNING: RefCell<Option<app::Handle>> = const { RefCell::new(None) };
}

/// Starts the session that the page's address names. Called once, by the page's script.
#[wasm_bindgen]
pub fn start() -> Result<(), JsError> {
    std::panic::set_hook(Box::new(|panic| fail(&panic.to_string())));
    words::take(page_words().map_err(|error| JsError::new(&error))?);
    let session = session().map_err(|error| JsError::new(&error))?;
    let handle = app::Handle::start(session).map_err(|missing| JsError::new(&missing.to_string()))?;
    RUNNING.with(|running| running.replace(Some(handle)));
    Ok(())
}

/// Closes every connection and removes every listener.
#[wasm_bindgen]
pub fn destroy() {
    let handle = RUNNING.with(|running| running.try_borrow_mut().ok().and_then(|mut running| running.take()));
    if let Some(handle) = handle {
        handle.destroy();
    }
}

/// The words that the server wrote into the page, in its language.
fn page_words() -> Result<Catalogue, String> {
    let lacking = |missing: dom::Missing| missing.to_string();
    let root = dom::document().map_err(lacking)?.document_element();
    let language = root.and_then(|root| root.get_attribute("lang")).unwrap_or_default();
    let block: web_sys::Element = dom::by_id("words").map_err(lacking)?;
    Catalogue::parse(&language, &block.text_content().unwrap_or_default()).map_err(|error| error.to_string())
}

/// The session of this page; what the address carries is remembered and taken out of sight.
fn session() -> Result<SessionId, String> {
    let unnamed = || words::plain("tab.no_session");
    let lacking = |_| unnamed();
    let window = dom::window().map_err(|missing| missing.to_string())?;
    let location = window.location();
    let path = location.pathname().map_err(lacking)?;
    let fragment = location.hash().map_err(lacking)?;
    let said = fragment::Fragment::parse(&fragment);
    let of_path: Option<SessionId> = path.rsplit('/').next().and_then(|id| id.parse().ok());
    // A link within the page may have taken the place of the fragment.
    let session = of_path.or(said.session).or_else(signal::Memory::last).ok_or_else(unnamed)?;
    let memory = signal::Memory::of(session);
    // Elsewhere than on the server's own page it counts for nothing: whoever wrote the link, the desk of that very server
    // among them, would know it.
    if let Some(secret) = said.secret.filter(|_| of_path.is_some()) {
        memory.set("secret", &secret.expose());
    } else if said.new_secret && memory.secret().is_none() {
        let secret = kept::draw_secret().map_err(|missing| missing.to_string())?;
        memory.set("secret", &secret.expose());
    }
    if let Some(invitation) = said.invitation.filter(|_| of_path.is_some()) {
        kept::be_invited(&memory, session, &invitation);
    }
    if let Some(relay_only) = said.relay_only {
        memory.set("relay", if relay_only { "only" } else { "any" });
    }
    // What stays in sight: a page of another origin is found again by it. A page of the server's has that one server.
    let mut shown = path;
    if let (None, Some(session), Some(server)) = (of_path, said.session, &said.server) {
        memory.set("server", server.as_str());
        memory.be_last();
        shown = format!("{shown}#session={session}&server={}", server.as_str());
    }
    if let (None, Some(ticket)) = (of_path, &said.ticket) {
        memory.set("ticket", ticket.expose());
    }
    if !fragment.is_empty()
        && let Ok(history) = window.history()
    {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&shown));
    }
    if let Some(server) = memory.server() {
        dom::lead_elsewhere("/desk", &format!("{}/desk", server.as_str()));
    }
    Ok(session)
}

/// A defect of this program: everything stops, and the page says so instead of standing there as if it worked.
fn fail(what: &str) {
    destroy();
    // The application may be the one that failed, and then can't be taken apart.
    last_resort::close_all();
    if let Ok(body) = dom::body() {
        dom::set_attribute(&body, "data-phase", "broken");
    }
    for (id, text) in [
        ("heading", words::plain("tab.heading.broken")),
        ("explanation", words::plain("tab.explanation.broken")),
        ("defect", what.to_owned()),
        ("status", words::plain("tab.status.broken")),
    ] {
        if let Ok(element) = dom::by_id::<web_sys::HtmlElement>(id) {
            dom::set_text(&element, &text);
            dom::show(&element, true);
        }
    }
    for (id, shown) in [("veil", true), ("reload", true), ("pairing", false), ("unlock", false)] {
        if let Ok(element) = dom::by_id::<web_sys::HtmlElement>(id) {
            dom::show(&element, shown);
        }
    }
}
