//! Everything that a host, or somebody in its place, can send to the technician's tab over its own topics; the shared
//! ones are in `to_host`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearhand_protocol::control::ToViewer;
use nearhand_protocol::cursor::CursorMessage;
use nearhand_protocol::wire::{Message, decode, encode};

fuzz_target!(|input: &[u8]| {
    let Some((topic, bytes)) = input.split_first() else { return };
    match topic % 2 {
        0 => again::<ToViewer>(bytes),
        _ => again::<CursorMessage>(bytes),
    }
});

fn again<M: Message + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<M>(bytes) {
        let written = encode(&message).expect("what was read can be written");
        assert_eq!(decode::<M>(&written), Ok(message));
    }
}
