//! The way out through real proxies: squid, microsocks and dante.

#![cfg(unix)]

mod proxy_programs;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nearhand_host::dial::{Dialer, Options, Proxy, Stream, Way};
use proxy_programs::{Program, Squid, dante, is_installed, microsocks, squid};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(30);

/// Says back what it hears; ends with it.
struct Echo {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn echo(listen: &str) -> Echo {
    let listener = TcpListener::bind(listen).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut reader, mut writer) = split(stream);
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    Echo { address, _tasks: tasks }
}

/// TLS with a certificate for `localhost` in front of another address.
async fn tls(behind: SocketAddr, certificate: &Path) -> Echo {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(certificate, made.cert.pem()).expect("a file");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Ok(mut further) = TcpStream::connect(behind).await else { return };
                let _ = copy_bidirectional(&mut stream, &mut further).await;
            });
        }
    });
    Echo { address, _tasks: tasks }
}

fn dialer(proxy: &str, ca_cert: Option<&Path>) -> Dialer {
    let way = Way::Proxy(Proxy::parse(proxy).expect("a proxy"));
    Dialer::new(&Options { way, ca_cert: ca_cert.map(Path::to_owned) }).expect("a dialer")
}

async fn says_back(mut stream: Box<dyn Stream>) {
    let words = vec![7; 100_000];
    let mut heard = vec![0; words.len()];
    let (mut reader, mut writer) = split(&mut stream);
    let (wrote, read) = timeout(PATIENCE, async {
        tokio::join!(
            async {
                writer.write_all(&words).await?;
                writer.flush().await
            },
            reader.read_exact(&mut heard)
        )
    })
    .await
    .expect("in time");
    wrote.expect("words");
    read.expect("an echo");
    assert_eq!(heard, words);
}

async fn works(dialer: &Dialer, host: &str, port: u16) {
    let stream = timeout(PATIENCE, dialer.tcp(host, port)).await.expect("in time");
    says_back(stream.unwrap_or_else(|error| panic!("{error}"))).await;
}

async fn refused(proxy: &str, port: u16) -> String {
    let words = match timeout(PATIENCE, dialer(proxy, None).tcp("localhost", port)).await.expect("in time") {
        Ok(_) => panic!("{proxy} let us through"),
        Err(error) => error.to_string(),
    };
    assert!(!words.contains("geheim") && !words.ends_with('.'), "{words}");
    words
}

/// With `me` and this password where it stands.
fn url(scheme: &str, password: Option<&str>, proxy: &Program) -> String {
    let credentials = password.map(|password| format!("me:{password}@")).unwrap_or_default();
    format!("{scheme}://{credentials}{}", proxy.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn squid_for_everybody() {
    if !is_installed("squid") {
        return;
    }
    let (echo, proxy) = (echo("127.0.0.1:0").await, squid(Squid::Open));
    let port = echo.address.port();
    // The proxy looks the name up.
    works(&dialer(&url("http", None, &proxy), None), "localhost", port).await;
    works(&dialer(&url("http", None, &proxy), None), "127.0.0.1", port).await;
    proxy.log("access.log", &format!("CONNECT localhost:{port}"));
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let words = refused(&url("http", None, &proxy), nobody.port()).await;
    assert!(words.contains("does not reach localhost") && words.contains("503"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn squid_for_nobody() {
    if !is_installed("squid") {
        return;
    }
    let proxy = squid(Squid::Forbidding);
    let words = refused(&url("http", None, &proxy), 443).await;
    assert!(words.contains("lets nobody through to localhost:443") && words.contains("403"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn squid_with_basic_and_digest() {
    if !is_installed("squid") {
        return;
    }
    let echo = echo("127.0.0.1:0").await;
    let port = echo.address.port();
    for kind in [Squid::Basic, Squid::Digest] {
        let proxy = squid(kind);
        let dialer = dialer(&url("http", Some("geheim"), &proxy), None);
        for _ in 0..3 {
            works(&dialer, "localhost", port).await;
        }
        // Asked once: the next connections say at once what the first one learnt.
        let line = format!("CONNECT localhost:{port}");
        let log = proxy.log("access.log", &format!("{line} me "));
        assert_eq!(log.matches("TCP_DENIED/407").count(), 1, "{log}");
        let words = refused(&url("http", Some("geheimx"), &proxy), port).await;
        assert!(words.contains("does not take this name and password"), "{words}");
        let words = refused(&url("http", None, &proxy), port).await;
        assert!(words.contains("wants a name and a password"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn squid_with_ntlm() {
    if !is_installed("squid") {
        return;
    }
    let (echo, proxy) = (echo("127.0.0.1:0").await, squid(Squid::Ntlm));
    let port = echo.address.port();
    let dialer = dialer(&format!("http://CORP%5Cme:geheim@{}", proxy.address()), None);
    for _ in 0..2 {
        works(&dialer, "localhost", port).await;
    }
    proxy.log("access.log", &format!("CONNECT localhost:{port} CORP"));
    let words = refused(&url("http", None, &proxy), port).await;
    assert!(words.contains("wants a name and a password"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_the_proxy_and_tls_through_it() {
    if !is_installed("squid") {
        return;
    }
    let (echo, proxy) = (echo("127.0.0.1:0").await, squid(Squid::Basic));
    let dir = tempfile::tempdir().expect("a folder");
    let (outer, inner) = (dir.path().join("outer.pem"), dir.path().join("inner.pem"));
    let front = tls(proxy.address(), &outer).await;
    let address = format!("https://me:geheim@localhost:{}", front.address.port());
    works(&dialer(&address, Some(&outer)), "localhost", echo.address.port()).await;
    // A proxy whose certificate nobody knows gets no password.
    let words = refused(&address, echo.address.port()).await;
    assert!(words.contains("certificate of localhost") && words.contains("not trusted"), "{words}");

    let target = tls(echo.address, &inner).await;
    let port = target.address.port();
    let address = url("http", Some("geheim"), &proxy);
    let stream = dialer(&address, Some(&inner)).tls("localhost", port, &[]).await;
    says_back(stream.unwrap_or_else(|error| panic!("{error}"))).await;
    let error = dialer(&address, None).tls("localhost", port, &[]).await.err().expect("no trust");
    assert!(error.is_final() && error.to_string().contains("not trusted"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn microsocks_with_and_without_a_password() {
    if !is_installed("microsocks") {
        return;
    }
    let echo = echo("127.0.0.1:0").await;
    let port = echo.address.port();
    let open = microsocks(false);
    works(&dialer(&url("socks5", None, &open), None), "localhost", port).await;
    works(&dialer(&url("socks5h", Some("geheim"), &open), None), "127.0.0.1", port).await;
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let words = refused(&url("socks5", None, &open), nobody.port()).await;
    assert!(words.contains("does not reach localhost"), "{words}");

    let closed = microsocks(true);
    works(&dialer(&url("socks5", Some("geheim"), &closed), None), "localhost", port).await;
    let words = refused(&url("socks5", Some("geheimx"), &closed), port).await;
    assert!(words.contains("does not take this name and password"), "{words}");
    let words = refused(&url("socks5", None, &closed), port).await;
    assert!(
        words.contains("wants a name and a password: give them with --proxy socks5://NAME:PASSWORD@"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dante_and_its_rules() {
    if !is_installed("danted") {
        return;
    }
    let (echo, forbidden) = (echo("127.0.0.1:0").await, echo("127.0.0.1:0").await);
    let proxy = dante(forbidden.address.port());
    works(&dialer(&url("socks5", None, &proxy), None), "localhost", echo.address.port()).await;
    works(&dialer(&url("socks4", None, &proxy), None), "127.0.0.1", echo.address.port()).await;
    let words = refused(&url("socks5", None, &proxy), forbidden.address.port()).await;
    assert!(words.contains("lets nobody through"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_kind_of_proxy_is_named() {
    if !is_installed("squid") || !is_installed("microsocks") {
        return;
    }
    let (http, socks) = (squid(Squid::Open), microsocks(false));
    for proxy in [url("socks5", None, &http), url("http", None, &socks)] {
        let words = refused(&proxy, 443).await;
        assert!(
            words.contains("no proxy of this kind") || words.contains("does not answer"),
            "{proxy}: {words}"
        );
    }
}
