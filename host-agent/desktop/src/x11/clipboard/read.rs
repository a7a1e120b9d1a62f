//! Reading: whatever the owner of the selection does, it ends soon and within the limit.

use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, GetPropertyReply, Property, Window,
    WindowClass,
};

use super::{Names, names};
use crate::Error;
use crate::clipboard::{ClipboardError, ClipboardOutGrant, Format, Formats};
use crate::x11::wake::Wake;
use crate::x11::{Server, reply_error};

/// So long the owner may take for the next step…
const STEP: Duration = Duration::from_secs(2);
/// …and for all of them: who hands over a byte a second never ends.
const WHOLE: Duration = Duration::from_secs(30);
/// How often it is looked whether the grant still holds.
const LOOK: Duration = Duration::from_millis(200);
/// Most of a property that is fetched at once, in units of four bytes.
const PIECE: u32 = 1 << 16;
/// Most kinds that an owner may name.
const MAX_TARGETS: u64 = 4 * 256;

#[derive(Debug)]
pub(super) struct Reader {
    server: Server,
    names: Names,
    /// Nobody wakes it: only for its sleep.
    wake: Wake,
}

/// What came, and of which type.
struct Converted {
    kind: Atom,
    bytes: Vec<u8>,
}

impl Reader {
    pub(super) fn new(server: Server) -> Result<Self, Error> {
        Ok(Self { names: names(&server)?, server, wake: Wake::new()? })
    }

    pub(super) fn formats(&mut self, grant: &ClipboardOutGrant) -> Result<Formats, ClipboardError> {
        let targets = match self.targets(grant) {
            Err(ClipboardError::NotThere) => return Ok(Formats::NONE),
            targets => targets?,
        };
        self.check_secret(grant, &targets)?;
        let there = |format: &Format| self.target(*format, &targets).is_some();
        Ok(Format::ALL.into_iter().filter(there).collect())
    }

    pub(super) fn read(
        &mut self,
        grant: &ClipboardOutGrant,
        format: Format,
        limit: u64,
    ) -> Result<Vec<u8>, ClipboardError> {
        let owner = self.owner()?;
        let targets = self.targets(grant)?;
        self.check_secret(grant, &targets)?;
        let target = self.target(format, &targets).ok_or(ClipboardError::NotThere)?;
        let converted = self.convert(grant, target, limit)?;
        // Something else was copied meanwhile, perhaps something secret: it was not asked about.
        if self.owner()? != owner {
            return Err(ClipboardError::Gone);
        }
        let bytes = match format {
            Format::Png if !converted.bytes.starts_with(b"\x89PNG\r\n\x1a\n") => {
                return Err(ClipboardError::Lie);
            }
            Format::Png => converted.bytes,
            Format::Text | Format::Html | Format::Files => utf8(converted),
        };
        // Latin 1 and UTF-16 grow.
        if bytes.len() as u64 > limit { Err(ClipboardError::TooLarge { limit }) } else { Ok(bytes) }
    }

    fn owner(&self) -> Result<Window, ClipboardError> {
        let owner = self.server.conn.get_selection_owner(self.names.CLIPBOARD).map_err(Error::from)?;
        Ok(owner.reply().map_err(reply_error("tell who owns the clipboard"))?.owner)
    }

    /// What the owner can make of its contents.
    fn targets(&mut self, grant: &ClipboardOutGrant) -> Result<Vec<Atom>, ClipboardError> {
        let told = self.convert(grant, self.names.TARGETS, MAX_TARGETS)?;
        Ok(told
            .bytes
            .chunks_exact(4)
            .map(|atom| Atom::from_ne_bytes([atom[0], atom[1], atom[2], atom[3]]))
            .collect())
    }

    fn check_secret(&mut self, grant: &ClipboardOutGrant, targets: &[Atom]) -> Result<(), ClipboardError> {
        if !targets.contains(&self.names.SECRET) {
            return Ok(());
        }
        let hint = self.convert(grant, self.names.SECRET, 64)?;
        // Ours says so of what the technician put there: that is not the person's secret, but not theirs to give either.
        if hint.bytes.starts_with(b"secret") { Err(ClipboardError::Secret) } else { Ok(()) }
    }

    /// The best way to have the contents in this form.
    fn target(&self, format: Format, targets: &[Atom]) -> Option<Atom> {
        let names = &self.names;
        let ranks = match format {
            Format::Text => {
                &[names.UTF8_STRING, names.TEXT_PLAIN_UTF8, names.TEXT_PLAIN, AtomEnum::STRING.into()][..]
            }
            Format::Html => &[names.TEXT_HTML],
            Format::Png => &[names.IMAGE_PNG],
            Format::Files => &[names.URI_LIST],
        };
        ranks.iter().copied().find(|target| targets.contains(target))
    }

    /// Asks the owner for its contents as `target`, of at most `limit` bytes.
    fn convert(
        &mut self,
        grant: &ClipboardOutGrant,
        target: Atom,
        limit: u64,
    ) -> Result<Converted, ClipboardError> {
        let conn = &self.server.conn;
        // One of its own for each question: an answer that comes late meets nobody.
        let window = conn.generate_id().map_err(Error::from)?;
        let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        conn.create_window(0, window, self.server.root(), 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux)
            .map_err(Error::from)?;
        let (clipboard, property) = (self.names.CLIPBOARD, self.names.NEARHAND_CLIPBOARD);
        conn.convert_selection(window, clipboard, target, property, x11rb::CURRENT_TIME)
            .map_err(Error::from)?;
        let converted = self.receive(grant, window, limit);
        // With the window go its properties, and the owner of a long transfer hears that nobody wants the rest.
        if let Ok(cookie) = self.server.conn.destroy_window(window) {
            cookie.ignore_error();
        }
        let _ = self.server.conn.flush();
        converted
    }

    fn receive(
        &self,
        grant: &ClipboardOutGrant,
        window: Window,
        limit: u64,
    ) -> Result<Converted, ClipboardError> {
        let end = Instant::now() + WHOLE;
        let property = self.names.NEARHAND_CLIPBOARD;
        let answer = self.wait(grant, end, |event| match event {
            XEvent::SelectionNotify(event) if event.requestor == window => Some(event.property),
            _ => None,
        })?;
        if answer == x11rb::NONE {
            return Err(ClipboardError::NotThere);
        }
        let (kind, mut bytes) = self.fetch(window, limit)?;
        if kind != self.names.INCR {
            return Ok(Converted { kind, bytes });
        }
        // In pieces (ICCCM 2.7.2): each is there when its property comes, and the next follows when that was taken away.
        bytes.clear();
        loop {
            self.wait(grant, end, |event| match event {
                XEvent::PropertyNotify(event) if event.window == window && event.atom == property => {
                    (event.state == Property::NEW_VALUE).then_some(())
                }
                _ => None,
            })?;
            let (kind, piece) = self.fetch(window, limit - bytes.len() as u64)?;
            if piece.is_empty() {
                return Ok(Converted { kind, bytes });
            }
            bytes.extend(piece);
        }
    }

    /// Takes the property away, if it is no larger than `limit`.
    fn fetch(&self, window: Window, limit: u64) -> Result<(Atom, Vec<u8>), ClipboardError> {
        let mut bytes = Vec::new();
        loop {
            let reply = self.get(window, bytes.len() as u32 / 4)?;
            // What it announces does not matter: what comes is counted.
            let announced = reply.type_ == self.names.INCR;
            if !announced
                && bytes.len() as u64 + reply.value.len() as u64 + u64::from(reply.bytes_after) > limit
            {
                return Err(ClipboardError::TooLarge { limit });
            }
            bytes.extend(reply.value);
            if announced || reply.bytes_after == 0 {
                let property = self.names.NEARHAND_CLIPBOARD;
                self.server.conn.delete_property(window, property).map_err(Error::from)?;
                return Ok((reply.type_, bytes));
            }
        }
    }

    fn get(&self, window: Window, offset: u32) -> Result<GetPropertyReply, ClipboardError> {
        let property = self.names.NEARHAND_CLIPBOARD;
        let reply = self.server.conn.get_property(false, window, property, AtomEnum::ANY, offset, PIECE);
        Ok(reply.map_err(Error::from)?.reply().map_err(reply_error("hand over the clipboard"))?)
    }

    /// Waits for an event like this, while the grant holds.
    fn wait<T>(
        &self,
        grant: &ClipboardOutGrant,
        end: Instant,
        like: impl Fn(&XEvent) -> Option<T>,
    ) -> Result<T, ClipboardError> {
        let end = end.min(Instant::now() + STEP);
        loop {
            self.server.conn.flush().map_err(Error::from)?;
            while let Some(event) = self.server.conn.poll_for_event().map_err(Error::from)? {
                if let Some(found) = like(&event) {
                    return Ok(found);
                }
            }
            grant.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClipboardError::Gone);
            }
            self.wake.sleep(&self.server, Some(left.min(LOOK)))?;
        }
    }
}

/// UTF-8 of whatever it came in.
fn utf8(converted: Converted) -> Vec<u8> {
    let mut bytes = converted.bytes;
    let wide: Option<fn([u8; 2]) -> u16> = match &bytes[..] {
        [0xff, 0xfe, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] => Some(u16::from_be_bytes),
        _ => None,
    };
    if let Some(unit) = wide {
        // Some browsers give HTML so.
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect();
        return text.into_bytes();
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    if converted.kind == u32::from(AtomEnum::STRING) && std::str::from_utf8(&bytes).is_err() {
        return bytes.into_iter().map(char::from).collect::<String>().into_bytes();
    }
    String::from_utf8_lossy(&bytes).into_owned().into_bytes()
}
