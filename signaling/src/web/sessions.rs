//! `/api/sessions`: the technician's sessions.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::grant::Rights;
use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::{HostInfo, Technician};
use serde::Serialize;

use super::request::Identity;
use crate::account::PersonId;
use crate::app::App;
use crate::attendant::Command;
use crate::error::WebError;
use crate::room::{Event, RoomState, Summary, seconds_until};

/// A new session.
#[derive(Serialize)]
pub(super) struct Created {
    session: String,
    nameplate: Nameplate,
    code_valid_s: u64,
    /// The origin that serves the session tab; `None`: this server.
    viewer: Option<String>,
}

/// All of a technician's sessions.
#[derive(Serialize)]
pub(super) struct Sessions {
    /// Under which name customers see this technician.
    technician: Technician,
    /// The origin that serves the session tab; `None`: this server.
    viewer: Option<String>,
    #[serde(rename = "sessions")]
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    session: String,
    nameplate: Nameplate,
    code_valid_s: u32,
    state: RoomState,
    headless: bool,
    host: Option<HostInfo>,
    held: Rights,
    age_s: u64,
}

impl Row {
    fn new(summary: Summary, now: Instant) -> Self {
        Self {
            session: summary.session.to_string(),
            nameplate: summary.nameplate,
            code_valid_s: seconds_until(summary.code_until, now),
            state: summary.state,
            headless: summary.host.as_ref().is_some_and(|host| host.headless),
            host: summary.host,
            held: summary.held,
            age_s: now.saturating_duration_since(summary.began).as_secs(),
        }
    }
}

impl Sessions {
    pub(super) fn of(app: &App, person: PersonId) -> Self {
        let now = Instant::now();
        let summaries = app.registry.summaries(person);
        Self {
            technician: app.registry.technician().clone(),
            viewer: app.origins.viewer().map(str::to_owned),
            rows: summaries.into_iter().map(|summary| Row::new(summary, now)).collect(),
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
) -> Result<Json<Sessions>, WebError> {
    let person = identity.person().ok_or(WebError::NotSignedIn)?;
    Ok(Json(Sessions::of(&app, person)))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
) -> Result<(StatusCode, Json<Created>), WebError> {
    let person = identity.person().ok_or(WebError::NotSignedIn)?;
    let handle = app.registry.create(person)?;
    let created = Created {
        session: handle.session().to_string(),
        nameplate: handle.nameplate(),
        code_valid_s: app.code_lifetime_s,
        viewer: app.origins.viewer().map(str::to_owned),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Ends it. A session of somebody else is as unknown as one that never was.
pub(super) async fn end(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
    Path(session): Path<String>,
) -> Result<StatusCode, WebError> {
    let session: SessionId = session.parse().map_err(|_| WebError::NotFound)?;
    let handle = app.registry.by_session(session).ok_or(WebError::NotFound)?;
    if Some(handle.owner()) != identity.person() {
        return Err(WebError::NotFound);
    }
    handle.commands.send(Command::Event(Box::new(Event::Deleted))).await.map_err(|_| WebError::NotFound)?;
    handle.commands.closed().await;
    Ok(StatusCode::NO_CONTENT)
}
