//! The running server, through real sockets.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod desk;
mod guests;
mod misbehaviour;
mod origin;
mod pages;
mod pairing;
mod restart;
mod throttling;
mod tls;
