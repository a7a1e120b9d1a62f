//! Everything that a viewer, or somebody in its place, can send to the customer's program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::clipboard::{ClipboardMessage, Format, Incoming};
use nearhand_protocol::control::ToHost;
use nearhand_protocol::file::{FileChunk, FileMessage};
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::picture::Painted;
use nearhand_protocol::wire::{Message, decode, decode_borrowed, encode};

fuzz_target!(|input: &[u8]| {
    let Some((topic, bytes)) = input.split_first() else { return };
    match topic % 8 {
        0 => again::<ToHost>(bytes),
        1 => again::<InputEvent>(bytes),
        2 => again::<PointerMove>(bytes),
        3 => again::<ChatMessage>(bytes),
        4 => again::<FileMessage>(bytes),
        5 => {
            again::<Painted>(bytes);
            if let Ok(painted) = decode::<Painted>(bytes) {
                for back in [0, 1, 127, 128, u32::MAX] {
                    let _ = painted.tells(painted.highest.wrapping_sub(back));
                }
            }
        }
        6 => {
            if let Ok(message) = decode_borrowed::<ClipboardMessage<'_>>(bytes) {
                let written = encode(&message).expect("what was read can be written");
                assert_eq!(decode_borrowed::<ClipboardMessage<'_>>(&written), Ok(message));
                if let ClipboardMessage::Part { serial, format, offset, total, data } = message {
                    assert_ne!(format, Format::Files);
                    let mut incoming = Incoming::default();
                    incoming.expect(serial, format);
                    if let Ok(Some(whole)) = incoming.part(serial, format, offset, total, data) {
                        assert!(offset == 0 && whole == data && total == data.len() as u64);
                    }
                }
            }
        }
        _ => {
            if let Ok(chunk) = decode_borrowed::<FileChunk<'_>>(bytes) {
                let written = encode(&chunk).expect("what was read can be written");
                assert_eq!(decode_borrowed::<FileChunk<'_>>(&written), Ok(chunk));
            }
        }
    }
});

fn again<M: Message + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<M>(bytes) {
        let written = encode(&message).expect("what was read can be written");
        assert_eq!(decode::<M>(&written), Ok(message));
    }
}
