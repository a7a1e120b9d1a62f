//! Signaling messages of all four directions, codes as typed, and the names of downloads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearhand_protocol::code::{Code, NamedDownload, Nameplate, Secret};
use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::{HostToServer, ServerToHost, ServerToViewer, ViewerToServer, parse, to_text};

fuzz_target!(|input: &[u8]| {
    let Some((topic, bytes)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match topic % 5 {
        0 => again::<HostToServer>(text),
        1 => again::<ServerToHost>(text),
        2 => again::<ViewerToServer>(text),
        3 => again::<ServerToViewer>(text),
        _ => {
            if let Ok(code) = text.parse::<Code>() {
                assert_eq!(code.expose().parse(), Ok(code));
            }
            if let Ok(nameplate) = text.parse::<Nameplate>() {
                assert_eq!(nameplate.to_string().parse(), Ok(nameplate));
            }
            let _ = text.parse::<Secret>();
            let _ = text.parse::<SessionId>();
            if let Some(named) = NamedDownload::from_file_name(text) {
                if let Some((host, port)) = &named.server {
                    let name = NamedDownload::file_name(named.code, host, *port, "");
                    assert_eq!(NamedDownload::from_file_name(&name).as_ref(), Some(&named));
                }
            }
        }
    }
});

fn again<M: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(message) = parse::<M>(text) {
        // Escapes can make the text longer than the limit; then it is refused, not cut.
        if let Ok(written) = to_text(&message) {
            assert_eq!(parse::<M>(&written).as_ref(), Ok(&message));
        }
    }
}
