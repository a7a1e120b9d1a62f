//! The Nearhand server: pages, pairing by code, and the relay of signals.
//!
//! It never sees media or the content of data channels. [`server::Server`] is all of it, and what tests drive as well as
//! the program. It runs on Unix: files that are its secrets are held to that system's permissions.
//!
//! A module uses the ones listed above it, never those below.

pub mod chair;
pub mod key;
pub mod metrics;
pub mod throttle;

pub mod account;
pub mod config;
pub mod logging;
pub mod resume;
pub mod tls;

pub mod acme;
pub mod keeper;

pub mod turn;

pub mod room;

pub mod attendant;
pub mod registry;

pub mod assets;
pub mod downloads;
pub mod origin;

pub mod app;
pub mod error;
pub mod ws;

pub mod web;

pub mod listener;
pub mod server;
