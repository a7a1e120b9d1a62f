//! The bar over the picture, the notices below it, and what stands where there is no picture.

mod pairing;
mod toasts;

use nearhand_protocol::code::Secret;
use nearhand_protocol::control::SpecialKeys;
use nearhand_protocol::grant::{Right, Rights};
use web_sys::{Element, Event as DomEvent, HtmlButtonElement, HtmlDialogElement, HtmlElement};

use crate::dom::{self, Missing};
use crate::geometry::Scale;
use crate::listen::{self, Listener, Sink};
use crate::state::{Phase, State, may_live_on};
use crate::words::{self, Lack, Path, picture};

use pairing::Pairing;
use toasts::Toasts;

/// What the technician wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Control, or to give it back.
    Control,
    /// To see the screen, after a no.
    View,
    /// A combination that this system would catch.
    Keys(SpecialKeys),
    /// The picture larger or smaller.
    Scale,
    /// Full screen, or back.
    FullScreen,
    /// Full screen began or ended.
    FullScreenChanged,
    /// Chat and files beside the picture, or not.
    Panel,
    /// The question whether to end.
    AskEnd,
    /// Yes, end.
    End,
    /// The code into the clipboard.
    CopyCode,
    /// The link into the clipboard.
    CopyLink,
    /// A link for a colleague.
    Invite,
    /// The last three digits were typed.
    Digits,
    /// A toast has been there long enough.
    ToastOver,
}

const BUTTONS: [(&str, Command); 18] = [
    ("request-control", Command::Control),
    ("ask-again", Command::View),
    ("scale", Command::Scale),
    ("fullscreen", Command::FullScreen),
    ("panel-toggle", Command::Panel),
    ("panel-close", Command::Panel),
    ("end", Command::AskEnd),
    ("end-yes", Command::End),
    ("copy-code", Command::CopyCode),
    ("copy-link", Command::CopyLink),
    ("invite", Command::Invite),
    ("keys-ctrl-alt-del", Command::Keys(SpecialKeys::CtrlAltDel)),
    ("keys-alt-tab", Command::Keys(SpecialKeys::AltTab)),
    ("keys-alt-f4", Command::Keys(SpecialKeys::AltF4)),
    ("keys-meta", Command::Keys(SpecialKeys::Meta)),
    ("keys-task-manager", Command::Keys(SpecialKeys::CtrlShiftEscape)),
    ("keys-print-screen", Command::Keys(SpecialKeys::PrintScreen)),
    ("waiting-end", Command::AskEnd),
];

/// The parts of the page that say how the session stands.
pub(crate) struct Toolbar {
    body: HtmlElement,
    status: Element,
    machine: HtmlElement,
    path: HtmlElement,
    verified: HtmlElement,
    words: Element,
    pairing: Pairing,
    heading: Element,
    explanation: Element,
    left: HtmlElement,
    veil: HtmlElement,
    control: HtmlButtonElement,
    control_words: Element,
    keys: HtmlButtonElement,
    scale: HtmlButtonElement,
    fullscreen: HtmlButtonElement,
    invite: HtmlButtonElement,
    end: HtmlButtonElement,
    again: HtmlElement,
    desk: HtmlElement,
    reload: HtmlElement,
    toasts: Toasts,
    frozen: HtmlElement,
    frozen_words: Element,
    frozen_input: Element,
    frozen_said: Element,
    lack: Option<Lack>,
    _listeners: Vec<Listener>,
}

impl Toolbar {
    /// Finds the parts in the page.
    pub(crate) fn new(sink: Sink<Command>) -> Result<Self, Missing> {
        let mut listeners = Vec::new();
        for (id, command) in BUTTONS {
            let (button, sink): (HtmlElement, _) = (dom::by_id(id)?, sink.clone());
            listeners.push(listen::on(&button, "click", move |_: DomEvent| sink(command)));
        }
        let to_full_screen = sink.clone();
        listeners.push(listen::on(&dom::document()?, "fullscreenchange", move |_: DomEvent| {
            to_full_screen(Command::FullScreenChanged);
        }));
        Ok(Self {
            body: dom::body()?,
            status: dom::by_id("status")?,
            machine: dom::by_id("machine")?,
            path: dom::by_id("path")?,
            verified: dom::by_id("verified")?,
            words: dom::by_id("quality-words")?,
            pairing: Pairing::new(sink.clone())?,
            heading: dom::by_id("heading")?,
            explanation: dom::by_id("explanation")?,
            left: dom::by_id("time-left")?,
            veil: dom::by_id("veil")?,
            control: dom::by_id("request-control")?,
            control_words: dom::by_id("request-control-words")?,
            keys: dom::by_id("keys-menu-button")?,
            scale: dom::by_id("scale")?,
            fullscreen: dom::by_id("fullscreen")?,
            invite: dom::by_id("invite-button")?,
            end: dom::by_id("end")?,
            again: dom::by_id("ask-again")?,
            desk: dom::by_id("to-desk")?,
            reload: dom::by_id("reload")?,
            toasts: Toasts::new(sink)?,
            frozen: dom::by_id("frozen")?,
            frozen_words: dom::by_id("frozen-words")?,
            frozen_input: dom::by_id("frozen-input")?,
            frozen_said: dom::by_id("frozen-said")?,
            lack: None,
            _listeners: listeners,
        })
    }

    /// Shows the session as it stands.
    pub(crate) fn render(&self, state: &State, now_ms: u64) {
        let phase = state.phase();
        let (held, asked) = (state.held(), state.asked());
        dom::set_attribute(&self.body, "data-phase", phase.as_str());
        dom::set_attribute(&self.body, "data-rights", &names(held));
        dom::set_attribute(&self.body, "data-asked", &names(asked));
        let epoch = state.epoch().map(|epoch| epoch.0.to_string()).unwrap_or_default();
        dom::set_attribute(&self.body, "data-epoch", &epoch);
        let reason = if let Phase::Ended(reason) = phase { reason.as_str() } else { "" };
        dom::set_attribute(&self.body, "data-end", reason);
        dom::set_attribute(
            &self.body,
            "data-server",
            if state.is_server_lost() { "lost" } else { "connected" },
        );

        let proven = state.is_proven();
        dom::set_attribute(&self.body, "data-proof", if proven { "verified" } else { "" });
        let compared = state.words().map(|words| words.join(" ")).unwrap_or_default();
        dom::set_attribute(&self.body, "data-words", &compared);
        dom::set_text(&self.words, if proven { &compared } else { "–" });
        dom::show(&self.verified, proven);

        dom::set_text(&self.status, &words::status(phase));
        let shown = matches!(phase, Phase::Viewing | Phase::Controlling);
        let (heading, explanation) = match self.lack {
            Some(lack) if shown => (words::no_picture(), words::lack(lack)),
            _ => (words::heading(phase), words::explanation(phase)),
        };
        dom::set_text(&self.heading, &heading);
        dom::set_text(&self.explanation, &explanation);
        let machine = state.host().map(|host| match (host.machine.as_str(), host.system.as_str()) {
            (machine, "") => machine.to_owned(),
            (machine, system) => format!("{machine} · {system}"),
        });
        dom::set_text(&self.machine, machine.as_deref().unwrap_or_default());

        let over = matches!(phase, Phase::Ended(_));
        let stands = state.may_see() || state.keeps_last();
        let last = stands && matches!(phase, Phase::Reconnecting | Phase::Interrupted);
        dom::set_attribute(&self.body, "data-last", if last { "yes" } else { "no" });
        if let Ok(server) = dom::by_id::<Element>("server-words") {
            dom::set_text(&server, &words::server_lost(shown));
        }
        dom::show(&self.veil, !shown || self.lack.is_some());
        self.pairing.render(phase, state.lacks_secret());
        let left = match (phase, state.pairing()) {
            (Phase::Waiting, Some(pairing)) => {
                Some(words::code_validity(pairing.valid_until_ms.saturating_sub(now_ms)))
            }
            (Phase::Interrupted, _) => {
                state.host_gone_until_ms().map(|until_ms| words::grace(until_ms.saturating_sub(now_ms)))
            }
            _ => None,
        };
        dom::show(&self.left, left.is_some());
        dom::set_text(&self.left, &left.unwrap_or_default());
        dom::show(&self.again, phase == Phase::Declined);
        dom::show(&self.desk, over);
        let worth_reloading = matches!(phase, Phase::Ended(reason) if may_live_on(reason));
        dom::show(&self.reload, worth_reloading);

        let controls = held.has(Right::Control);
        let asking = asked.has(Right::Control) && !controls;
        self.control.set_disabled(!shown || asking);
        dom::set_flag(&self.control, "aria-pressed", controls);
        dom::set_text(&self.control_words, &words::control_button(controls, asking));
        self.keys.set_disabled(phase != Phase::Controlling);
        self.scale.set_disabled(!shown);
        self.fullscreen.set_disabled(!shown);
        self.invite.set_disabled(!phase.is_connected());
        self.end.set_disabled(over);

        show_by_id("notice-headless", state.is_headless() && !over);
        show_by_id("notice-server", state.is_server_lost() && (shown || last));
        show_by_id("notice-screen", state.is_screen_unavailable() && shown);
    }

    /// Whether this tab came by an invitation, which is said where it matters; and whether it can invite others.
    pub(crate) fn show_seat(guest: bool, inviting: bool) {
        if let Ok(body) = dom::body() {
            dom::set_attribute(&body, "data-seat", if guest { "guest" } else { "owner" });
        }
        show_by_id("invite-button", inviting && !guest);
        if guest {
            for (id, text) in ["end-title", "end-text", "end-yes"].into_iter().zip(words::leave()) {
                if let Ok(element) = dom::by_id::<Element>(id) {
                    dom::set_text(&element, &text);
                }
            }
        }
    }

    /// The last three digits, as they were typed; where they are not three digits, the page says so.
    pub(crate) fn digits(&self) -> Option<Secret> {
        self.pairing.digits()
    }

    /// How the bytes travel; `None`: not known, or not at all.
    pub(crate) fn show_path(&self, path: Option<Path>) {
        dom::set_attribute(&self.body, "data-path", path.map_or("", Path::as_str));
        dom::show(&self.path, path.is_some());
        dom::set_text(&self.path, &path.map(|path| words::path(path).0).unwrap_or_default());
    }

    /// The picture stands still because the line is silent, for so long; `None`: it does not.
    pub(crate) fn show_silence(&self, silent_ms: Option<u64>, state: &State) {
        dom::set_attribute(&self.body, "data-frozen", if silent_ms.is_some() { "yes" } else { "no" });
        let machine = state.machine();
        let (seen, said, input) = match silent_ms {
            Some(ms) => {
                let (seen, input) = picture::silent(ms, machine, state.may_control());
                (seen, picture::silent(0, machine, false).0, input)
            }
            None => (String::new(), String::new(), String::new()),
        };
        dom::show(&self.frozen, silent_ms.is_some());
        dom::set_text(&self.frozen_words, &seen);
        dom::set_text(&self.frozen_input, &input);
        // The seconds would be read out one by one.
        dom::set_text(&self.frozen_said, &said);
    }

    /// How the picture is laid into the stage.
    pub(crate) fn show_scale(&self, scale: Scale) {
        dom::set_attribute(&self.body, "data-scale", if scale == Scale::Fit { "fit" } else { "actual" });
        dom::set_flag(&self.scale, "aria-pressed", scale != Scale::Fit);
    }

    /// Whether the page fills the screen.
    pub(crate) fn show_full_screen(&self, full: bool) {
        dom::set_flag(&self.fullscreen, "aria-pressed", full);
    }

    /// Chat and files beside the picture, or not.
    pub(crate) fn show_panel(open: bool) {
        if let (Ok(body), Ok(toggle)) = (dom::body(), dom::by_id::<Element>("panel-toggle")) {
            dom::set_attribute(&body, "data-panel", if open { "open" } else { "closed" });
            dom::set_flag(&toggle, "aria-expanded", open);
        }
    }

    /// Whether they are beside it.
    pub(crate) fn is_panel_open() -> bool {
        dom::body().is_ok_and(|body| body.get_attribute("data-panel").as_deref() == Some("open"))
    }

    /// Says what this browser can't do.
    pub(crate) fn show_lack(&mut self, lack: Lack) {
        self.lack = Some(lack);
        if let Ok(text) = dom::by_id::<Element>("lack") {
            dom::set_text(&text, &words::lack(lack));
        }
        show_by_id("notice-lack", true);
    }

    /// A sentence that goes away by itself.
    pub(crate) fn toast(&mut self, text: &str, bad: bool) {
        self.toasts.say(text, bad);
    }

    /// The oldest toast goes.
    pub(crate) fn toast_over(&mut self) {
        self.toasts.end_oldest();
    }

    /// Asks whether to end.
    pub(crate) fn ask_end() {
        if let Ok(dialog) = dom::by_id::<HtmlDialogElement>("end-dialog")
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    }

    /// Takes every dialog and menu away.
    pub(crate) fn close_popups() {
        if let Ok(dialog) = dom::by_id::<HtmlDialogElement>("end-dialog") {
            dialog.close();
        }
        for id in ["invite-menu", "keys-menu", "monitors", "quality"] {
            if let Ok(menu) = dom::by_id::<HtmlElement>(id) {
                dom::call(&menu, "hidePopover", &js_sys::Array::new());
            }
        }
    }

    /// Puts the focus on the first button: the way out of the picture.
    pub(crate) fn focus(&self) {
        let _ = self.control.focus();
    }

    /// Puts the focus on the words that say what happened.
    pub(crate) fn focus_heading(&self) {
        if let Some(heading) = dom::cast::<HtmlElement>(self.heading.clone()) {
            let _ = heading.focus();
        }
    }
}

fn show_by_id(id: &str, shown: bool) {
    if let Ok(element) = dom::by_id::<HtmlElement>(id) {
        dom::show(&element, shown);
    }
}

fn names(rights: Rights) -> String {
    rights.iter().map(Right::as_str).collect::<Vec<_>>().join(" ")
}
