//! What is refused: oversized, malformed, out of bounds, with something behind it.

use nearhand_protocol::channel::Channel;
use nearhand_protocol::chat::{self, ChatMessage};
use nearhand_protocol::clipboard::{self, ClipboardMessage, Format, Formats};
use nearhand_protocol::control::{MAX_SHARED_NAME, Shared, ToHost, ToViewer, What};
use nearhand_protocol::cursor::{CursorMessage, CursorShape};
use nearhand_protocol::display::{Layout, Monitor};
use nearhand_protocol::facts::{Column, FactsMessage, MAX_CELL, MAX_COLUMNS, MAX_PARTS, SheetPart, Topic};
use nearhand_protocol::file::{FileChunk, FileMessage, MAX_BUNDLE, MAX_CHUNK, MAX_SIZE, TransferId};
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

#[test]
fn clipboards_are_bounded() {
    let part = |format, offset, total, len| {
        encode(&ClipboardMessage::Part { serial: 1, format, offset, total, data: &vec![0; len] }).map(|_| ())
    };
    let (most, text) = (clipboard::MAX_PART, clipboard::MAX_TEXT);
    assert_eq!(part(Format::Text, text - most as u64, text, most), Ok(()));
    assert_eq!(part(Format::Png, clipboard::MAX_PNG - 1, clipboard::MAX_PNG, 1), Ok(()));
    assert_eq!(part(Format::Text, 0, 0, 0), Ok(()), "nothing at all");
    assert_eq!(part(Format::Text, 0, 1, 0), Err(WireError::OutOfBounds("part length")));
    assert_eq!(part(Format::Text, 0, text, most + 1), Err(WireError::OutOfBounds("part length")));
    assert_eq!(part(Format::Text, 0, text + 1, 1), Err(WireError::OutOfBounds("clipboard size")));
    assert_eq!(part(Format::Files, 0, 0, 0), Err(WireError::OutOfBounds("clipboard size")));
    assert_eq!(part(Format::Html, 9, 9, 1), Err(WireError::OutOfBounds("part offset")));
    assert_eq!(part(Format::Html, u64::MAX, 9, 1), Err(WireError::OutOfBounds("part offset")));
    // What is too large may be told of, so that it can be refused in words.
    let holds = |files| {
        let formats = Formats::only(Format::Png);
        encode(&ClipboardMessage::Holds { serial: 1, formats, bytes: u64::MAX, files }).map(|_| ())
    };
    assert_eq!(holds(clipboard::MAX_FILES), Ok(()));
    assert_eq!(holds(clipboard::MAX_FILES + 1), Err(WireError::OutOfBounds("number of files")));
    let bundle = |count: u32| {
        let ids = (0..count).map(|number| TransferId { number: u32::MAX - number, ..ID }).collect();
        encode(&FileMessage::Bundle { serial: u32::MAX, ids }).map(|_| ())
    };
    assert_eq!(bundle(MAX_BUNDLE as u32), Ok(()));
    for wrong in [0, MAX_BUNDLE as u32 + 1] {
        assert_eq!(bundle(wrong), Err(WireError::OutOfBounds("number of files")));
    }
}

#[test]
fn facts_and_names_are_bounded() {
    let sheet = |number, columns: usize, cells: usize, len: usize| {
        encode(&FactsMessage::Sheet(SheetPart {
            topic: Topic::Software,
            part: number,
            last: true,
            cut: false,
            columns: vec![Column::Name; columns],
            rows: vec![vec!["x".repeat(len); cells]],
        }))
        .map(|_| ())
    };
    assert_eq!(sheet(MAX_PARTS - 1, MAX_COLUMNS, MAX_COLUMNS, MAX_CELL), Ok(()));
    assert_eq!(sheet(MAX_PARTS, 1, 1, 1), Err(WireError::OutOfBounds("number of parts")));
    for columns in [0, MAX_COLUMNS + 1] {
        assert_eq!(sheet(0, columns, columns, 1), Err(WireError::OutOfBounds("number of columns")));
    }
    for cells in [1, 3] {
        assert_eq!(sheet(0, 2, cells, 1), Err(WireError::OutOfBounds("row length")));
    }
    assert_eq!(sheet(0, 1, 1, MAX_CELL + 1), Err(WireError::OutOfBounds("cell length")));
    let shared =
        |len| encode(&ToViewer::Shared(Shared { what: What::Window, name: "x".repeat(len) })).map(|_| ());
    assert_eq!(shared(MAX_SHARED_NAME), Ok(()));
    assert_eq!(shared(MAX_SHARED_NAME + 1), Err(WireError::OutOfBounds("name of what is shared")));
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
        again::<FactsMessage>(&bytes)?;
        if let Ok(message) = decode_borrowed::<ClipboardMessage<'_>>(&bytes) {
            let bytes = encode(&message).unwrap();
            prop_assert_eq!(decode_borrowed::<ClipboardMessage<'_>>(&bytes), Ok(message));
        }
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
