//! The host's connection to the server, with the real server on a port of its own.

mod running;

use std::net::SocketAddr;

use nearhand_host::config::Server as Address;
use nearhand_host::dial::{Dialer, Options};
use nearhand_host::signal::{Connector, Event, Introduction, Signal};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::signal::{HostInfo, HostToServer, ServerToHost};
use running::{PATIENCE, Running};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(PATIENCE, events.recv()).await.expect("in time").expect("an event")
}

async fn welcomed(events: &mut mpsc::Receiver<Event>) {
    let event = next(events).await;
    assert!(matches!(event, Event::Message(ServerToHost::Welcome { .. })), "{event:?}");
}

async fn refusal(events: &mut mpsc::Receiver<Event>) -> String {
    match next(events).await {
        Event::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_works_once_and_others_are_refused_in_words() {
    let state = tempfile::tempdir().expect("a folder");
    let server = Running::start("127.0.0.1:0", state.path().to_str().expect("UTF-8")).await;
    let (_, nameplate) = server.create().await;
    let (signal, mut events) = server.join(nameplate);
    welcomed(&mut events).await;

    let (again, mut refused) = server.join(nameplate);
    assert!(refusal(&mut refused).await.contains("ask the technician for a new one"));
    again.finish(PATIENCE).await;
    let wrong = Nameplate::from_number((nameplate.number() + 1) % Nameplate::COUNT).expect("a nameplate");
    let (other, mut refused) = server.join(wrong);
    assert!(refusal(&mut refused).await.contains("this code is wrong"));
    other.finish(PATIENCE).await;

    // The customer's end reaches the server: its session is gone from the desk.
    assert!(signal.send(HostToServer::End { reason: CloseReason::CustomerEnded }));
    signal.finish(PATIENCE).await;
    timeout(PATIENCE, async {
        while server.api("GET", "/api/sessions").await["sessions"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the session ends");
    server.stop().await;
}

#[tokio::test]
async fn a_restarted_server_is_come_back_to() {
    let state = tempfile::tempdir().expect("a folder");
    let state = state.path().to_str().expect("UTF-8");
    let server = Running::start("127.0.0.1:0", state).await;
    let address = server.address.to_string();
    let (signal, mut events) = server.join(server.create().await.1);
    welcomed(&mut events).await;
    server.stop().await;
    let event = next(&mut events).await;
    assert!(matches!(event, Event::Lost(_)), "{event:?}");
    // Said while nobody listens: it arrives later.
    assert!(signal.send(HostToServer::Rights { held: Rights::only(Right::View) }));

    let server = Running::start(&address, state).await;
    loop {
        match next(&mut events).await {
            Event::Lost(_) => {}
            Event::Message(ServerToHost::Welcome { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    timeout(PATIENCE, async {
        while server.api("GET", "/api/sessions").await["sessions"][0]["held"] != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the rights arrive");
    signal.finish(PATIENCE).await;
    server.stop().await;
}

#[tokio::test]
async fn nobody_at_the_address_and_somebody_else_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let start = |scheme: &str, address: SocketAddr| {
        let address = Address::parse(&format!("{scheme}://{address}")).expect("an address");
        let dialer = Dialer::new(&Options::default()).expect("a dialer");
        let connector = Connector::new(address, dialer).expect("a connector");
        let nameplate = Nameplate::from_number(1).expect("a nameplate");
        Signal::start(connector, Introduction { nameplate, info: HostInfo::default() })
    };
    let (signal, mut events) = start("http", free);
    let words = refusal(&mut events).await;
    assert!(words.contains(&free.to_string()) && words.contains("can't be reached"), "{words}");
    signal.finish(PATIENCE).await;

    for (scheme, expected) in [("http", "no Nearhand server"), ("https", "nothing speaks TLS")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let stranger = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        });
        let (signal, mut events) = start(scheme, address);
        let words = refusal(&mut events).await;
        assert!(words.contains(expected), "{words}");
        signal.finish(PATIENCE).await;
        stranger.await.expect("the stranger");
    }
}
