//! The technician's API: sessions, their live state, downloads.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::signal::{Entry, HostToServer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::{TOKEN, TestServer, soon};

/// Reads Server-Sent Events until the only session looks as wanted.
async fn wait_for(
    lines: &mut tokio::io::Lines<BufReader<TcpStream>>,
    wanted: impl Fn(&[Value]) -> bool,
) -> Value {
    soon(async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the stream goes on");
            if let Some(data) = line.strip_prefix("data: ") {
                let json: Value = serde_json::from_str(data).unwrap();
                let sessions = json["sessions"].as_array().unwrap();
                if wanted(sessions) {
                    return json;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_desk_sees_a_session_live() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /api/sessions/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(soon(lines.next_line()).await.unwrap().unwrap(), "HTTP/1.1 200 OK");
    wait_for(&mut lines, <[Value]>::is_empty).await;

    let state =
        |state: &'static str| move |sessions: &[Value]| sessions.first().is_some_and(|s| s["state"] == state);
    let (session, nameplate) = server.create().await;
    let waiting = wait_for(&mut lines, state("waiting")).await;
    let shown = &waiting["sessions"][0];
    assert_eq!(shown["session"], session.to_string());
    assert_eq!(shown["nameplate"], nameplate.to_string());
    assert!(shown["code_valid_s"].as_u64().unwrap() > 590);
    assert_eq!(
        (&shown["host"], &shown["held"], &shown["headless"]),
        (&Value::Null, &0.into(), &false.into())
    );

    let (viewer, ..) = server.viewer(Entry::SignedIn { session }).await;
    let (mut host, _) = server.host(Entry::Nameplate { nameplate }).await;
    let connecting = wait_for(&mut lines, state("connecting")).await;
    assert_eq!(connecting["sessions"][0]["host"]["machine"], "test");
    assert_eq!(connecting["sessions"][0]["headless"], true);
    assert_eq!(connecting["sessions"][0]["code_valid_s"], 0);

    host.send(&HostToServer::Rights { held: Rights::only(Right::View) }).await;
    let active = wait_for(&mut lines, state("active")).await;
    assert_eq!(active["sessions"][0]["held"], 1);
    drop(viewer);
    wait_for(&mut lines, state("interrupted")).await;
    host.send(&HostToServer::End { reason: CloseReason::CustomerEnded }).await;
    wait_for(&mut lines, <[Value]>::is_empty).await;

    // The stream does not hold the shutdown up.
    server.shut_down();
    soon(async { while let Ok(Some(_)) = lines.next_line().await {} }).await;
    server.stop().await;
}

#[tokio::test]
async fn a_code_tells_who_helps() {
    let server = TestServer::start().await;
    let (session, nameplate) = server.create().await;
    let answer = server.get(&format!("/api/nameplates/{nameplate}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["technician"], serde_json::json!({ "name": "Ada", "organisation": "Example" }));
    assert!(!answer.text().contains(&session.to_string()));
    // Asking does not use it up.
    let _host = server.host(Entry::Nameplate { nameplate }).await;
    for path in [
        format!("/api/nameplates/{nameplate}"),
        "/api/nameplates/abc".into(),
        "/api/nameplates/1234567".into(),
    ] {
        let answer = server.get(&path).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (404, Some("unknown_code")), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn programs_are_offered() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nearhand-host-linux-x86_64"), "program").unwrap();
    std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    let server = TestServer::with(&["--downloads", folder.path().to_str().unwrap()]).await;
    let list = server.get("/api/downloads").await.json();
    assert_eq!(list["downloads"].as_array().unwrap().len(), 1);
    let download = &list["downloads"][0];
    assert_eq!(
        (&download["system"], &download["arch"], &download["bytes"]),
        (&"linux".into(), &"x86_64".into(), &7.into())
    );
    assert_eq!(download["sha256"].as_str().unwrap().len(), 64);

    let file = server.get("/download/nearhand-host-linux-x86_64").await;
    assert_eq!((file.status, file.text().as_str()), (200, "program"));
    assert_eq!(file.header("content-disposition"), Some("attachment"));
    assert_eq!(file.header("content-length"), Some("7"));
    for name in [
        "secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "nearhand-host-linux-arm64",
        "nearhand-host-linux-x86_64%00",
    ] {
        assert_eq!(server.get(&format!("/download/{name}")).await.status, 404, "{name}");
    }
    server.stop().await;
    assert_eq!(
        TestServer::start().await.get("/api/downloads").await.json()["downloads"],
        serde_json::json!([])
    );
}
