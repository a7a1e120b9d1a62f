//! The origins (RFC 6454) whose pages may act with a technician's sign-in: the server's own, and no other. One more may
//! serve the session tab; its pages may come in with a ticket, and have no part in the sign-in.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use url::Url;

/// The server's own origins, and the viewer's where that is another one, as browsers write them.
#[derive(Clone, Debug)]
pub struct Origins {
    own: Vec<String>,
    viewer: Option<String>,
}

/// What the `Origin` header of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There is none: no browser, or a plain navigation.
    Missing,
    /// A page of this server.
    Own,
    /// A page of the origin that serves the session tab in this server's stead.
    Viewer,
    /// Anything else, `null` among it.
    Foreign,
}

impl Origins {
    /// Of a server that browsers call by this address.
    pub fn public(url: &Url) -> Self {
        Self { own: vec![url.origin().ascii_serialization()], viewer: None }
    }

    /// Of a server that browsers call by what it listens on. On loopback it goes by several names.
    pub fn listening(address: SocketAddr, scheme: &str) -> Self {
        let port = address.port();
        let hosts = if address.ip().is_loopback() {
            let own = SocketAddr::new(address.ip(), port).to_string();
            vec![own, format!("localhost:{port}")]
        } else {
            vec![address.to_string()]
        };
        let urls = hosts.into_iter().filter_map(|host| Url::parse(&format!("{scheme}://{host}")).ok());
        Self { own: urls.map(|url| url.origin().ascii_serialization()).collect(), viewer: None }
    }

    /// The same, with another origin that serves the session tab.
    #[must_use]
    pub fn with_viewer(mut self, url: Option<&Url>) -> Self {
        self.viewer = url.map(|url| url.origin().ascii_serialization());
        self
    }

    /// Where a request comes from.
    pub fn of(&self, headers: &HeaderMap) -> Origin {
        let mut values = headers.get_all(header::ORIGIN).iter();
        match (values.next(), values.next()) {
            (None, _) => Origin::Missing,
            (Some(value), None) if self.own.iter().any(|own| own.as_bytes() == value.as_bytes()) => {
                Origin::Own
            }
            (Some(value), None) if self.viewer().is_some_and(|url| url.as_bytes() == value.as_bytes()) => {
                Origin::Viewer
            }
            _ => Origin::Foreign,
        }
    }

    /// The same origins for WebSockets, for the content security policy.
    pub fn websockets(&self) -> impl Iterator<Item = String> {
        self.own.iter().map(|origin| origin.replacen("http", "ws", 1))
    }

    /// The first of them.
    pub fn main(&self) -> &str {
        self.own.first().map_or("", String::as_str)
    }

    /// Where the session tab is served, if not here.
    pub fn viewer(&self) -> Option<&str> {
        self.viewer.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_exact_origin_is_own() {
        let origins = Origins::public(&"https://help.example.com".parse().unwrap());
        for (value, expected) in [
            ("https://help.example.com", Origin::Own),
            ("https://help.example.com:443", Origin::Foreign),
            ("http://help.example.com", Origin::Foreign),
            ("https://help.example.com.evil.net", Origin::Foreign),
            ("https://evil.net", Origin::Foreign),
            ("https://help.example.com/", Origin::Foreign),
            ("null", Origin::Foreign),
            ("", Origin::Foreign),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(value));
            assert_eq!(origins.of(&headers), expected, "{value:?}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(origins.of(&headers), Origin::Missing);
        headers.append(header::ORIGIN, HeaderValue::from_static("https://help.example.com"));
        headers.append(header::ORIGIN, HeaderValue::from_static("https://evil.net"));
        assert_eq!(origins.of(&headers), Origin::Foreign);
    }

    #[test]
    fn one_more_may_serve_the_session_tab() {
        let own = Origins::public(&"https://help.example.com".parse().unwrap());
        let viewer = "https://viewer.example.com".parse().unwrap();
        let both = own.clone().with_viewer(Some(&viewer));
        for (value, without, with) in [
            ("https://viewer.example.com", Origin::Foreign, Origin::Viewer),
            ("https://help.example.com", Origin::Own, Origin::Own),
            ("https://viewer.example.com:8443", Origin::Foreign, Origin::Foreign),
            ("https://evil.viewer.example.com", Origin::Foreign, Origin::Foreign),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(value))]);
            assert_eq!((own.of(&headers), both.of(&headers)), (without, with), "{value}");
        }
        assert_eq!(both.viewer(), Some("https://viewer.example.com"));
        assert!(both.websockets().all(|origin| origin == "wss://help.example.com"));
    }

    #[test]
    fn loopback_has_two_names() {
        let origins = Origins::listening("127.0.0.1:8080".parse().unwrap(), "http");
        assert_eq!(origins.own, ["http://127.0.0.1:8080", "http://localhost:8080"]);
        assert_eq!(origins.websockets().next().unwrap(), "ws://127.0.0.1:8080");
        let origins = Origins::listening("[::1]:443".parse().unwrap(), "https");
        assert_eq!(origins.own, ["https://[::1]", "https://localhost"]);
    }
}
