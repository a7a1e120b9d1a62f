//! The stories, by group.

mod canary;
mod chat;
mod consent;
mod control;
mod coturn;
mod customer;
mod endings;
mod evil;
pub(crate) mod files;
mod firefox;
mod gallery;
mod guests;
mod harness;
mod hostile;
mod languages;
mod origin;
mod pairing;
mod picture;
mod proof;
mod reach;
mod refusals;

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
    let main_job = [
        pairing::stories(),
        consent::stories(),
        control::stories(),
        chat::stories(),
        files::stories(),
        endings::stories(),
        proof::stories(),
        refusals::stories(),
        hostile::stories(),
        origin::stories(),
        languages::stories(),
        guests::stories(),
        firefox::stories(),
        gallery::stories(),
    ];
    let reach = [reach::stories(), evil::stories(), canary::stories(), coturn::stories()];
    vec![
        ("harness", harness::stories()),
        ("main-job", main_job.into_iter().flatten().collect()),
        ("customer", customer::stories()),
        ("picture", picture::stories()),
        ("reach", reach.into_iter().flatten().collect()),
    ]
}
