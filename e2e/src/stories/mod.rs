//! The stories, by group.

mod harness;

use crate::runner::Story;

/// A story out of an async function that takes the stage.
macro_rules! story {
    ($name:literal, $seconds:literal, $plot:path) => {
        $crate::runner::Story {
            name: $name,
            limit: std::time::Duration::from_secs($seconds),
            plot: |stage| Box::pin($plot(stage)),
        }
    };
}
pub(crate) use story;

/// All groups in the order in which they are played.
pub(crate) fn groups() -> Vec<(&'static str, Vec<Story>)> {
    vec![("harness", harness::stories())]
}
