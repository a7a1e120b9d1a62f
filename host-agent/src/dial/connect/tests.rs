use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use nearhand_desktop::proxy::Credentials;
use proptest::prelude::*;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinSet;

use super::*;

/// Plays proxies, one for each connection: each says its answers, one for each request, and then closes. What came of it,
/// and the requests.
async fn play(
    proxies: Vec<Vec<Vec<u8>>>,
    credentials: Option<&Credentials>,
) -> (Result<Box<dyn Stream>, Failure>, Vec<String>) {
    let requests = std::sync::Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let mut ends = VecDeque::new();
    for answers in proxies {
        let (ours, theirs) = duplex(1 << 20);
        ends.push_back(ours);
        tasks.spawn(serve(theirs, answers, requests.clone()));
    }
    let ends = Mutex::new(ends);
    let open = async || match ends.lock().unwrap().pop_front() {
        Some(end) => Ok(Box::new(end) as Box<dyn Stream>),
        None => Err(Failure::Broken(io::ErrorKind::ConnectionRefused.into())),
    };
    let mut login = Login::new(credentials, None);
    let result = tokio::time::timeout(Duration::from_secs(5), connect(open, "h:443", &mut login)).await;
    drop(ends);
    // One that still waits for a request of ours waits for ever.
    tasks.shutdown().await;
    let requests = requests.lock().unwrap().clone();
    // Those who call have a time limit too.
    (result.unwrap_or_else(|_| Err(Failure::Broken(io::ErrorKind::TimedOut.into()))), requests)
}

async fn serve(stream: DuplexStream, answers: Vec<Vec<u8>>, requests: std::sync::Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    for answer in answers {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if stream.read_line(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        requests.lock().unwrap().push(request);
        let _ = stream.get_mut().write_all(&answer).await;
    }
}

fn one(answer: &str) -> Vec<Vec<Vec<u8>>> {
    vec![vec![answer.into()]]
}

fn credentials() -> Credentials {
    Credentials { name: "me".into(), password: "geheim".into() }
}

#[tokio::test]
async fn the_stream_begins_right_after_the_head() {
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\nX: y\r\n\r\n",
        "HTTP/1.1 200\r\ncontent-length: 7\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (result, requests) = play(one(&format!("{head}HTTP/1.1 first words")), None).await;
        let mut words = String::new();
        result.unwrap_or_else(|error| panic!("{head}: {error:?}")).read_to_string(&mut words).await.unwrap();
        assert_eq!(words, "HTTP/1.1 first words", "{head}");
        assert!(requests[0].starts_with("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n"), "{requests:?}");
        assert!(!requests[0].contains("Authorization"), "{requests:?}");
    }
}

#[tokio::test]
async fn a_sign_in_keeps_the_connection_or_makes_another() {
    let ask = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n";
    let keep = format!("{ask}Content-Length: 5\r\n\r\nsorry");
    let close = format!("{ask}Connection: close\r\n\r\nsorry");
    let old = ask.replace("1.1", "1.0") + "\r\n";
    let chunked = format!("{ask}Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n0\r\n\r\n");
    let huge = format!("{ask}Content-Length: 99999999999\r\n\r\n");
    let fine = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let me = credentials();
    let (result, requests) = play(vec![vec![keep.into(), fine.clone()]], Some(&me)).await;
    assert!(result.is_ok(), "{:?}", result.err());
    assert!(requests[1].contains("\r\nProxy-Authorization: Basic bWU6Z2VoZWlt\r\n"), "{requests:?}");
    for ask in [close, old, chunked, huge] {
        let (result, requests) = play(vec![vec![ask.clone().into()], vec![fine.clone()]], Some(&me)).await;
        assert!(result.is_ok() && requests.len() == 2, "{ask}: {:?}", result.err());
    }
}

#[tokio::test]
async fn a_proxy_that_promises_to_stay_and_closes_is_asked_again() {
    let keep = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
    let fine = "HTTP/1.1 200 OK\r\n\r\n";
    let me = credentials();
    let (result, requests) = play(vec![vec![keep.into()], vec![fine.into()]], Some(&me)).await;
    assert!(result.is_ok(), "{:?}", result.err());
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains("Proxy-Authorization: Basic "), "{requests:?}");
}

#[tokio::test]
async fn ntlm_lives_on_one_connection() {
    let first = "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
    let token = data_encoding::BASE64.encode(&[&b"NTLMSSP\0\x02\0\0\0"[..], &[0; 36]].concat());
    let second =
        format!("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM {token}\r\nContent-Length: 2\r\n\r\nno");
    let fine = "HTTP/1.1 200 OK\r\n\r\n";
    let me = credentials();
    let (result, requests) =
        play(vec![vec![first.into(), second.clone().into(), fine.into()]], Some(&me)).await;
    assert!(result.is_ok(), "{:?}", result.err());
    assert_eq!(requests.iter().filter(|request| request.contains("Proxy-Authorization: NTLM ")).count(), 2);
    let closing = second.replace("Content-Length: 2", "Connection: close");
    let (result, _) = play(vec![vec![first.into(), closing.into()], vec![fine.into()]], Some(&me)).await;
    assert!(matches!(result.err(), Some(Failure::NotHttp(_))));
}

#[tokio::test]
async fn what_is_no_way_through() {
    assert!(matches!(play(one("HTTP/1.1 403 No\r\n\r\n"), None).await.0.err(), Some(Failure::Status(403))));
    let ask = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
    let (result, _) = play(one(ask), None).await;
    assert!(matches!(result.err(), Some(Failure::Login(Refusal::NoCredentials))));
    let me = credentials();
    let (result, requests) = play(vec![vec![ask.into(); 9]], Some(&me)).await;
    assert!(matches!(result.err(), Some(Failure::Login(Refusal::WrongCredentials))));
    assert_eq!(requests.len(), 2);
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(LONGEST_HEAD));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MOST_FIELDS + 1));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MOST_INTERIM + 1);
    for answer in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nX",
        "HTTP/1.1 200 OK\r\n",
        "\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "\u{5}\u{ff}",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad field\r\n\r\n",
        &long,
        &many,
        &interim,
    ] {
        let (result, _) = play(one(answer), None).await;
        let expected = |error: &Failure| matches!(error, Failure::NotHttp(_) | Failure::Closed);
        assert!(result.err().as_ref().is_some_and(expected), "{answer}");
    }
}

#[tokio::test]
async fn no_more_than_a_head_is_ever_kept() {
    // Somebody who never ends a line.
    let (ours, mut theirs) = duplex(64 * 1024);
    let task = tokio::spawn(async move {
        let mut sent = 0;
        theirs.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while theirs.write_all(&[b'x'; 1024]).await.is_ok() {
            sent += 1024;
        }
        sent
    });
    let head = head(&mut BufReader::new(ours)).await;
    assert!(matches!(head, Err(Failure::NotHttp("its answer is too long"))));
    assert!(task.await.unwrap() <= 80 * 1024);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_proxy_makes_us_panic_or_hang(
        answers in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                r"HTTP/1\.[01] (100|200|407|502) [ -~]{0,10}\r?\n((Proxy-Authenticate: (Basic|Digest|NTLM)[ -~]{0,40}|Content-Length: [0-9]{0,20}|Connection: (close|keep-alive)|[ -~]{0,20})\r?\n){0,4}(\r?\n)?[ -~]{0,20}".prop_map(String::into_bytes),
            ],
            0..6,
        ),
        connections in 1..3_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let me = credentials();
        let proxies = vec![answers; connections];
        let (_, requests) = runtime.block_on(play(proxies, Some(&me)));
        prop_assert!(requests.len() <= 2 * MOST_REQUESTS);
    }
}
