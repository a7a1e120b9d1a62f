//! Every byte that two sides of Nearhand must agree on, and the pure machines that two sides run.
//!
//! Nothing here waits, reads a clock, draws a random number or touches a socket: time, randomness and ids are
//! arguments. It builds for the native host and server and for the browser's WASM alike. `PROTOCOL.md` beside this
//! crate tells the same story in prose.
//!
//! A module uses the ones listed above it, never those below.

pub mod catalogue;
pub mod channel;
pub mod close;
pub mod code;
pub mod grant;
pub mod id;
pub mod invitation;
pub mod proof;
pub mod version;
pub mod wire;

pub mod chat;
pub mod cursor;
pub mod display;
pub mod facts;
pub mod file;
pub mod frame;
pub mod picture;
pub mod tile;

pub mod clipboard;
pub mod control;
pub mod input;
mod key_code;

pub mod machine;
pub mod signal;
