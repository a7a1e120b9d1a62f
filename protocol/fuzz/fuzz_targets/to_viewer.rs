//! Everything that a host, or somebody in its place, can send to the technician's tab over its own topics; the shared
//! ones are in `to_host`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearhand_protocol::control::ToViewer;
use nearhand_protocol::cursor::CursorMessage;
use nearhand_protocol::facts::{FactsMessage, Gathering, MAX_BYTES};
use nearhand_protocol::frame::{FrameChunk, MAX_CHUNK, MAX_CHUNKS};
use nearhand_protocol::picture::{Cells, MAX_STEPS, MAX_TILE_PIXELS, Step, Update};
use nearhand_protocol::tile;
use nearhand_protocol::wire::{Message, decode, decode_borrowed, encode};

fuzz_target!(|input: &[u8]| {
    let Some((topic, bytes)) = input.split_first() else { return };
    match topic % 5 {
        0 => again::<ToViewer>(bytes),
        1 => again::<CursorMessage>(bytes),
        2 => {
            again::<FactsMessage>(bytes);
            if let Ok(FactsMessage::Sheet(part)) = decode::<FactsMessage>(bytes) {
                let mut gathering = Gathering::default();
                let topics = part.topic;
                if gathering.take(part).is_ok()
                    && let Ok(sheets) = gathering.finish(nearhand_protocol::facts::Topics::only(topics))
                {
                    assert!(sheets.iter().all(|sheet| sheet.bytes() <= MAX_BYTES));
                }
            }
        }
        3 => {
            if let Ok(chunk) = decode_borrowed::<FrameChunk<'_>>(bytes) {
                assert!(
                    chunk.index < chunk.count && chunk.count <= MAX_CHUNKS && chunk.bytes.len() <= MAX_CHUNK
                );
                let written = encode(&chunk).expect("what was read can be written");
                assert_eq!(decode_borrowed::<FrameChunk<'_>>(&written), Ok(chunk));
            }
        }
        _ => {
            if let Ok(update) = decode_borrowed::<Update<'_>>(bytes) {
                paint(&update);
                let written = encode(&update).expect("what was read can be written");
                assert_eq!(decode_borrowed::<Update<'_>>(&written), Ok(update));
            }
        }
    }
});

/// What the tab does with an update, but for the painting.
fn paint(update: &Update<'_>) {
    assert!(update.steps.len() <= MAX_STEPS);
    let mut pixels = Vec::new();
    for step in &update.steps {
        match step {
            Step::Tile { area, coded } => {
                assert!(area.pixels() <= MAX_TILE_PIXELS);
                if tile::decode(coded, area.width, area.height, &mut pixels).is_ok() {
                    assert_eq!(pixels.len(), area.pixels() as usize * 4);
                }
            }
            Step::Move { to, .. } => assert!(to.pixels() > 0),
            Step::Frame { width, height, cells, .. } => {
                let (columns, rows) = Cells::grid(*width, *height);
                let count = usize::from(columns) * usize::from(rows);
                assert!(cells.indices(count).all(|index| index < count));
            }
        }
    }
}

fn again<M: Message + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<M>(bytes) {
        let written = encode(&message).expect("what was read can be written");
        assert_eq!(decode::<M>(&written), Ok(message));
    }
}
