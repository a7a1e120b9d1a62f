//! `/api/sessions/events`: the technician's sessions, again at each change (Server-Sent Events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;

use super::request::Identity;
use super::sessions::Sessions;
use crate::app::App;
use crate::error::WebError;

/// Changes closer together than this are told as one.
const AT_MOST_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, WebError> {
    let person = identity.person().ok_or(WebError::NotSignedIn)?;
    let mut revisions = app.registry.revisions();
    revisions.mark_changed();
    let events = stream::unfold((app, revisions), move |(app, mut revisions)| async move {
        tokio::select! {
            changed = revisions.changed() => changed.ok()?,
            () = app.stop.cancelled() => return None,
        }
        tokio::time::sleep(AT_MOST_EVERY).await;
        revisions.mark_unchanged();
        let event = Event::default().event("sessions").json_data(Sessions::of(&app, person)).ok()?;
        Some((Ok(event), (app, revisions)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
