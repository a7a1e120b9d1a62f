//! As if sitting in front of it: the group `picture`.

mod cursor;
mod exact;
mod firefox;
mod hostile;
mod monitors;
mod quality;
mod sizes;
mod together;
mod whole;

use crate::runner::Story;

/// In the order in which they are played.
pub(super) fn stories() -> Vec<Story> {
    [
        exact::stories(),
        whole::stories(),
        cursor::stories(),
        monitors::stories(),
        sizes::stories(),
        firefox::stories(),
        quality::stories(),
        hostile::stories(),
        together::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
