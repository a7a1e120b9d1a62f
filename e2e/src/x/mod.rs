//! The customer's screen: an X server without a monitor, what is seen and pressed on it, and windows to look at.

pub(crate) mod canvas;
pub(crate) mod hand;
pub(crate) mod monitors;
pub(crate) mod programs;
pub(crate) mod scenes;
pub(crate) mod screen;
pub(crate) mod timecode;
pub(crate) mod window;
pub(crate) mod xvfb;
