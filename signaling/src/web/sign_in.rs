//! `/sign-in`, `/sign-out`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Form};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::page;
use super::request::{COOKIE, ClientAddress, same_origin};
use crate::account::SIGNED_IN_FOR;
use crate::app::App;

const DESK: &str = "/desk";

#[derive(Deserialize)]
pub(super) struct SignIn {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn page(headers: HeaderMap) -> Response {
    page::answer("sign-in", &headers)
}

pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Form(form): Form<SignIn>,
) -> Response {
    let token = Zeroizing::new(form.token);
    let next = same_origin(&form.next);
    let person = || app.accounts.by_token(&token);
    match app.sign_in_throttle.attempt(address, Instant::now(), person) {
        Ok(Some(person)) => {
            let value = app.accounts.cookie(person, SystemTime::now());
            see_other(next.unwrap_or(DESK), Some(cookie(&app, &value, SIGNED_IN_FOR.as_secs())))
        }
        Ok(None) => see_other(&back("wrong", next), None),
        Err(_) => see_other(&back("too_many", next), None),
    }
}

pub(super) async fn sign_out(State(app): State<Arc<App>>) -> Response {
    see_other("/sign-in", Some(cookie(&app, "", 0)))
}

fn cookie(app: &App, value: &str, max_age_s: u64) -> String {
    let secure = if app.https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}

fn see_other(location: &str, cookie: Option<String>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some(value) = cookie.and_then(|cookie| cookie.parse().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn back(error: &str, next: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("error", error);
    if let Some(next) = next {
        query.append_pair("next", next);
    }
    format!("/sign-in?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_the_way() {
        assert_eq!(back("wrong", Some("/desk")), "/sign-in?error=wrong&next=%2Fdesk");
        assert_eq!(back("too_many", None), "/sign-in?error=too_many");
    }
}
