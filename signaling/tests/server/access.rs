//! Nobody gets in by a side door: not without a sign-in, not from another site's page, not by another spelling.

use nearhand_protocol::id::SessionId;
use uuid::Uuid;

use crate::support::{TOKEN, TestServer, ViewerPeer};

/// Addresses that need a sign-in, with a method that they take.
fn protected(session: SessionId) -> Vec<(&'static str, String)> {
    vec![
        ("GET", "/desk".into()),
        ("GET", format!("/session/{session}")),
        ("GET", "/api/sessions".into()),
        ("POST", "/api/sessions".into()),
        ("GET", "/api/sessions/events".into()),
        ("DELETE", format!("/api/sessions/{session}")),
        ("POST", format!("/api/sessions/{session}/tickets")),
    ]
}

/// The same address as somebody would write it who hopes that two parts of a server read it differently.
fn spellings(path: &str) -> Vec<String> {
    let last = path.rfind('/').unwrap();
    let (parent, name) = path.split_at(last + 1);
    let encoded_first = format!("{parent}%{:02x}{}", name.as_bytes()[0], &name[1..]);
    let mut spellings = vec![
        path.to_owned(),
        path.to_uppercase(),
        format!("{parent}{}{}", name[..1].to_uppercase(), &name[1..]),
        encoded_first,
        path.replacen('/', "//", 1),
        format!("{parent}/{name}"),
        format!("/.{path}"),
        format!("/./{}", &path[1..]),
        format!("/static/..{path}"),
        format!("/static/%2e%2e{path}"),
        format!("/static/..%2f{}", &path[1..]),
        format!("/healthz/..{path}"),
        format!("/sign-in/..{path}"),
        format!("/viewer/../..{path}"),
        format!("/x/..{path}"),
        format!("{path}\\"),
        path.replace('/', "\\").replacen('\\', "/", 1),
    ];
    for suffix in [
        "/",
        "//",
        "/.",
        "/..",
        "/x",
        ".json",
        ".html",
        ".css",
        ";x",
        ";/static/a.css",
        "%00",
        "%20",
        "%2f",
        "?x=1",
        "?v=1",
        "#x",
        "..",
        "~",
    ] {
        spellings.push(format!("{path}{suffix}"));
    }
    spellings
}

#[tokio::test]
async fn every_address_and_spelling_denies_by_default() {
    let server = TestServer::start().await;
    let (session, _) = server.create().await;
    let credentials: [&[(&str, &str)]; 5] = [
        &[],
        &[("cookie", "nearhand=AAAA")],
        &[("cookie", "nearhand=")],
        &[("authorization", "Basic AAAA")],
        &[("x-original-url", "/healthz"), ("x-rewrite-url", "/healthz"), ("x-http-method-override", "GET")],
    ];
    for (method, path) in protected(session) {
        for spelling in spellings(&path) {
            for headers in credentials {
                let answer = server.request(method, &spelling, headers, "").await;
                let denied = match answer.status {
                    303 => answer.header("location").unwrap().starts_with("/sign-in?next=/"),
                    400 | 401 | 403 | 404 | 405 => true,
                    _ => false,
                };
                assert!(denied, "{method} {spelling} {headers:?}: {answer:?}");
                assert!(!answer.text().contains("nameplate"), "{method} {spelling}");
            }
        }
    }
    // Nothing came of it.
    assert_eq!(server.sessions().await.len(), 1);
    server.stop().await;
}

/// Every method on every address: without a sign-in only reading what is public succeeds.
#[tokio::test]
async fn every_method_denies_by_default() {
    let server = TestServer::start().await;
    let session = SessionId::new(Uuid::nil());
    let public = ["/", "/sign-in", "/healthz", "/api/downloads"];
    let addresses = protected(session).into_iter().map(|(_, path)| path);
    let addresses = addresses.chain(
        [
            "/",
            "/sign-in",
            "/sign-out",
            "/healthz",
            "/api/downloads",
            "/api",
            "/api/",
            "/static",
            "/static/",
            "/viewer/",
        ]
        .map(str::to_owned),
    );
    for path in addresses {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"]
        {
            // What another site's page can send.
            let headers = [("origin", "https://evil.example"), ("content-type", "text/plain")];
            let answer = server.request(method, &path, &headers, "token=x").await;
            let reads_public = public.contains(&path.as_str()) && matches!(method, "GET" | "HEAD");
            if reads_public {
                assert_eq!(answer.status, 200, "{method} {path}");
            } else {
                assert!(matches!(answer.status, 303 | 400..=405), "{method} {path}: {answer:?}");
            }
            assert!(answer.header("access-control-allow-origin").is_none());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_cookie_works_from_own_pages_only() {
    let server = TestServer::start().await;
    let cookie = server.sign_in().await;
    let own = server.origin();
    let https = own.replace("http", "https");
    let longer = format!("{own}.evil.example");
    let foreign = [
        "https://evil.example",
        "null",
        "",
        "file://",
        &https,
        &longer,
        "http://127.0.0.1",
        "http://[::1]:1",
    ];
    for (method, path) in [
        ("POST", "/api/sessions"),
        ("DELETE", "/api/sessions/x"),
        ("POST", "/api/sessions/x/tickets"),
        ("POST", "/sign-out"),
        ("POST", "/sign-in"),
    ] {
        for origin in foreign {
            let answer = server.request(method, path, &[("cookie", &cookie), ("origin", origin)], "").await;
            assert_eq!(answer.status, 403, "{method} {path} from {origin:?}");
        }
        let answer = server.request(method, path, &[("cookie", &cookie)], "").await;
        assert_eq!(answer.status, 403, "{method} {path} without an origin");
        let twice = [("cookie", cookie.as_str()), ("origin", &own), ("origin", "https://evil.example")];
        assert_eq!(server.request(method, path, &twice, "").await.status, 403);
    }
    let answer = server.request("POST", "/api/sessions", &[("cookie", &cookie), ("origin", &own)], "").await;
    assert_eq!(answer.status, 201);

    for origin in foreign {
        let refused = server.open::<(), ()>("/ws/viewer", &[("cookie", &cookie), ("origin", origin)]).await;
        assert_eq!(refused.err(), Some(403), "{origin:?}");
        let refused = server.open::<(), ()>("/ws/host", &[("origin", origin)]).await;
        assert_eq!(refused.err(), Some(403), "{origin:?}");
    }
    let refused = server.open::<(), ()>("/ws/viewer", &[("cookie", &cookie)]).await;
    assert_eq!(refused.err(), Some(403), "a missing origin");
    let bearer = format!("Bearer {TOKEN}");
    let refused = server.open::<(), ()>("/ws/viewer", &[("authorization", &bearer)]).await;
    assert_eq!(refused.err(), Some(403), "a missing origin, whoever asks");
    let _open: ViewerPeer =
        server.open("/ws/viewer", &[("cookie", &cookie), ("origin", &own)]).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn signing_in_and_out() {
    let server = TestServer::start().await;
    let answer = server.submit(TOKEN, "/session/0123").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/session/0123")));
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains(TOKEN));

    for next in ["//evil.example", "https://evil.example", "/%5Cevil.example", "%0d%0aset-cookie:x", ""] {
        assert_eq!(server.submit(TOKEN, next).await.header("location"), Some("/desk"), "{next}");
    }
    let wrong = server.submit("wrong", "/session/0123").await;
    assert_eq!(wrong.header("location"), Some("/sign-in?error=wrong&next=%2Fsession%2F0123"));
    assert_eq!(wrong.header("set-cookie"), None);

    let own = server.origin();
    let cookie = server.sign_in().await;
    assert_eq!(server.request("GET", "/desk", &[("cookie", &cookie)], "").await.status, 200);
    let out = server.request("POST", "/sign-out", &[("cookie", &cookie), ("origin", &own)], "").await;
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    assert!(out.header("set-cookie").unwrap().contains("nearhand=; Path=/; Max-Age=0"));
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_token_is_no_token() {
    let server = TestServer::start().await;
    for token in ["", "x", "canary-token-012345678", "canary-token-01234567890"] {
        let bearer = format!("Bearer {token}");
        let answer = server.request("GET", "/api/sessions", &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status, 401, "{token}");
        assert_eq!(answer.json()["error"], "not_signed_in");
    }
    server.stop().await;
}
