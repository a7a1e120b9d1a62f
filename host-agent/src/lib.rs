//! The customer's program: shows a screen to the technician it was allowed to, and takes their input.

pub mod dial;

pub mod config;
pub mod logging;

pub mod rtc;

pub mod chat;
pub mod cursor;
pub mod session;

pub mod files;
pub mod input;
pub mod signal;
pub mod ui;
pub mod video;

pub mod driver;
pub mod host;
