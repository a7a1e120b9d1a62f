//! What the technician wants of the page itself: buttons, clipboard, files.

use nearhand_protocol::control::ToHost;
use nearhand_protocol::grant::Right;
use wasm_bindgen_futures::JsFuture;

use super::{App, Input};
use crate::dom;
use crate::files::{self, Files};
use crate::geometry::Scale;
use crate::keyboard::Keyboard;
use crate::listen;
use crate::state::Event;
use crate::toolbar::{Command, Toolbar};
use crate::words;

impl App {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Control if self.state.held().has(Right::Control) => {
                self.advance(Event::GiveBackControl);
            }
            Command::Control => self.advance(Event::AskControl),
            Command::View => self.advance(Event::AskView),
            Command::Keys(keys) => {
                if self.state.may_control() {
                    self.tell(ToHost::Press(keys));
                }
                Toolbar::close_popups();
                self.keyboard.focus();
            }
            Command::Scale => {
                let other = if self.screen.scale() == Scale::Fit { Scale::Actual } else { Scale::Fit };
                self.toolbar.show_scale(other);
                self.screen.set_scale(other);
            }
            Command::FullScreen => full_screen(),
            Command::FullScreenChanged => {
                let full = dom::document().is_ok_and(|document| document.fullscreen_element().is_some());
                self.toolbar.show_full_screen(full);
                Keyboard::lock(full);
            }
            Command::Panel => self.toggle_panel(),
            Command::AskEnd => Toolbar::ask_end(),
            Command::End => {
                self.advance(Event::End);
                self.toolbar.focus_heading();
            }
            Command::CopyCode => self.copy(&["code-1", "code-2", "code-3"], "tab.code.copied"),
            Command::CopyLink => self.copy(&["link"], "tab.copy.link"),
            Command::Invite => self.invite(),
            Command::Digits => self.digits(),
            Command::ToastOver => self.toolbar.toast_over(),
        }
    }

    /// The last three digits were typed. They are kept in this tab, and no message carries them.
    pub(super) fn digits(&mut self) {
        let Some(secret) = self.toolbar.digits() else { return };
        self.memory.set("secret", &secret.expose());
        if let Some(pairing) = self.state.pairing() {
            Toolbar::show_code(&pairing.nameplate.to_string(), &self.memory);
        }
        self.advance(Event::SecretTyped(secret));
    }

    /// Makes a link for a colleague. The host is told its secret from end to end; the server never sees it.
    fn invite(&mut self) {
        let link = dom::window().ok().and_then(|window| {
            let location = window.location();
            Some(format!("{}{}", location.origin().ok()?, location.pathname().ok()?))
        });
        if let (true, Some(page), Ok(invitation)) =
            (self.state.is_proven(), link, crate::kept::draw_invitation())
        {
            self.tell(ToHost::Invite(invitation));
            Toolbar::show_invitation(&format!("{page}#invitation={}", invitation.to_link()));
            self.copy(&["invite-link"], "tab.copy.invitation");
        }
    }

    pub(super) fn toggle_panel(&mut self) {
        let open = Toolbar::is_panel_open();
        Toolbar::show_panel(!open);
        if !open {
            self.chat.focus();
            self.look_at_chat();
        }
    }

    /// Copies what stands in these elements; `said` is the key of what is said then.
    pub(super) fn copy(&mut self, ids: &[&str], said: &'static str) {
        let parts: Vec<_> = ids
            .iter()
            .filter_map(|id| dom::by_id::<web_sys::Element>(id).ok()?.text_content())
            .map(|text| text.trim().to_owned())
            .collect();
        // Only on https and localhost there is a clipboard; elsewhere the text can be marked by hand.
        let clipboard = dom::window().ok().and_then(|window| dom::get(&window.navigator(), "clipboard"));
        let text = js_sys::Array::of1(&parts.join(" ").into());
        let copying = clipboard.and_then(|clipboard| dom::call_async(&clipboard, "writeText", &text));
        let sink = self.handle.sink(move |copied| Input::Copied(said, copied));
        self.copying = Some(listen::spawn(async move {
            sink(match copying {
                Some(copying) => JsFuture::from(copying).await.is_ok(),
                None => false,
            });
        }));
    }

    pub(super) fn file(&mut self, event: files::Event) {
        let peer = self.peer.as_ref().filter(|_| self.state.is_proven());
        match event {
            files::Event::Chosen(files) => {
                for file in files {
                    self.files.offer(file, peer);
                }
            }
            files::Event::Wanted => {
                let (text, bad) = match Files::want(peer) {
                    Ok(()) => ("tab.file.wanted", false),
                    Err(_) => ("tab.file.no_connection", true),
                };
                self.toolbar.toast(&words::plain(text), bad);
            }
            files::Event::Pressed(id) => self.files.press(id, peer),
            files::Event::Read(id, part) => self.files.read(id, part, peer),
            files::Event::Hovering(hovering) => {
                if let Ok(body) = dom::body() {
                    dom::set_attribute(&body, "data-dropping", if hovering { "yes" } else { "no" });
                }
            }
        }
    }
}

fn full_screen() {
    let Ok(document) = dom::document() else { return };
    if document.fullscreen_element().is_some() {
        document.exit_fullscreen();
    } else if let Some(root) = document.document_element() {
        let _ = root.request_fullscreen();
    }
}
