//! It connects from anywhere, and stays connected: the group `reach`, played in the network lab.

mod connecting;
mod proofs;
mod staying;
mod table;

use crate::runner::Story;

/// In the order in which they are played: first that the lab is what it says, then the cases of the README's table, then
/// the table.
pub(super) fn stories() -> Vec<Story> {
    [proofs::stories(), connecting::stories(), table::stories(), staying::stories()]
        .into_iter()
        .flatten()
        .collect()
}
