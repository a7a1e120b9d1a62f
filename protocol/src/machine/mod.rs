//! Pure machines that more than one program runs: events in, effects out; no clock, no socket.

pub mod negotiation;
pub mod transfer;
