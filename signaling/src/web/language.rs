//! In which language somebody reads: what the browser asks for, unless they chose another on a page (`/language`).

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use nearhand_protocol::catalogue::{FALLBACK, choose};
use serde::Deserialize;

use super::request::{cookie, same_origin};
use crate::app::App;
use crate::assets;

/// The name of the cookie that keeps a choice.
const COOKIE: &str = "nearhand-language";
/// For how long, in seconds: a year.
const KEPT_S: u64 = 31_536_000;
/// Most languages of a request that are looked at; browsers send less than ten.
const MAX_WANTED: usize = 32;

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    language: String,
}

/// The language of the pages for whoever sends this request.
pub(super) fn of(request: &HeaderMap) -> &'static str {
    let there = assets::languages();
    let chosen = cookie(request, COOKIE).and_then(|chosen| there.iter().find(|tag| **tag == chosen)).copied();
    chosen.or_else(|| choose(wanted(request), there)).unwrap_or(FALLBACK)
}

/// Keeps the choice of a language, and goes back to the page on which it was made.
pub(super) async fn choice(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(form): Form<Choice>,
) -> Response {
    let back = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).and_then(path);
    let mut response = (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, back.as_deref().and_then(same_origin).unwrap_or("/").to_owned())],
    )
        .into_response();
    if let Some(tag) = assets::languages().iter().find(|tag| **tag == form.language) {
        let secure = if app.https { "; Secure" } else { "" };
        let cookie =
            format!("{COOKIE}={tag}; Path=/; Max-Age={KEPT_S}; HttpOnly; SameSite=Lax{secure}").parse();
        if let Ok(cookie) = cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// What stands behind the origin of an address.
fn path(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{query}", url.path()))
}

/// The languages of `Accept-Language`, best first (RFC 9110, 12.5.4). Those that are as good as each other stay in order.
fn wanted(request: &HeaderMap) -> Vec<&str> {
    let values = request.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut wanted: Vec<(f32, &str)> = values
        .flat_map(|value| value.split(','))
        .take(MAX_WANTED)
        .map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            (weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)), tag)
        })
        .filter(|(weight, tag)| *weight > 0.0 && !tag.is_empty())
        .collect();
    wanted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    wanted.into_iter().map(|(_, tag)| tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_browser_says_it_unless_somebody_chose() {
        for (accept, language) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("en;q=0.1, de;q=0.9", "de"),
            ("de;q=0, en;q=0.5", "en"),
            ("tlh, *", "en"),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "en"),
            ("DE-de;q=NaN, ;;, =, q=1", "en"),
            ("de;q=0.500;level=1", "de"),
        ] {
            assert_eq!(of(&request(&[(header::ACCEPT_LANGUAGE, accept)])), language, "{accept}");
        }
        let chosen = |cookie| of(&request(&[(header::ACCEPT_LANGUAGE, "de"), (header::COOKIE, cookie)]));
        assert_eq!(chosen("nearhand=x; nearhand-language=en"), "en");
        assert_eq!(chosen("nearhand-language=../../etc"), "de");
        assert_eq!(chosen("nearhand-language="), "de");
    }

    #[test]
    fn the_way_back_has_no_origin() {
        assert_eq!(path("https://a.example/sign-in?next=/desk#x").as_deref(), Some("/sign-in?next=/desk"));
        assert_eq!(path("nonsense"), None);
        assert_eq!(path("https://a.example//evil.example").as_deref().and_then(same_origin), None);
    }
}
