//! The session tab from another origin: it comes in with a ticket, and with nothing else.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::id::{SessionId, Ticket};
use nearhand_protocol::signal::{Entry, ServerToViewer};
use uuid::Uuid;

use crate::support::{Client, TOKEN, TestServer, ViewerPeer, viewer_hello};

const ELSEWHERE: &str = "https://viewer.example";

async fn serve() -> TestServer {
    TestServer::with(&["--viewer-origin", ELSEWHERE]).await
}

/// A tab of the other origin, as a browser of a technician who is signed in here opens it.
async fn tab(server: &Client, cookie: &str) -> ViewerPeer {
    server.open("/ws/viewer", &[("origin", ELSEWHERE), ("cookie", cookie)]).await.unwrap()
}

async fn ticket(server: &Client, session: SessionId) -> Ticket {
    let answer = server.api("POST", &format!("/api/sessions/{session}/tickets")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    Ticket::new(answer.json()["ticket"].as_str().unwrap().to_owned())
}

/// How a tab of the other origin that says this is turned away.
async fn refused(server: &Client, cookie: &str, entry: Entry) -> CloseReason {
    let mut tab = tab(server, cookie).await;
    tab.send(&viewer_hello(entry)).await;
    tab.end().await
}

#[tokio::test]
async fn a_ticket_lets_one_tab_in_once() {
    let server = serve().await;
    let (session, _) = server.create().await;
    let cookie = server.sign_in().await;
    let entry = Entry::Ticket { session, ticket: ticket(&server, session).await };
    let mut first = tab(&server, &cookie).await;
    first.send(&viewer_hello(entry.clone())).await;
    let ServerToViewer::Welcome { resume, .. } = first.receive().await else { panic!() };
    assert_eq!(refused(&server, &cookie, entry).await, CloseReason::NotSignedIn, "it was used");

    // From then on it comes back as every other tab does.
    let mut again = tab(&server, &cookie).await;
    again.send(&viewer_hello(Entry::Resume { token: resume })).await;
    assert!(matches!(again.receive().await, ServerToViewer::Welcome { .. }));
    assert_eq!(first.end().await, CloseReason::Replaced);
    server.stop().await;
}

#[tokio::test]
async fn nothing_else_lets_it_in() {
    let server = serve().await;
    let (session, _) = server.create().await;
    let (other, _) = server.create().await;
    let cookie = server.sign_in().await;
    // Browsers send the cookie along where both origins are of one site; it must not count.
    let by_cookie = Entry::SignedIn { session };
    assert_eq!(refused(&server, &cookie, by_cookie).await, CloseReason::NotSignedIn);
    let of_another = Entry::Ticket { session, ticket: ticket(&server, other).await };
    assert_eq!(refused(&server, &cookie, of_another.clone()).await, CloseReason::NotSignedIn);
    let Entry::Ticket { ticket: spent, .. } = of_another else { panic!() };
    let spent = Entry::Ticket { session: other, ticket: spent };
    assert_eq!(refused(&server, &cookie, spent).await, CloseReason::NotSignedIn, "it was used up by that");
    for text in ["", "0", &"a".repeat(32), &"a".repeat(4096)] {
        let forged = Entry::Ticket { session, ticket: Ticket::new(text.into()) };
        assert_eq!(refused(&server, &cookie, forged).await, CloseReason::NotSignedIn);
    }

    // It is a ticket for the technician's seat.
    assert_eq!(
        server.host_refused(Entry::Ticket { session, ticket: ticket(&server, session).await }).await,
        CloseReason::BadMessage
    );
    server.stop().await;
}

#[tokio::test]
async fn only_who_is_signed_in_on_our_own_pages_gets_tickets() {
    let server = serve().await;
    let (session, _) = server.create().await;
    let cookie = server.sign_in().await;
    let own = server.origin();
    let path = format!("/api/sessions/{session}/tickets");
    let cookie = cookie.as_str();
    for (headers, status) in [
        (&[][..], 401),
        (&[("cookie", cookie)], 403),
        (&[("cookie", cookie), ("origin", ELSEWHERE)], 403),
        (&[("cookie", cookie), ("origin", "null")], 403),
        (&[("cookie", cookie), ("origin", &own)], 201),
    ] {
        let answer = server.request("POST", &path, headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}");
        // The other origin's pages can't read what this server answers.
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let unknown = format!("/api/sessions/{}/tickets", SessionId::new(Uuid::nil()));
    assert_eq!(server.api("POST", &unknown).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn one_more_origin_is_one_more_and_the_desk_knows_it() {
    let server = serve().await;
    let bearer = format!("Bearer {TOKEN}");
    for origin in ["https://evil.example", "https://viewer.example:444", "http://viewer.example", "null"] {
        let headers = [("origin", origin), ("authorization", bearer.as_str())];
        let refused = server.open::<(), ()>("/ws/viewer", &headers).await;
        assert_eq!(refused.err(), Some(403), "{origin}");
    }
    let refused = server.open::<(), ()>("/ws/host", &[("origin", ELSEWHERE)]).await;
    assert_eq!(refused.err(), Some(403), "the customer's program is no page");

    assert_eq!(server.api("GET", "/api/sessions").await.json()["viewer"], ELSEWHERE);
    let created = server.api("POST", "/api/sessions").await.json();
    assert_eq!(created["viewer"], ELSEWHERE);
    // The tab's code must not come from here by an old link.
    let old = server.api("GET", &format!("/session/{}", created["session"].as_str().unwrap())).await;
    assert_eq!((old.status, old.header("location")), (303, Some("/desk")));
    server.stop().await;

    // Without the option there is no such origin.
    let server = TestServer::start().await;
    assert!(server.api("GET", "/api/sessions").await.json()["viewer"].is_null());
    let headers = [("origin", ELSEWHERE), ("authorization", bearer.as_str())];
    assert_eq!(server.open::<(), ()>("/ws/viewer", &headers).await.err(), Some(403));
    server.stop().await;
}
