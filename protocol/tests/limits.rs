//! What is refused: oversized, malformed, out of bounds, with something behind it.

use nearhand_protocol::channel::Channel;
use nearhand_protocol::chat::{self, ChatMessage};
use nearhand_protocol::control::{ToHost, ToViewer};
use nearhand_protocol::cursor::{CursorMessage, CursorShape};
use nearhand_protocol::display::{Layout, Monitor};
use nearhand_protocol::file::{FileChunk, FileMessage, MAX_CHUNK, MAX_SIZE, TransferId};
use nearhand_protocol::id::Seat;
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::signal::{self, HostToServer, SignalError, ViewerToServer};
use nearhand_protocol::wire::{Message, WireError, decode, decode_borrowed, encode};
use proptest::prelude::*;

const ID: TransferId = TransferId { sender: Seat::Viewer, number: 1 };

#[test]
fn length_is_checked_before_anything_is_parsed() {
    let long = vec![0; Channel::MAX_MESSAGE + 1];
    assert_eq!(decode::<PointerMove>(&long), Err(WireError::TooLarge { len: long.len(), limit: 16 }));
    assert!(matches!(decode::<InputEvent>(&long), Err(WireError::TooLarge { .. })));
    assert!(matches!(decode_borrowed::<FileChunk<'_>>(&long), Err(WireError::TooLarge { .. })));
    let text = " ".repeat(signal::MAX_MESSAGE + 1);
    assert_eq!(signal::parse::<HostToServer>(&text), Err(SignalError::TooLarge(text.len())));
}

#[test]
fn a_promised_length_allocates_nothing() {
    // Variant 3 of `InputEvent` is text; then comes a length of about 2⁶³ and no data.
    let bytes = [3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(decode::<InputEvent>(&bytes), Err(WireError::Malformed));
}

#[test]
fn bytes_behind_a_message_are_refused() {
    let mut bytes = encode(&ToHost::End).unwrap();
    bytes.push(0);
    assert_eq!(decode::<ToHost>(&bytes), Err(WireError::TrailingBytes(1)));
}

#[test]
fn unknown_variants_are_refused() {
    assert_eq!(decode::<ToHost>(&[200]), Err(WireError::Malformed));
    assert_eq!(decode::<ToViewer>(&[]), Err(WireError::Malformed));
    assert_eq!(signal::parse::<ViewerToServer>(r#"{"type":"frobnicate"}"#), Err(SignalError::Malformed(20)));
    assert!(
        signal::parse::<ViewerToServer>(r#"{"type":"end","later":1}"#).is_ok(),
        "unknown fields are ignored"
    );
}

#[test]
fn bounds_hold_in_both_directions() {
    let shape = |width, height, len| {
        let shape = CursorShape { serial: 0, width, height, hot_x: 0, hot_y: 0, rgba: vec![0; len] };
        encode(&CursorMessage::Shape(shape)).map(|_| ())
    };
    assert_eq!(shape(96, 96, 96 * 96 * 4), Ok(()));
    assert_eq!(shape(97, 1, 97 * 4), Err(WireError::OutOfBounds("cursor size")));
    assert_eq!(shape(0, 0, 0), Err(WireError::OutOfBounds("cursor size")));
    assert_eq!(shape(2, 2, 15), Err(WireError::OutOfBounds("cursor pixels")));

    let chunk = |len, offset| encode(&FileChunk { id: ID, offset, data: &vec![0; len] }).map(|_| ());
    assert_eq!(chunk(MAX_CHUNK, MAX_SIZE), Ok(()));
    assert_eq!(chunk(0, 0), Err(WireError::OutOfBounds("chunk length")));
    assert_eq!(chunk(MAX_CHUNK + 1, 0), Err(WireError::OutOfBounds("chunk length")));

    let name = |name: String| encode(&FileMessage::Offer { id: ID, name, size: 1 }).map(|_| ());
    assert_eq!(name("a".repeat(255)), Ok(()));
    assert_eq!(name("a".repeat(256)), Err(WireError::OutOfBounds("file name")));
    assert_eq!(name(String::new()), Err(WireError::OutOfBounds("file name")));

    let line = |len| {
        encode(&ChatMessage::Line { number: 1, written_at_ms: u64::MAX, text: "x".repeat(len) }).map(|_| ())
    };
    assert_eq!(line(chat::MAX_TEXT), Ok(()));
    assert_eq!(line(chat::MAX_TEXT + 1), Err(WireError::OutOfBounds("chat text")));

    let monitor = Monitor {
        id: 0,
        name: String::new(),
        x: 1,
        y: 0,
        width: 100,
        height: 100,
        scale_percent: 100,
        primary: true,
    };
    let layout = Layout { width: 100, height: 100, monitors: vec![monitor] };
    assert_eq!(encode(&ToViewer::Layout(layout)), Err(WireError::OutOfBounds("monitor position")));
}

proptest! {
    /// Any bytes: a message or an error; and what is read is written back to the same meaning.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        again::<ToHost>(&bytes)?;
        again::<ToViewer>(&bytes)?;
        again::<InputEvent>(&bytes)?;
        again::<PointerMove>(&bytes)?;
        again::<CursorMessage>(&bytes)?;
        again::<ChatMessage>(&bytes)?;
        again::<FileMessage>(&bytes)?;
        if let Ok(chunk) = decode_borrowed::<FileChunk<'_>>(&bytes) {
            let bytes = encode(&chunk).unwrap();
            prop_assert_eq!(decode_borrowed::<FileChunk<'_>>(&bytes), Ok(chunk));
        }
    }
}

fn again<M>(bytes: &[u8]) -> Result<(), TestCaseError>
where
    M: Message + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Ok(message) = decode::<M>(bytes) {
        let bytes = encode(&message).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(decode::<M>(&bytes), Ok(message));
    }
    Ok(())
}
