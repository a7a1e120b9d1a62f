//! Stories in a real browser with the real server and the real customer's program, and the measurements.
//!
//! It links none of the product's programs: it starts them, as people do. What a story starts ends with it, whatever
//! happens; the end of a run checks that nothing was left behind.

mod places;
mod process;
mod wait;

mod namespace;

mod picture;

mod browser;
mod stage;

mod host;
mod server;
mod x;

mod elsewhere;
mod meeting;

mod lab;

mod ends;

pub mod runner;
mod stories;

pub mod bench;
