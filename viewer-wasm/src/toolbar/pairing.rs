//! What leads somebody into the session: the code with its link, the last three digits where they have to be typed, and
//! the invitation of a colleague.
//!
//! Secrets are put together with the rest here, in the page, and nowhere else.

use nearhand_protocol::code::Secret;
use web_sys::{Element, Event as DomEvent, HtmlElement, HtmlInputElement};

use super::{Command, Toolbar, show_by_id};
use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::signal::Memory;
use crate::state::Phase;
use crate::words;

/// The card with the code, and the form for the digits that this tab lacks.
pub(super) struct Pairing {
    card: HtmlElement,
    unlock: HtmlElement,
    secret: HtmlInputElement,
    error: HtmlElement,
    _listener: Listener,
}

impl Pairing {
    /// Finds the parts in the page.
    pub(super) fn new(sink: Sink<Command>) -> Result<Self, Missing> {
        let unlock: HtmlElement = dom::by_id("unlock")?;
        let listener = listen::on(&unlock, "submit", move |event: DomEvent| {
            event.prevent_default();
            sink(Command::Digits);
        });
        Ok(Self {
            card: dom::by_id("pairing")?,
            unlock,
            secret: dom::by_id("secret-input")?,
            error: dom::by_id("secret-error")?,
            _listener: listener,
        })
    }

    pub(super) fn render(&self, phase: Phase, lacks_secret: bool) {
        dom::show(&self.card, phase == Phase::Waiting);
        dom::show(&self.unlock, lacks_secret && matches!(phase, Phase::Waiting | Phase::Locked));
    }

    /// The last three digits, as they were typed; where they are not three digits, the page says so.
    pub(super) fn digits(&self) -> Option<Secret> {
        let secret = self.secret.value().parse().ok();
        dom::set_flag(&self.secret, "aria-invalid", secret.is_none());
        dom::set_text(&self.error, &if secret.is_none() { words::bad_secret() } else { String::new() });
        dom::show(&self.error, secret.is_none());
        if secret.is_some() {
            self.secret.set_value("");
        } else {
            let _ = self.secret.focus();
        }
        secret
    }
}

impl Toolbar {
    /// Shows the code.
    pub(crate) fn show_code(nameplate: &str, memory: &Memory) {
        let (first, second) = nameplate.split_at_checked(3).unwrap_or((nameplate, ""));
        let third = memory.secret().map(Secret::expose);
        let here = || dom::window().ok()?.location().origin().ok();
        let origin = memory.server().map(|server| server.as_str().to_owned()).or_else(here);
        for (id, digits) in
            [("code-1", first), ("code-2", second), ("code-3", third.as_deref().unwrap_or("•••"))]
        {
            if let Ok(group) = dom::by_id::<Element>(id) {
                dom::set_text(&group, digits);
            }
        }
        show_by_id("secret-missing", third.is_none());
        if let (Ok(link), Some(third), Some(origin)) = (dom::by_id::<Element>("link"), third, origin) {
            dom::set_text(&link, &format!("{origin}/#{nameplate}{third}"));
        }
    }

    /// The link for a colleague.
    pub(crate) fn show_invitation(link: &str) {
        if let Ok(place) = dom::by_id::<Element>("invite-link") {
            dom::set_text(&place, link);
        }
        show_by_id("invite-link", true);
    }
}
