//! Guessing is slow, and a guesser shuts nobody else out. The addresses are those that a proxy would tell.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::signal::Entry;

use crate::support::{HostPeer, TOKEN, TestServer, host_hello};

async fn behind_proxy() -> TestServer {
    TestServer::with(&["--behind-proxy", "--public-url", "https://help.example.com"]).await
}

/// What a code gets from this address.
async fn join(server: &TestServer, from: &str, nameplate: Nameplate) -> Option<CloseReason> {
    let mut host: HostPeer = server.open("/ws/host", &[("x-forwarded-for", from)]).await.unwrap();
    host.send(&host_hello(Entry::Nameplate { nameplate })).await;
    match host.receive().await {
        nearhand_protocol::signal::ServerToHost::Welcome { .. } => None,
        nearhand_protocol::signal::ServerToHost::End { reason } => Some(reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guesser_waits_and_the_real_pair_does_not() {
    let server = behind_proxy().await;
    let (_, nameplate) = server.create().await;
    let wrong = Nameplate::from_number((nameplate.number() + 1) % Nameplate::COUNT).unwrap();
    let mut guesses = 0;
    while join(&server, "192.0.2.1", wrong).await == Some(CloseReason::UnknownCode) {
        guesses += 1;
        assert!(guesses < 30, "nobody may guess for ever");
    }
    assert_eq!(
        join(&server, "192.0.2.1", nameplate).await,
        Some(CloseReason::TooManyAttempts),
        "right, but too late"
    );
    // What the client says about itself is not believed: only what the proxy added at the end.
    assert_eq!(join(&server, "198.51.100.9, 192.0.2.1", wrong).await, Some(CloseReason::TooManyAttempts));
    let asked = server
        .request("GET", &format!("/api/nameplates/{nameplate}"), &[("x-forwarded-for", "192.0.2.1")], "")
        .await;
    assert_eq!((asked.status, asked.json()["error"].as_str()), (429, Some("too_many_attempts")));
    assert!(asked.header("retry-after").is_some());
    assert_eq!(join(&server, "192.0.2.2", nameplate).await, None, "the pair comes from elsewhere");
    server.stop().await;
}

#[tokio::test]
async fn one_ipv6_network_is_one_guesser() {
    let server = behind_proxy().await;
    let wrong = Nameplate::from_number(1).unwrap();
    for n in 0..30 {
        join(&server, &format!("2001:db8::{n}"), wrong).await;
    }
    assert_eq!(join(&server, "2001:db8::ffff", wrong).await, Some(CloseReason::TooManyAttempts));
    server.stop().await;
}

#[tokio::test]
async fn wrong_tokens_wait_too() {
    let server = behind_proxy().await;
    let origin = "https://help.example.com";
    let submit = async |from: &str, token: &str| {
        let form = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin),
            ("x-forwarded-for", from),
        ];
        let answer = server.request("POST", "/sign-in", &form, &format!("token={token}")).await;
        answer.header("location").unwrap().to_owned()
    };
    let mut guesses = 0;
    while submit("192.0.2.1", "wrong").await == "/sign-in?error=wrong" {
        guesses += 1;
        assert!(guesses < 20);
    }
    assert_eq!(submit("192.0.2.1", TOKEN).await, "/sign-in?error=too_many", "right, but too late");
    let bearer = format!("Bearer {TOKEN}");
    let asked = server
        .request("GET", "/api/sessions", &[("authorization", &bearer), ("x-forwarded-for", "192.0.2.1")], "")
        .await;
    assert_eq!(asked.status, 429);
    assert_eq!(submit("192.0.2.2", TOKEN).await, "/desk");
    server.stop().await;
}

/// Without a proxy the header is nothing but words of the client.
#[tokio::test]
async fn nobody_invents_an_address() {
    let server = TestServer::start().await;
    let wrong = Nameplate::from_number(1).unwrap();
    for n in 0..20 {
        join(&server, &format!("192.0.2.{n}"), wrong).await;
    }
    assert_eq!(join(&server, "192.0.2.99", wrong).await, Some(CloseReason::TooManyAttempts));
    server.stop().await;
}
