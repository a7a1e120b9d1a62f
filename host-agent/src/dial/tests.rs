use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

fn dialer(way: Way) -> Dialer {
    Dialer::new(&Options { way, ..Options::default() }).unwrap()
}

fn through_proxy(proxy: &str) -> Dialer {
    dialer(Way::Proxy(Proxy::parse(proxy).unwrap()))
}

async fn error(dialer: &Dialer, host: &str, port: u16) -> String {
    let words = match dialer.tcp(host, port).await {
        Ok(_) => panic!("a connection to {host}:{port}"),
        Err(error) => error.to_string(),
    };
    assert!(!words.ends_with('.') && !words.contains(". ") && !words.contains("geheim"), "{words}");
    words
}

/// A proxy that answers the first request of every connection with this.
async fn proxy(answer: &'static str) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, task)
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    for (answer, credentials, parts) in [
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "",
            &["wants a name and a password", "--proxy http://NAME:PASSWORD@127.0.0.1:"][..],
        ),
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "me:geheim@",
            &["does not take this name and password"],
        ),
        ("HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\n\r\n", "me:geheim@", &["(Negotiate)"]),
        ("HTTP/1.1 403 No\r\n\r\n", "me:geheim@", &["lets nobody through to h.example:443", "403"]),
        ("HTTP/1.1 503 No\r\n\r\n", "", &["does not reach h.example:443", "503"]),
        ("HTTP/1.1 404 No\r\n\r\n", "", &["no proxy of this kind"]),
        ("SSH-2.0-x\r\n", "", &["no proxy of this kind"]),
    ] {
        let (port, task) = proxy(answer).await;
        let dialer = through_proxy(&format!("http://{credentials}127.0.0.1:{port}"));
        let words = error(&dialer, "h.example", 443).await;
        for part in parts.iter().chain(&["127.0.0.1"]) {
            assert!(words.contains(part), "{answer}: {words}");
        }
        task.abort();
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https", "socks4", "socks5"] {
        let words = error(&through_proxy(&format!("{scheme}://me:geheim@{free}")), "h.example", 443).await;
        assert!(words.contains(&format!("the proxy {scheme}://{free} can't be reached")), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_is_given_up_by_name_before_signaling_gives_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for scheme in ["http", "https", "socks5"] {
        let begin = tokio::time::Instant::now();
        let words = error(&through_proxy(&format!("{scheme}://{address}")), "h.example", 443).await;
        assert!(words.contains(&address.to_string()) && words.contains("does not answer"), "{words}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_dead_proxy_of_the_settings_is_gone_around_and_a_refusing_one_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let dialer = dialer(Way::Direct);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (forbidding, task) = proxy("HTTP/1.1 403 No\r\n\r\n").await;
    for (address, way_around) in [(free, true), (([127, 0, 0, 1], forbidding).into(), false)] {
        let steps = [Step::Proxy(Proxy::parse(&format!("http://{address}")).unwrap()), Step::Direct];
        let attempts = steps.iter().map(|step| dialer.step(step, "127.0.0.1", target.port()));
        let result = race::staggered(attempts, NEXT_WAY, DialError::is_verdict).await;
        assert_eq!(result.is_ok(), way_around, "{address}");
    }
    task.abort();
}

#[test]
fn both_ways_are_named_where_both_fail() {
    let direct = || DialError::Unreachable { target: "h:1".into(), reason: "no route".into() };
    let dead = || DialError::ProxyUnreachable { proxy: "http://p:1".into(), reason: "refused".into() };
    let forbidden =
        || DialError::ProxyRefused { proxy: "http://p:1".into(), target: "h:1".into(), reason: "403".into() };
    for (errors, script, parts) in [
        (vec![direct()], false, &["h:1 can't be reached (no route)"][..]),
        (vec![direct()], true, &["PAC", "no route"]),
        (vec![dead(), direct()], false, &["neither the proxy http://p:1 (refused)", "h:1 (no route)"]),
        (vec![direct(), dead()], false, &["neither"]),
        (vec![dead(), forbidden()], false, &["lets nobody through"]),
        (vec![dead()], false, &["the proxy http://p:1 can't be reached"]),
        (vec![], false, &["nowhere"]),
    ] {
        let words = summary(errors, script).to_string();
        assert!(parts.iter().all(|part| words.contains(part)), "{words}");
    }
}

#[tokio::test]
async fn a_host_is_a_host_and_no_request() {
    for host in ["h.example", "xn--bcher-kva.example", "a_b", "127.0.0.1", "::1", "2001:db8::1"] {
        assert!(is_host(host), "{host}");
    }
    for host in ["", "a b", "h\r\nX: y", "h/x", "me@h", "h:1", "[::1]", &"x".repeat(254)] {
        assert!(!is_host(host), "{host}");
    }
    let words = error(&through_proxy("http://127.0.0.1:1"), "h\r\nX: y", 1).await;
    assert!(!words.contains('\n'), "{words}");
}
