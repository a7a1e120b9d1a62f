//! Files that are embedded in the program, compressed beforehand, and how one of them becomes an answer.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One file.
#[derive(Debug)]
pub struct Asset {
    address: &'static str,
    mime: &'static str,
    hash: &'static str,
    raw: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// The file at this address.
pub fn find(address: &str) -> Option<&'static Asset> {
    ASSETS.binary_search_by(|asset| asset.address.cmp(address)).ok().map(|index| &ASSETS[index])
}

/// The languages in which every page is there, by their tags (BCP 47).
pub const fn languages() -> &'static [&'static str] {
    LANGUAGES
}

/// Whether the session page's module was there when the server was built.
pub fn has_viewer() -> bool {
    find("/viewer/nearhand_viewer.js").is_some() && find("/viewer/nearhand_viewer_bg.wasm").is_some()
}

impl Asset {
    /// The answer to a request with these headers, which may have the file's hash in its query (`v=…`).
    pub fn answer(&self, request: &HeaderMap, query: Option<&str>) -> Response {
        let (encoding, content) = self.encoded(request);
        let etag = match encoding {
            Some(encoding) => format!("\"{}-{encoding}\"", self.hash),
            None => format!("\"{}\"", self.hash),
        };
        let versioned = query.and_then(|query| query.strip_prefix("v=")) == Some(self.hash);
        let caching = if versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
        let unchanged = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| known.trim().trim_start_matches("W/") == etag);
        let mut response = if unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(content).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.mime));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }

    fn encoded(&self, request: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        if let Some(brotli) = self.brotli.filter(|_| accepts(request, "br")) {
            (Some("br"), brotli)
        } else if let Some(gzip) = self.gzip.filter(|_| accepts(request, "gzip")) {
            (Some("gzip"), gzip)
        } else {
            (None, self.raw)
        }
    }
}

/// Whether `Accept-Encoding` names it, and not with the weight zero (RFC 9110, 12.5.3).
fn accepts(request: &HeaderMap, encoding: &str) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts
            .any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: Asset = Asset {
        address: "/static/x.css",
        mime: "text/css; charset=utf-8",
        hash: "abc",
        raw: b"raw",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    };

    fn request(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_best_encoding_that_is_accepted() {
        for (accept, expected) in [
            ("", None),
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("BR", Some("br")),
            ("identity", None),
        ] {
            let response = TEST.answer(&request(header::ACCEPT_ENCODING, accept), None);
            let encoding = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(encoding.map(|value| value.to_str().unwrap()), expected, "{accept}");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        for (known, status) in [("\"abc\"", 304), ("W/\"abc\", \"x\"", 304), ("\"abc-br\"", 200), ("", 200)] {
            let response = TEST.answer(&request(header::IF_NONE_MATCH, known), None);
            assert_eq!(response.status(), status, "{known}");
        }
    }

    #[test]
    fn only_the_right_hash_is_kept_for_ever() {
        let caching = |query| {
            let response = TEST.answer(&HeaderMap::new(), query);
            response.headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned()
        };
        assert!(caching(Some("v=abc")).contains("immutable"));
        assert_eq!(caching(Some("v=abd")), "no-cache");
        assert_eq!(caching(None), "no-cache");
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(ASSETS.is_sorted_by_key(|asset| asset.address));
        for asset in ASSETS {
            assert!(find(asset.address).is_some(), "{}", asset.address);
        }
        assert!(find("/static/../pages/desk.html").is_none());
        assert!(find("/static/languages/en.json").is_none());
    }
}
