//! `/api/nameplates/{nameplate}`: whether a code leads somewhere, and to whom, before the customer downloads anything.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use nearhand_protocol::code::Nameplate;
use serde_json::{Value, json};

use super::request::ClientAddress;
use crate::app::App;
use crate::error::WebError;

/// Costs as much as a wrong join: it is the same guess.
pub(super) async fn look_up(
    State(app): State<Arc<App>>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Path(nameplate): Path<String>,
) -> Result<Json<Value>, WebError> {
    let nameplate: Nameplate = nameplate.parse().map_err(|_| WebError::UnknownCode)?;
    let room = || app.registry.by_nameplate(nameplate);
    let found = app.code_throttle.attempt(address, nameplate, Instant::now(), room)?;
    let _handle = found.ok_or(WebError::UnknownCode)?;
    Ok(Json(json!({ "technician": app.registry.technician() })))
}
