//! The combinations that a browser can't catch, as keys going down and up.

use nearhand_protocol::control::SpecialKeys;
use nearhand_protocol::input::{InputEvent, KeyCode};

/// All keys down in order, then up in reverse.
pub(super) fn strokes(keys: SpecialKeys) -> impl ExactSizeIterator<Item = InputEvent> {
    let keys: &[KeyCode] = match keys {
        SpecialKeys::CtrlAltDel => &[KeyCode::ControlLeft, KeyCode::AltLeft, KeyCode::Delete],
        SpecialKeys::AltTab => &[KeyCode::AltLeft, KeyCode::Tab],
        SpecialKeys::AltF4 => &[KeyCode::AltLeft, KeyCode::F4],
        SpecialKeys::Meta => &[KeyCode::MetaLeft],
        SpecialKeys::CtrlShiftEscape => &[KeyCode::ControlLeft, KeyCode::ShiftLeft, KeyCode::Escape],
        SpecialKeys::PrintScreen => &[KeyCode::PrintScreen],
    };
    let down = keys.iter().map(|code| InputEvent::Key { code: *code, key: None, pressed: true });
    let up = keys.iter().rev().map(|code| InputEvent::Key { code: *code, key: None, pressed: false });
    down.chain(up).collect::<Vec<_>>().into_iter()
}
