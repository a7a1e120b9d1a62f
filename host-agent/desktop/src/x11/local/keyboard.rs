//! The layout, and Num Lock.

use x11rb::protocol::xkb::{self, ConnectionExt as _, EventType, ID, MapPart, SelectEventsAux};

use crate::Error;
use crate::x11::keymap::{Keymap, modifier};
use crate::x11::{Server, reply_error};

/// The layout, as far as it decides what a modifier is; without XKB keys go by their place alone.
#[derive(Debug)]
pub(super) struct Keyboard {
    has_xkb: bool,
    keymap: Option<Keymap>,
}

impl Keyboard {
    pub(super) fn new(server: &Server) -> Result<Self, Error> {
        let conn = &server.conn;
        let has_xkb = server.has(xkb::X11_EXTENSION_NAME)?
            && conn.xkb_use_extension(1, 0)?.reply().is_ok_and(|xkb| xkb.supported);
        if has_xkb {
            let kinds = EventType::NEW_KEYBOARD_NOTIFY | EventType::MAP_NOTIFY;
            let parts = MapPart::KEY_TYPES | MapPart::KEY_SYMS | MapPart::MODIFIER_MAP;
            let none = EventType::default();
            let details = SelectEventsAux::new();
            conn.xkb_select_events(ID::USE_CORE_KBD.into(), none, kinds, parts, parts, &details)?;
        }
        Ok(Self { has_xkb, keymap: None })
    }

    /// It has changed.
    pub(super) fn forget(&mut self) {
        self.keymap = None;
    }

    pub(super) fn keymap(&mut self, server: &Server) -> Result<Option<&Keymap>, Error> {
        if self.has_xkb && self.keymap.is_none() {
            self.keymap = Some(Keymap::read(server)?);
        }
        Ok(self.keymap.as_ref())
    }

    pub(super) fn num_lock(&self, server: &Server) -> Result<bool, Error> {
        if !self.has_xkb {
            return Ok(false);
        }
        let state = server.conn.xkb_get_state(ID::USE_CORE_KBD.into())?.reply();
        let state = state.map_err(reply_error("tell the keyboard's state"))?;
        Ok(u16::from(state.locked_mods) as u8 & modifier::NUM_LOCK != 0)
    }
}
