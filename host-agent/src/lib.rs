//! The customer's program: shows a screen to the technician it was allowed to, and takes their input.

pub mod rtc;
