//! The chat beside the picture: lines as plain text, what is unread, and a word from the system while the tab is hidden.

use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::id::Seat;
use web_sys::{
    Element, Event as DomEvent, HtmlButtonElement, HtmlElement, HtmlTextAreaElement, KeyboardEvent,
    Notification, NotificationOptions, NotificationPermission,
};

use crate::conversation::{Conversation, Line, MOST_LINES};
use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::signal::Memory;
use crate::words;

/// What the technician did.
pub(crate) enum Event {
    /// Wrote a line.
    Write,
    /// Looks at the chat.
    Look,
}

/// The chat's part of the page.
pub(crate) struct Chat {
    conversation: Conversation,
    memory: Memory,
    log: HtmlElement,
    input: HtmlTextAreaElement,
    button: HtmlButtonElement,
    toggle: Element,
    unread: HtmlElement,
    notification: Option<Notification>,
    _listeners: Vec<Listener>,
}

impl Chat {
    /// Finds the parts in the page, and the lines that were there before a reload.
    pub(crate) fn new(memory: Memory, sink: &Sink<Event>) -> Result<Self, Missing> {
        let input: HtmlTextAreaElement = dom::by_id("chat-input")?;
        let (to_form, to_input, to_focus) = (sink.clone(), sink.clone(), sink.clone());
        let listeners = vec![
            listen::on(&dom::by_id::<HtmlElement>("chat-form")?, "submit", move |event: DomEvent| {
                event.prevent_default();
                to_form(Event::Write);
            }),
            listen::on(&input, "keydown", move |event: KeyboardEvent| {
                // Enter that settles an input method's text sends nothing.
                if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
                    event.prevent_default();
                    to_input(Event::Write);
                }
            }),
            listen::on(&input, "focus", move |_: DomEvent| to_focus(Event::Look)),
        ];
        let conversation =
            memory.get("chat").and_then(|stored| serde_json::from_str(&stored).ok()).unwrap_or_default();
        let chat = Self {
            conversation,
            memory,
            log: dom::by_id("chat-log")?,
            input,
            button: dom::by_id("chat-send")?,
            toggle: dom::by_id("panel-toggle")?,
            unread: dom::by_id("unread")?,
            notification: None,
            _listeners: listeners,
        };
        for line in chat.conversation.lines() {
            chat.append(line);
        }
        chat.count();
        Ok(chat)
    }

    /// The line in the field, to be sent; `None` where there is none.
    pub(crate) fn write(&mut self) -> Option<ChatMessage> {
        let message = self.conversation.write(&self.input.value(), js_sys::Date::now() as u64)?;
        self.input.set_value("");
        self.added();
        ask_permission();
        Some(message)
    }

    /// Something arrived. The answer is whether it was a new line.
    pub(crate) fn receive(&mut self, message: ChatMessage, hidden: bool) -> bool {
        let new = self.conversation.receive(message);
        if new {
            self.added();
            if hidden {
                self.notify();
            }
        } else {
            self.store();
        }
        new
    }

    /// The technician can see the lines; what to tell the other end.
    pub(crate) fn look(&mut self) -> Option<ChatMessage> {
        if let Some(notification) = self.notification.take() {
            notification.close();
        }
        let seen = self.conversation.show();
        self.count();
        self.store();
        seen
    }

    /// What the other end has not confirmed.
    pub(crate) fn waiting(&self) -> Vec<ChatMessage> {
        self.conversation.waiting().collect()
    }

    /// How many lines were not looked at.
    pub(crate) fn unread(&self) -> usize {
        self.conversation.unread()
    }

    /// Puts the focus into the field.
    pub(crate) fn focus(&self) {
        let _ = self.input.focus();
    }

    /// Nobody is there to write to, or somebody is.
    pub(crate) fn set_open(&self, open: bool) {
        if self.input.disabled() == open {
            self.input.set_disabled(!open);
            self.button.set_disabled(!open);
        }
    }

    fn added(&mut self) {
        if let Some(line) = self.conversation.lines().last() {
            self.append(line);
        }
        self.count();
        self.store();
    }

    fn append(&self, line: &Line) {
        let Ok(item) = dom::copy_of("chat-template") else { return };
        let technician = line.from == Seat::Viewer;
        dom::set_attribute(&item, "data-from", if technician { "technician" } else { "customer" });
        let time = js_sys::Date::new(&(line.written_at_ms as f64).into());
        let time = format!("{:02}:{:02}", time.get_hours(), time.get_minutes());
        let who = words::plain(if technician { "tab.chat.you" } else { "tab.chat.customer" });
        for (selector, text) in
            [(".chat-name", who.as_str()), (".chat-time", time.as_str()), (".chat-text", line.text.as_str())]
        {
            if let Ok(part) = dom::within::<Element>(&item, selector) {
                part.set_text_content(Some(text));
            }
        }
        let _ = self.log.append_child(&item);
        while self.log.child_element_count() as usize > MOST_LINES {
            if let Some(oldest) = self.log.first_element_child() {
                oldest.remove();
            }
        }
        self.log.set_scroll_top(self.log.scroll_height());
    }

    fn count(&self) {
        let unread = self.unread();
        dom::show(&self.unread, unread > 0);
        dom::set_text(&self.unread, &unread.to_string());
        dom::set_attribute(&self.toggle, "aria-label", &words::unread(unread));
    }

    fn store(&self) {
        if let Ok(stored) = serde_json::to_string(&self.conversation) {
            self.memory.set("chat", &stored);
        }
    }

    fn notify(&mut self) {
        if dom::global("Notification").is_none()
            || Notification::permission() != NotificationPermission::Granted
        {
            return;
        }
        let options = NotificationOptions::new();
        // Not the line itself: a lock screen may show it to anybody.
        options.set_body(&words::plain("tab.chat.wrote"));
        options.set_tag("nearhand-chat");
        self.notification = Notification::new_with_options("Nearhand", &options).ok();
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.set_open(false);
        if let Some(notification) = self.notification.take() {
            notification.close();
        }
    }
}

/// Browsers want this asked from an action of the person; writing a line is one, and shows that the chat is used.
fn ask_permission() {
    if dom::global("Notification").is_some() && Notification::permission() == NotificationPermission::Default
    {
        let _ = Notification::request_permission();
    }
}
