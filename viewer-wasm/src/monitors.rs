//! The menu of the customer's monitors: a map of them as they stand, which of them is shown, and windows of their own.

mod map;
pub(crate) mod window;

use nearhand_protocol::display::{Layout, Monitor};
use web_sys::{Element, Event as DomEvent, HtmlButtonElement, HtmlElement, KeyboardEvent};

use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::typing;
use crate::words::picture;

/// What the technician wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// This monitor, or all of them.
    Choose(Option<u8>),
    /// The one with this number, counted from 1 as in the menu; 0: all of them.
    Number(u8),
    /// This monitor in a window of its own, or no longer.
    Window(u8),
}

/// The menu.
pub(crate) struct Monitors {
    body: HtmlElement,
    button: HtmlButtonElement,
    button_words: Element,
    map: HtmlElement,
    list: Element,
    all: Element,
    layout: Option<Layout>,
    chosen: Option<u8>,
    windows: Vec<u8>,
    _listeners: Vec<Listener>,
}

impl Monitors {
    /// Finds the menu in the page.
    pub(crate) fn new(sink: &Sink<Event>) -> Result<Self, Missing> {
        let menu: HtmlElement = dom::by_id("monitors")?;
        let (to_click, to_key, menu_of_click) = (sink.clone(), sink.clone(), menu.clone());
        let listeners = vec![
            listen::on(&menu, "click", move |event: DomEvent| {
                if let Some(wanted) = clicked(&event) {
                    if matches!(wanted, Event::Choose(_)) {
                        close(&menu_of_click);
                    }
                    to_click(wanted);
                }
            }),
            // While the customer's computer gets the keys, this combination comes from there.
            listen::on(&dom::document()?, "keydown", move |event: KeyboardEvent| {
                if event.ctrl_key()
                    && event.alt_key()
                    && event.shift_key()
                    && let Some(number) = typing::digit(&event.code())
                {
                    event.prevent_default();
                    to_key(Event::Number(number));
                }
            }),
        ];
        Ok(Self {
            body: dom::body()?,
            button: dom::by_id("monitors-button")?,
            button_words: dom::by_id("monitors-words")?,
            map: dom::by_id("monitors-map")?,
            list: dom::by_id("monitors-list")?,
            all: dom::by_id("monitors-all")?,
            layout: None,
            chosen: None,
            windows: Vec::new(),
            _listeners: listeners,
        })
    }

    /// Shows the monitors as they are now, which of them is looked at, and which have windows of their own.
    pub(crate) fn show(&mut self, layout: Option<&Layout>, chosen: Option<u8>, windows: &[u8]) {
        let same = self.layout.as_ref() == layout && self.chosen == chosen && self.windows == windows;
        if same && layout.is_some() {
            return;
        }
        self.layout = layout.cloned();
        self.chosen = chosen;
        self.windows = windows.to_vec();
        self.render();
    }

    /// The name of a monitor, as the menu shows it.
    pub(crate) fn name(&self, id: u8) -> Option<String> {
        let layout = self.layout.as_ref()?;
        let place = map::in_order(layout).iter().position(|monitor| monitor.id == id)?;
        Some(name(map::in_order(layout)[place], place + 1))
    }

    /// The monitor with this id.
    pub(crate) fn monitor(&self, id: u8) -> Option<&Monitor> {
        self.layout.as_ref()?.monitors.iter().find(|monitor| monitor.id == id)
    }

    /// What the technician means by this number, counted from 1 as in the menu; 0: all of them. `None` where there is no
    /// such monitor, or only one.
    pub(crate) fn numbered(&self, number: u8) -> Option<Event> {
        let layout = self.layout.as_ref().filter(|layout| layout.monitors.len() > 1)?;
        Some(Event::Choose(match number.checked_sub(1) {
            None => None,
            Some(place) => Some(map::in_order(layout).get(usize::from(place))?.id),
        }))
    }

    fn render(&self) {
        let empty = Layout { width: 1, height: 1, monitors: Vec::new() };
        let layout = self.layout.as_ref().unwrap_or(&empty);
        let monitors = map::in_order(layout);
        let several = monitors.len() > 1;
        dom::show(&self.button, several);
        let count = monitors.len().to_string();
        dom::set_attribute(&self.body, "data-monitors", &count);
        let chosen = self.chosen.map(|id| id.to_string());
        dom::set_attribute(&self.body, "data-monitor", chosen.as_deref().unwrap_or("all"));
        let number = monitors.iter().position(|monitor| Some(monitor.id) == self.chosen);
        let (short, whole) = picture::monitors(number.map(|place| place + 1), monitors.len());
        dom::set_text(&self.button_words, &short);
        dom::set_attribute(&self.button, "aria-label", &whole);
        dom::set_attribute(&self.button, "title", &whole);
        dom::set_flag(&self.all, "aria-pressed", self.chosen.is_none());

        let (across, down) = map::size(layout);
        dom::set_style(&self.map, "width", &format!("{across}rem"));
        dom::set_style(&self.map, "height", &format!("{down}rem"));
        self.map.set_text_content(None);
        self.list.set_text_content(None);
        if several {
            for (place, monitor) in monitors.iter().enumerate() {
                // A page without the templates shows no list, and works otherwise.
                let _ = self.add(layout, monitor, place + 1);
            }
        }
    }

    fn add(&self, layout: &Layout, monitor: &Monitor, number: usize) -> Result<(), Missing> {
        let (id, name) = (monitor.id.to_string(), name(monitor, number));
        let chosen = self.chosen == Some(monitor.id);

        let tile: HtmlElement = dom::cast(dom::copy_of("monitor-tile-template")?)
            .ok_or_else(|| Missing::new("a tile of the map"))?;
        let place = map::place(layout, monitor);
        for (side, percent) in
            [("left", place.left), ("top", place.top), ("width", place.width), ("height", place.height)]
        {
            dom::set_style(&tile, side, &format!("{percent}%"));
        }
        dom::set_attribute(&tile, "data-monitor", &id);
        dom::set_flag(&tile, "data-shown", chosen || self.chosen.is_none());
        dom::set_text(&dom::within::<Element>(&tile, ".monitor-number")?, &number.to_string());
        let _ = self.map.append_child(&tile);

        let row = dom::copy_of("monitor-template")?;
        dom::set_attribute(&row, "data-monitor", &id);
        let choose: Element = dom::within(&row, ".monitor-choose")?;
        dom::set_flag(&choose, "aria-pressed", chosen);
        for (part, text) in [
            (".monitor-number", number.to_string()),
            (".monitor-name", name.clone()),
            (".monitor-words", picture::monitor(monitor)),
        ] {
            dom::set_text(&dom::within::<Element>(&row, part)?, &text);
        }
        let window: Element = dom::within(&row, ".monitor-window")?;
        let open = self.windows.contains(&monitor.id);
        let words = picture::own_window(&name, open);
        dom::set_flag(&window, "aria-pressed", open);
        dom::set_attribute(&window, "aria-label", &words);
        dom::set_attribute(&window, "title", &words);
        let _ = self.list.append_child(&row);
        Ok(())
    }
}

fn name(monitor: &Monitor, number: usize) -> String {
    match monitor.name.trim() {
        "" => picture::unnamed(number),
        name => name.to_owned(),
    }
}

fn close(menu: &HtmlElement) {
    dom::call(menu, "hidePopover", &js_sys::Array::new());
}

/// What a click within the menu means.
fn clicked(event: &DomEvent) -> Option<Event> {
    let target: Element = dom::cast(event.target()?)?;
    if target.closest("#monitors-all").ok().flatten().is_some() {
        return Some(Event::Choose(None));
    }
    let monitor = target.closest("[data-monitor]").ok().flatten()?;
    let id = monitor.get_attribute("data-monitor")?.parse().ok()?;
    let window = target.closest(".monitor-window").ok().flatten().is_some();
    Some(if window { Event::Window(id) } else { Event::Choose(Some(id)) })
}
