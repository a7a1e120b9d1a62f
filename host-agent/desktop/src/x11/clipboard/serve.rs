//! Owning the selection and handing it over, and hearing who else owns it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::xfixes::{ConnectionExt as _, SelectionEventMask};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, CreateWindowAux, EventMask, PropMode,
    Property, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Timestamp, Window,
    WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::{Commands, Done, Names, names};
use crate::clipboard::{ClipboardError, ClipboardOutGrant, Contents};
use crate::x11::grab::Grab;
use crate::x11::wake::Wake;
use crate::x11::{Server, reply_error};
use crate::{Error, uri};

/// How often at most a change is told.
const TELL_INTERVAL: Duration = Duration::from_millis(250);
/// Most transfers in pieces at a time.
const MAX_TRANSFERS: usize = 16;
/// A transfer whose other end takes so long for a piece is over.
const IDLE: Duration = Duration::from_secs(5);
/// What is longer goes in pieces of this many bytes.
const PIECE: usize = 1 << 18;
/// Most conversions that are asked for at once.
const MAX_PAIRS: u32 = 32;
/// Longest wait for the server's clock.
const CLOCK: Duration = Duration::from_secs(2);

/// What the thread is to do.
pub(super) enum Command {
    Watch(ClipboardOutGrant, Box<dyn Fn() + Send>, Done),
    Unwatch,
    Put(Contents, Done),
    LetGo(Done),
    End,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Command")
    }
}

/// Who is told of changes.
struct Watch {
    grant: ClipboardOutGrant,
    changed: Box<dyn Fn() + Send>,
    told: Option<Instant>,
    /// Something changed that was not told.
    fresh: bool,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

/// One form that the contents can be had in: target, type and bytes.
type Form = (Atom, Atom, Arc<[u8]>);

/// What we own.
struct Owned {
    since: Timestamp,
    forms: Vec<Form>,
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents never enter a log.
        f.debug_struct("Owned").field("since", &self.since).finish_non_exhaustive()
    }
}

/// Contents on their way in pieces.
struct Transfer {
    requestor: Window,
    property: Atom,
    kind: Atom,
    bytes: Arc<[u8]>,
    sent: usize,
    last: Instant,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("sent", &self.sent)
            .field("of", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The thread that serves.
#[derive(Debug)]
pub(super) struct Servant {
    server: Server,
    names: Names,
    window: Window,
    owned: Option<Owned>,
    transfers: Vec<Transfer>,
    watch: Option<Watch>,
}

impl Servant {
    pub(super) fn new(server: Server) -> Result<Self, Error> {
        let names = names(&server)?;
        let window = server.conn.generate_id()?;
        let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        let (root, kind) = (server.root(), WindowClass::INPUT_ONLY);
        server.conn.create_window(0, window, root, 0, 0, 1, 1, 0, kind, 0, &aux)?;
        Ok(Self { server, names, window, owned: None, transfers: Vec::new(), watch: None })
    }

    /// Serves until it is told to end or the server is gone.
    pub(super) fn work(&mut self, commands: &Commands, wake: &Wake) -> Result<(), Error> {
        loop {
            let mut busy = true;
            while std::mem::take(&mut busy) {
                while let Some(command) = commands.take() {
                    busy = true;
                    match command {
                        Command::End => return Ok(()),
                        Command::Watch(grant, changed, done) => {
                            let _ = done.send(self.watch(Some(Watch {
                                grant,
                                changed,
                                told: None,
                                fresh: false,
                            })));
                        }
                        Command::Unwatch => _ = self.watch(None),
                        Command::Put(contents, done) => {
                            let _ = done.send(self.own(&contents));
                        }
                        Command::LetGo(done) => {
                            let _ = done.send(self.let_go().map_err(ClipboardError::from));
                        }
                    }
                }
                self.server.conn.flush()?;
                while let Some(event) = self.server.conn.poll_for_event()? {
                    busy = true;
                    self.hear(&event)?;
                }
            }
            let now = Instant::now();
            self.transfers.retain(|transfer| now.duration_since(transfer.last) < IDLE);
            let nap = [self.tell(now), self.transfers.iter().map(|transfer| transfer.last + IDLE).min()];
            let nap = nap.into_iter().flatten().min();
            wake.sleep(&self.server, nap.map(|until| until.saturating_duration_since(now)))?;
        }
    }

    fn hear(&mut self, event: &XEvent) -> Result<(), Error> {
        match event {
            XEvent::SelectionRequest(event) => self.answer(event),
            XEvent::SelectionClear(event) if event.selection == self.names.CLIPBOARD => {
                // One that came before we owned it again does not count.
                if self.owned.as_ref().is_some_and(|owned| !is_before(event.time, owned.since)) {
                    self.owned = None;
                }
                Ok(())
            }
            XEvent::PropertyNotify(event) if event.state == Property::DELETE => {
                self.go_on(event.window, event.atom)
            }
            XEvent::DestroyNotify(event) => {
                self.transfers.retain(|transfer| transfer.requestor != event.window);
                Ok(())
            }
            XEvent::XfixesSelectionNotify(event) if event.selection == self.names.CLIPBOARD => {
                if let Some(watch) = &mut self.watch {
                    watch.fresh |= event.owner != self.window;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    // Watching.

    fn watch(&mut self, watch: Option<Watch>) -> Result<(), ClipboardError> {
        self.watch = watch;
        let mask = match self.watch {
            Some(_) => {
                SelectionEventMask::SET_SELECTION_OWNER
                    | SelectionEventMask::SELECTION_WINDOW_DESTROY
                    | SelectionEventMask::SELECTION_CLIENT_CLOSE
            }
            None => SelectionEventMask::from(0_u32),
        };
        let conn = &self.server.conn;
        conn.xfixes_select_selection_input(self.window, self.names.CLIPBOARD, mask).map_err(Error::from)?;
        Ok(())
    }

    /// Tells of a change if it is time; else when it will be.
    fn tell(&mut self, now: Instant) -> Option<Instant> {
        let watch = self.watch.as_mut().filter(|watch| watch.fresh)?;
        let due = watch.told.map_or(now, |told| told + TELL_INTERVAL);
        if due > now {
            return Some(due);
        }
        (watch.fresh, watch.told) = (false, Some(now));
        // Who may not know any more is not told, whoever forgot to stop watching.
        if watch.grant.check().is_ok() {
            (watch.changed)();
        }
        None
    }

    // Owning.

    fn own(&mut self, contents: &Contents) -> Result<(), ClipboardError> {
        let since = self.time()?;
        let conn = &self.server.conn;
        conn.set_selection_owner(self.window, self.names.CLIPBOARD, since).map_err(Error::from)?;
        if self.owner()? != self.window {
            // Somebody copied something at this very moment.
            return Err(ClipboardError::Gone);
        }
        self.owned = Some(Owned { since, forms: self.forms(contents) });
        Ok(())
    }

    fn let_go(&mut self) -> Result<(), Error> {
        if self.owned.take().is_some() {
            // Somebody else's stays, also where they came in this very moment: of two in the same millisecond the time does not tell
            // which was later.
            let _grab = Grab::on(&self.server)?;
            if self.owner()? == self.window {
                let (clipboard, now) = (self.names.CLIPBOARD, x11rb::CURRENT_TIME);
                self.server.conn.set_selection_owner(x11rb::NONE, clipboard, now)?;
            }
        }
        self.server.conn.sync().map_err(reply_error("take the clipboard back"))?;
        Ok(())
    }

    fn owner(&self) -> Result<Window, Error> {
        let owner = self.server.conn.get_selection_owner(self.names.CLIPBOARD)?.reply();
        Ok(owner.map_err(reply_error("tell who owns the clipboard"))?.owner)
    }

    /// The server's time: that of a change of a property (ICCCM 2.1).
    fn time(&mut self) -> Result<Timestamp, Error> {
        let property = self.names.NEARHAND_CLIPBOARD;
        let conn = &self.server.conn;
        conn.change_property8(PropMode::APPEND, self.window, property, AtomEnum::STRING, &[])?;
        conn.flush()?;
        let end = Instant::now() + CLOCK;
        let wake = Wake::new()?;
        loop {
            while let Some(event) = self.server.conn.poll_for_event()? {
                match &event {
                    XEvent::PropertyNotify(event)
                        if event.window == self.window && event.atom == property =>
                    {
                        return Ok(event.time);
                    }
                    other => self.hear(other)?,
                }
            }
            self.server.conn.flush()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Lost("it does not tell the time".into()));
            }
            wake.sleep(&self.server, Some(left))?;
        }
    }

    fn forms(&self, contents: &Contents) -> Vec<Form> {
        let names = &self.names;
        let mut forms: Vec<Form> = Vec::new();
        let mut add = |target: Atom, kind: Atom, bytes: &[u8]| forms.push((target, kind, bytes.into()));
        let text = |add: &mut dyn FnMut(Atom, Atom, &[u8]), text: &str| {
            for target in [names.UTF8_STRING, names.TEXT_PLAIN_UTF8, names.TEXT_PLAIN] {
                add(target, target, text.as_bytes());
            }
            let latin: Vec<u8> =
                text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect();
            add(AtomEnum::STRING.into(), AtomEnum::STRING.into(), &latin);
        };
        match contents {
            Contents::Text(plain) => text(&mut add, plain),
            Contents::Html { html, text: plain } => {
                add(names.TEXT_HTML, names.TEXT_HTML, html.as_bytes());
                text(&mut add, plain);
            }
            Contents::Png(png) => add(names.IMAGE_PNG, names.IMAGE_PNG, png),
            Contents::Files(paths) => {
                let list = uri::list(paths);
                add(names.URI_LIST, names.URI_LIST, list.as_bytes());
                let copied = format!("copy\n{}", list.trim_end().replace("\r\n", "\n"));
                add(names.GNOME_FILES, names.GNOME_FILES, copied.as_bytes());
            }
        }
        // What keeps a history of the clipboard keeps nothing of a technician's.
        add(names.SECRET, names.SECRET, b"secret");
        forms
    }

    // Handing over.

    fn answer(&mut self, request: &SelectionRequestEvent) -> Result<(), Error> {
        // Old clients name no property: the target's name is meant (ICCCM 2.2).
        let property = if request.property == x11rb::NONE { request.target } else { request.property };
        let ours = self.owned.as_ref().is_some_and(|owned| {
            request.selection == self.names.CLIPBOARD
                && (request.time == x11rb::CURRENT_TIME || !is_before(request.time, owned.since))
        });
        let done = ours
            && if request.target == self.names.MULTIPLE {
                self.convert_many(request.requestor, property)?
            } else {
                self.convert(request.requestor, request.target, property)?
            };
        let event = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if done { property } else { x11rb::NONE },
        };
        self.server.conn.send_event(false, request.requestor, EventMask::NO_EVENT, event)?.ignore_error();
        Ok(())
    }

    /// Pairs of target and property; those that can't be had are answered as none.
    fn convert_many(&mut self, requestor: Window, property: Atom) -> Result<bool, Error> {
        let conn = &self.server.conn;
        let reply = conn.get_property(false, requestor, property, AtomEnum::ANY, 0, 2 * MAX_PAIRS)?.reply();
        let Ok(reply) = reply else { return Ok(false) };
        let Some(atoms) = reply.value32() else { return Ok(false) };
        let mut atoms: Vec<Atom> = atoms.collect();
        for pair in atoms.chunks_exact_mut(2) {
            if pair[0] == self.names.MULTIPLE || !self.convert(requestor, pair[0], pair[1])? {
                pair[1] = x11rb::NONE;
            }
        }
        let kind = self.names.ATOM_PAIR;
        self.server
            .conn
            .change_property32(PropMode::REPLACE, requestor, property, kind, &atoms)?
            .ignore_error();
        Ok(true)
    }

    /// Writes the contents as `target` to the property; false: they can't be had so.
    fn convert(&mut self, requestor: Window, target: Atom, property: Atom) -> Result<bool, Error> {
        let Some(owned) = &self.owned else { return Ok(false) };
        let (conn, names) = (&self.server.conn, &self.names);
        if target == names.TARGETS {
            let mut targets = vec![names.TARGETS, names.TIMESTAMP, names.MULTIPLE];
            targets.extend(owned.forms.iter().map(|(target, ..)| *target));
            conn.change_property32(PropMode::REPLACE, requestor, property, AtomEnum::ATOM, &targets)?
                .ignore_error();
            return Ok(true);
        }
        if target == names.TIMESTAMP {
            let since = [owned.since];
            conn.change_property32(PropMode::REPLACE, requestor, property, AtomEnum::INTEGER, &since)?
                .ignore_error();
            return Ok(true);
        }
        let Some((_, kind, bytes)) = owned.forms.iter().find(|(other, ..)| *other == target) else {
            return Ok(false);
        };
        if bytes.len() <= PIECE.min(conn.maximum_request_bytes() - 64) {
            conn.change_property8(PropMode::REPLACE, requestor, property, *kind, bytes)?.ignore_error();
            return Ok(true);
        }
        let known = |transfer: &Transfer| (transfer.requestor, transfer.property) == (requestor, property);
        if self.transfers.len() >= MAX_TRANSFERS || self.transfers.iter().any(known) {
            return Ok(false);
        }
        // In pieces (ICCCM 2.7.2): the next goes when the last was taken away.
        let mask = EventMask::PROPERTY_CHANGE | EventMask::STRUCTURE_NOTIFY;
        let aux = ChangeWindowAttributesAux::new().event_mask(mask);
        conn.change_window_attributes(requestor, &aux)?.ignore_error();
        let size = [bytes.len() as u32];
        conn.change_property32(PropMode::REPLACE, requestor, property, names.INCR, &size)?.ignore_error();
        let (kind, bytes) = (*kind, Arc::clone(bytes));
        self.transfers.push(Transfer { requestor, property, kind, bytes, sent: 0, last: Instant::now() });
        Ok(true)
    }

    /// The other end has taken a piece.
    fn go_on(&mut self, requestor: Window, property: Atom) -> Result<(), Error> {
        let known = |transfer: &Transfer| (transfer.requestor, transfer.property) == (requestor, property);
        let Some(index) = self.transfers.iter().position(known) else { return Ok(()) };
        let transfer = &mut self.transfers[index];
        let end = (transfer.sent + PIECE.min(self.server.conn.maximum_request_bytes() - 64))
            .min(transfer.bytes.len());
        let piece = &transfer.bytes[transfer.sent..end];
        let conn = &self.server.conn;
        conn.change_property8(PropMode::REPLACE, requestor, property, transfer.kind, piece)?.ignore_error();
        (transfer.sent, transfer.last) = (end, Instant::now());
        // Nothing left: an empty piece was the end.
        if piece.is_empty() {
            let aux = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
            conn.change_window_attributes(requestor, &aux)?.ignore_error();
            self.transfers.swap_remove(index);
        }
        Ok(())
    }
}

/// Whether a time of the server comes before another; they wrap around after 49 days.
fn is_before(time: Timestamp, other: Timestamp) -> bool {
    (time.wrapping_sub(other) as i32) < 0
}
