//! What the technician is told about the customer's cursor: each shape once, then by its number.

use std::collections::HashSet;

use nearhand_protocol::cursor::{CursorMessage, CursorShape};

/// Shapes that the technician's end is expected to remember; then they are sent anew.
const REMEMBERED: usize = 256;

/// What the technician's end shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    /// It was told nothing.
    #[default]
    Unknown,
    /// No cursor.
    Hidden,
    /// The shape with this serial number.
    Shape(u32),
}

/// What the technician's end knows.
#[derive(Debug, Default)]
pub struct Cursor {
    known: HashSet<u32>,
    shown: Shown,
    place: Option<(u16, u16)>,
}

impl Cursor {
    /// The cursor looks like this now (`None`: hidden); the message says so, where that is new.
    pub fn shape(&mut self, shape: Option<CursorShape>) -> Option<CursorMessage> {
        let now = shape.as_ref().map_or(Shown::Hidden, |shape| Shown::Shape(shape.serial));
        if std::mem::replace(&mut self.shown, now) == now {
            return None;
        }
        let Some(shape) = shape else { return Some(CursorMessage::Hidden) };
        if self.known.contains(&shape.serial) {
            return Some(CursorMessage::Again { serial: shape.serial });
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(shape.serial);
        Some(CursorMessage::Shape(shape))
    }

    /// The cursor is here; `by_technician`: it was they who put it there, so they know.
    pub fn at(&mut self, x: u16, y: u16, by_technician: bool) -> Option<CursorMessage> {
        if by_technician {
            // What is known there is not told again, but the way back to the old place is.
            self.place = None;
            return None;
        }
        (self.place.replace((x, y)) != Some((x, y))).then_some(CursorMessage::At { x, y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(serial: u32) -> CursorShape {
        CursorShape { serial, width: 1, height: 1, hot_x: 0, hot_y: 0, rgba: vec![0; 4] }
    }

    #[test]
    fn a_shape_travels_once() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.shape(Some(shape(1))), Some(CursorMessage::Shape(shape(1))));
        assert_eq!(cursor.shape(Some(shape(1))), None);
        assert_eq!(cursor.shape(None), Some(CursorMessage::Hidden));
        assert_eq!(cursor.shape(None), None);
        assert_eq!(cursor.shape(Some(shape(1))), Some(CursorMessage::Again { serial: 1 }));
        for serial in 2..2000 {
            assert_eq!(cursor.shape(Some(shape(serial))), Some(CursorMessage::Shape(shape(serial))));
            assert!(cursor.known.len() <= REMEMBERED);
        }
    }

    #[test]
    fn the_technicians_own_moves_are_not_told() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.at(1, 2, false), Some(CursorMessage::At { x: 1, y: 2 }));
        assert_eq!(cursor.at(1, 2, false), None);
        assert_eq!(cursor.at(5, 5, true), None);
        assert_eq!(cursor.at(1, 2, false), Some(CursorMessage::At { x: 1, y: 2 }));
    }
}
