//! It connects from anywhere, and stays connected: the group `reach`, played in the network lab.

mod proofs;

use crate::runner::Story;

/// In the order in which they are played: first that the lab is what it says.
pub(super) fn stories() -> Vec<Story> {
    [proofs::stories()].into_iter().flatten().collect()
}
