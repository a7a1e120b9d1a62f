//! The panel of the line and the picture: figures of both ends, their last minute, and the choice of what matters most.
//!
//! While it is closed nothing of it is drawn, and the host is not asked for its figures.

mod history;

use nearhand_protocol::control::{self, Quality, ToViewer};
use web_sys::{Element, Event as DomEvent, HtmlButtonElement, HtmlElement, HtmlInputElement, KeyboardEvent};

use crate::dom::{self, Missing};
use crate::kept;
use crate::listen::{self, Listener, Sink};
use crate::stats::Figures;
use crate::verdict::Facts;
use crate::words::{self, picture};
use history::History;

/// Under which name the browser remembers the choice.
const CHOICE: &str = "quality";
/// The least that the graph of the data rate reaches up to, in kilobits per second.
const LEAST_KBIT: f64 = 100.0;
/// The same of the round trip, in milliseconds.
const LEAST_MS: f64 = 20.0;

/// The choices, with the names of their radio buttons, which are also what is remembered.
const CHOICES: [(Quality, &str); 4] = [
    (Quality::Auto, "quality-auto"),
    (Quality::Sharp, "quality-sharp"),
    (Quality::Smooth, "quality-smooth"),
    (Quality::SaveData, "quality-save-data"),
];

/// What the technician did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was opened or closed.
    Opened(bool),
    /// This matters most from now on.
    Chosen(Quality),
}

/// A figure with its last minute.
struct Graph {
    now: Element,
    most: Element,
    line: Element,
    ground: Element,
    history: History,
    least: f64,
}

impl Graph {
    fn find(figure: &str, graph: &str, least: f64) -> Result<Self, Missing> {
        let root: Element = dom::by_id(graph)?;
        Ok(Self {
            now: dom::by_id(figure)?,
            most: dom::within(&root, ".graph-most")?,
            line: dom::within(&root, ".graph-line")?,
            ground: dom::within(&root, ".graph-ground")?,
            history: History::default(),
            least,
        })
    }

    fn draw(&self, now: Option<f64>, in_words: fn(f64) -> String) {
        let ceiling = self.history.ceiling(self.least);
        let graph = self.history.graph(ceiling);
        show(&self.now, now.map(|now| (in_words(now), now.to_string())));
        dom::set_text(&self.most, &in_words(ceiling));
        dom::set_attribute(&self.line, "d", &graph.line);
        dom::set_attribute(&self.ground, "d", &graph.ground);
    }
}

/// The panel.
pub(crate) struct Panel {
    body: HtmlElement,
    root: HtmlElement,
    sentence: Element,
    hint: Element,
    rate: Graph,
    trip: Graph,
    open: bool,
    quality: Quality,
    /// What the host told last, since the panel was opened.
    told: Option<control::Figures>,
    /// Pixels of the shown part of the desktop.
    view: Option<(u16, u16)>,
    /// Frames and updates that were painted, as counted a second ago.
    painted: Option<(u32, u32)>,
    _listeners: Vec<Listener>,
}

impl Panel {
    /// Finds the panel in the page, and remembers what was chosen in this browser before.
    pub(crate) fn new(sink: &Sink<Event>) -> Result<Self, Missing> {
        let root: HtmlElement = dom::by_id("quality")?;
        let button: HtmlButtonElement = dom::by_id("quality-button")?;
        let remembered = kept::preference(CHOICE);
        let mut quality = Quality::Auto;
        let to_toggle = sink.clone();
        let mut listeners = vec![
            listen::on(&root, "toggle", move |event: DomEvent| {
                to_toggle(Event::Opened(dom::string(&event, "newState").as_deref() == Some("open")));
            }),
            escape(&root, &button),
        ];
        for (choice, id) in CHOICES {
            let (radio, sink): (HtmlInputElement, _) = (dom::by_id(id)?, sink.clone());
            if remembered.as_deref() == Some(id) {
                quality = choice;
            }
            radio.set_checked(quality == choice);
            listeners.push(listen::on(&radio, "change", move |_: DomEvent| sink(Event::Chosen(choice))));
        }
        let panel = Self {
            body: dom::body()?,
            root,
            sentence: dom::by_id("quality-verdict")?,
            hint: dom::by_id("quality-hint")?,
            rate: Graph::find("quality-rate", "graph-rate", LEAST_KBIT)?,
            trip: Graph::find("quality-trip", "graph-trip", LEAST_MS)?,
            open: false,
            quality,
            told: None,
            view: None,
            painted: None,
            _listeners: listeners,
        };
        panel.show_choice();
        Ok(panel)
    }

    /// What matters most.
    pub(crate) const fn quality(&self) -> Quality {
        self.quality
    }

    /// The technician chose.
    pub(crate) fn choose(&mut self, quality: Quality) {
        self.quality = quality;
        if let Some((_, id)) = CHOICES.iter().find(|(choice, _)| *choice == quality) {
            kept::prefer(CHOICE, id);
        }
        self.show_choice();
    }

    /// It is in sight from now on, or not.
    pub(crate) fn set_open(&mut self, open: bool) {
        self.open = open;
        self.told = None;
        self.painted = None;
    }

    /// Another peer connection: what was measured was another's.
    pub(crate) fn begin(&mut self) {
        self.told = None;
        self.rate.history.clear();
        self.trip.history.clear();
    }

    /// The host tells its figures, or what it shows.
    pub(crate) fn hear(&mut self, message: &ToViewer) {
        match message {
            ToViewer::Figures(figures) => self.told = Some(*figures),
            ToViewer::View(view) => self.view = Some((view.area.width, view.area.height)),
            _ => {}
        }
    }

    /// A second has passed, and this came in it.
    pub(crate) fn take(&mut self, figures: &Figures, silent_ms: Option<u64>) {
        self.rate.history.push(Some(figures.kbit));
        self.trip.history.push(figures.round_trip_ms);
        if self.open {
            self.draw(figures, silent_ms);
        }
    }

    fn draw(&mut self, figures: &Figures, silent_ms: Option<u64>) {
        self.rate.draw(Some(figures.kbit), picture::rate);
        self.trip.draw(figures.round_trip_ms, picture::milliseconds);
        let verdict = self.facts(figures, silent_ms).verdict();
        dom::set_attribute(&self.root, "data-line", verdict.grade().as_str());
        dom::set_text(&self.sentence, &picture::verdict(verdict));

        let told = self.told;
        let path = figures.path.map(|path| {
            let (name, meaning) = words::path(path);
            (format!("{name}, {meaning}"), path.as_str().to_owned())
        });
        let painted = self.painted();
        let bare_ms = |ms: f64| (picture::number(ms), ms.to_string());
        // Where nothing was to be captured or encoded in this second, there is no mean time.
        let mean = |us: u32| (us > 0).then(|| bare_ms(f64::from(us) / 1000.0));
        let loss = loss(figures, told.as_ref());
        for (id, text) in [
            ("quality-path", path),
            (
                "quality-frames",
                painted.map(|(frames, updates)| {
                    (picture::painted(frames, updates), format!("{frames} {updates}"))
                }),
            ),
            (
                "quality-rates",
                Some((
                    picture::rates(figures.video_kbit, figures.tiles_kbit),
                    format!("{} {}", figures.video_kbit, figures.tiles_kbit),
                )),
            ),
            ("quality-loss", loss.map(|permille| (picture::permille(permille), permille.to_string()))),
            ("quality-queue", told.map(|told| (format!("{} ms", told.queue_ms), told.queue_ms.to_string()))),
            ("quality-capture", told.and_then(|told| mean(told.capture_us))),
            ("quality-encode", told.and_then(|told| mean(told.encode_us))),
            ("quality-decode", figures.decode_ms.map(bare_ms)),
            (
                "quality-exact",
                told.map(|told| (format!("{} %", told.exact_percent), told.exact_percent.to_string())),
            ),
            ("quality-size", told.and_then(|told| self.frame_size(&told))),
            ("quality-way", Some((picture::way(figures.by_channel), figures.by_channel.to_string()))),
            ("quality-codec", figures.codec.clone().map(|codec| (codec.clone(), codec))),
            ("quality-dropped", Some((format!("{:.0}", figures.dropped), figures.dropped.to_string()))),
        ] {
            if let Ok(cell) = dom::by_id::<Element>(id) {
                show(&cell, text);
            }
        }
    }

    fn facts(&self, figures: &Figures, silent_ms: Option<u64>) -> Facts {
        let told = self.told.as_ref();
        let busy_us = told.map(|told| u64::from(told.capture_us) + u64::from(told.encode_us));
        let shrunk = told.zip(self.view).is_some_and(|(told, view)| {
            told.frame_width > 0 && (told.frame_width < view.0 || told.frame_height < view.1)
        });
        Facts {
            silent_ms,
            round_trip_ms: figures.round_trip_ms,
            loss_permille: loss(figures, told),
            queue_ms: told.map(|told| told.queue_ms),
            carries_kbit: told.filter(|told| told.bitrate > 0).map(|told| f64::from(told.bitrate) / 1000.0),
            // Where bytes are to be saved, small frames say nothing about the line.
            shrunk: shrunk && self.quality != Quality::SaveData,
            host_ms: busy_us.map(|us| us as f64 / 1000.0),
            decode_ms: figures.decode_ms,
        }
    }

    fn frame_size(&self, told: &control::Figures) -> Option<(String, String)> {
        let size = (told.frame_width, told.frame_height);
        let view = self.view.unwrap_or(size);
        (size.0 > 0).then(|| (picture::frame_size(size, view), format!("{} {}", size.0, size.1)))
    }

    /// Frames and updates painted since the last time; `None` at the first.
    fn painted(&mut self) -> Option<(u32, u32)> {
        let screen: Element = dom::by_id("screen").ok()?;
        let count = |name| screen.get_attribute(name)?.parse::<u32>().ok();
        let now = (count("data-frames")?, count("data-updates")?);
        let then = self.painted.replace(now)?;
        Some((now.0.saturating_sub(then.0), now.1.saturating_sub(then.1)))
    }

    fn show_choice(&self) {
        let id = CHOICES.iter().find(|(choice, _)| *choice == self.quality).map_or("", |(_, id)| *id);
        dom::set_attribute(&self.body, "data-quality", id.trim_start_matches("quality-"));
        dom::set_text(&self.hint, &picture::quality(self.quality));
    }
}

/// Losses as the worse informed end would not know them: each sees only a part.
fn loss(figures: &Figures, told: Option<&control::Figures>) -> Option<u16> {
    figures.loss_permille.max(told.map(|told| told.loss_permille))
}

/// Text for people, and the bare value for scripts.
fn show(cell: &Element, text: Option<(String, String)>) {
    let (text, value) = text.unwrap_or_else(|| ("–".into(), String::new()));
    dom::set_text(cell, &text);
    dom::set_attribute(cell, "data-value", &value);
}

/// Escape closes it, as it does every other popover; this one stays open when something else is clicked.
fn escape(root: &HtmlElement, button: &HtmlButtonElement) -> Listener {
    let (closing, back) = (root.clone(), button.clone());
    listen::on(root, "keydown", move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            event.prevent_default();
            dom::call(&closing, "hidePopover", &js_sys::Array::new());
            let _ = back.focus();
        }
    })
}
