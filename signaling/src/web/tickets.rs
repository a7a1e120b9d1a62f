//! `/api/sessions/{session}/tickets`: how the desk lets a session tab of another origin in.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use nearhand_protocol::id::SessionId;
use serde_json::{Value, json};

use super::request::Identity;
use crate::account::ticket::RANDOM;
use crate::app::App;
use crate::error::WebError;

/// A session of somebody else is as unknown as one that never was.
pub(super) async fn issue(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
    Path(session): Path<String>,
) -> Result<(StatusCode, Json<Value>), WebError> {
    let person = identity.person().ok_or(WebError::NotSignedIn)?;
    let session: SessionId = session.parse().map_err(|_| WebError::NotFound)?;
    let handle = app.registry.by_session(session).ok_or(WebError::NotFound)?;
    if handle.owner() != person {
        return Err(WebError::NotFound);
    }
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random).map_err(|_| WebError::Internal)?;
    let mut tickets = app.tickets.lock().unwrap_or_else(PoisonError::into_inner);
    let ticket = tickets.issue(session, person, random, Instant::now());
    Ok((StatusCode::CREATED, Json(json!({ "ticket": ticket.expose() }))))
}
