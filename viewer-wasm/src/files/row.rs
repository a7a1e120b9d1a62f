//! One transfer in the page.

use nearhand_protocol::file::TransferId;
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::transfer::Status;
use web_sys::{
    Element, Event as DomEvent, HtmlAnchorElement, HtmlButtonElement, HtmlElement, HtmlProgressElement,
};

use super::Event;
use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::words;

/// A row; it leaves the page when it is dropped.
pub(super) struct Row {
    item: Element,
    words: Element,
    progress: HtmlProgressElement,
    button: HtmlButtonElement,
    save: HtmlAnchorElement,
    sender: Seat,
    name: String,
    _listener: Listener,
}

impl Drop for Row {
    fn drop(&mut self) {
        self.item.remove();
    }
}

impl Row {
    pub(super) fn new(
        list: &HtmlElement,
        id: TransferId,
        name: &str,
        sink: &Sink<Event>,
    ) -> Result<Self, Missing> {
        let item = dom::copy_of("file-template")?;
        let (from, sender) = match id.sender {
            Seat::Viewer => ("technician", "to-customer"),
            Seat::Host => ("customer", "from-customer"),
        };
        dom::set_attribute(&item, "data-from", from);
        dom::set_attribute(&item, "data-name", name);
        dom::show(&dom::within(&item, &format!(".{sender}"))?, true);
        dom::set_text(&dom::within::<Element>(&item, ".file-name")?, name);
        let button: HtmlButtonElement = dom::within(&item, ".file-cancel")?;
        let sink = sink.clone();
        let listener = listen::on(&button, "click", move |_: DomEvent| sink(Event::Pressed(id)));
        let row = Self {
            words: dom::within(&item, ".file-words")?,
            progress: dom::within(&item, ".progress")?,
            save: dom::within(&item, ".file-save")?,
            button,
            item,
            sender: id.sender,
            name: name.to_owned(),
            _listener: listener,
        };
        dom::set_attribute(&row.progress, "aria-label", name);
        let _ = list.prepend_with_node_1(&row.item);
        Ok(row)
    }

    /// Shows how it stands.
    pub(super) fn show(&self, status: Status, done: u64, size: u64) {
        let (name, code) = match status {
            Status::Offered => ("offered", None),
            Status::Running => ("running", None),
            Status::Checking => ("checking", None),
            Status::Done => ("done", None),
            Status::Stopped(problem) => ("stopped", Some(problem)),
        };
        dom::set_attribute(&self.item, "data-status", name);
        if let Some(problem) = code {
            dom::set_attribute(&self.item, "data-problem", words::problem_name(problem));
        }
        dom::set_text(&self.words, &words::file(status, self.sender, done, size));
        dom::show(&self.progress, !status.is_over());
        let part = if size == 0 { 0.0 } else { done as f64 / size as f64 };
        self.progress.set_value(if status == Status::Checking { 1.0 } else { part });
        let again = matches!(status, Status::Stopped(_)) && self.sender == Seat::Viewer;
        let over = status.is_over();
        dom::show(&self.button, !over || again);
        let (word, named) = words::file_button(again, &self.name);
        dom::set_attribute(&self.button, "data-action", if again { "again" } else { "cancel" });
        dom::set_attribute(&self.button, "aria-label", &named);
        dom::set_attribute(&self.button, "title", &word);
    }

    /// The file can be saved from here.
    pub(super) fn offer_save(&self, url: &str) {
        self.save.set_href(url);
        self.save.set_download(&self.name);
        dom::set_attribute(&self.save, "aria-label", &words::file_save(&self.name));
        dom::show(&self.save, true);
    }
}
