//! Pure machines that more than one program runs: events in, effects out; no clock, no socket.

pub mod handshake;
pub mod negotiation;
pub mod transfer;
mod words;
