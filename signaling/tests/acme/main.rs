//! Certificates by ACME, from a real authority: Pebble, which looks by TLS-ALPN-01 whether a name leads to this very server.

#[path = "../support/mod.rs"]
mod support;

mod pebble;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pebble::{Pebble, connect, free_ports, get};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use support::{TOKEN, TestServer, soon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const NAME: &str = "help.example.test";

/// A server where the authority looks for it, which has asked for a certificate.
async fn serve(pebble: &Pebble, names: &[&str], state: &Path) -> TestServer {
    let mut arguments = vec!["--listen".to_owned(), format!("127.0.0.1:{}", pebble.looks_at)];
    arguments.extend(names.iter().flat_map(|name| ["--tls-acme".to_owned(), (*name).to_owned()]));
    arguments.extend(pebble.options(state));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    TestServer::with(&arguments).await
}

/// Waits until a browser that believes this authority would believe the server; the certificate that it showed.
async fn certificate(port: u16, name: &str, roots: &RootCertStore) -> CertificateDer<'static> {
    soon(async {
        loop {
            if let Ok(stream) = connect(port, name, roots).await {
                let chain = stream.get_ref().1.peer_certificates().unwrap();
                return chain[0].clone().into_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_got_kept_and_exchanged_when_names_change() {
    let state = tempfile::tempdir().unwrap();
    let pebble = Pebble::start().await;
    let roots = pebble.roots().await;
    let server = serve(&pebble, &[NAME], state.path()).await;
    let first = certificate(pebble.looks_at, NAME, &roots).await;
    let answer = get(pebble.looks_at, NAME, "/healthz", &roots).await.unwrap();
    assert_eq!(answer.status, 200);
    for file in ["account.json", "certificate.pem"] {
        let mode = std::fs::metadata(state.path().join("acme").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    server.stop().await;

    // With another name, the first certificate is shown until there is one for both.
    let server = serve(&pebble, &[NAME, "other.example.test"], state.path()).await;
    let both = certificate(pebble.looks_at, "other.example.test", &roots).await;
    assert_ne!(first, both);
    assert_eq!(certificate(pebble.looks_at, NAME, &roots).await, both);
    server.stop().await;

    // Without the authority, the kept one is there at once.
    let port = pebble.looks_at;
    let server = {
        let pebble = pebble;
        serve(&pebble, &[NAME, "other.example.test"], state.path()).await
    };
    let stream = connect(port, NAME, &roots).await.expect("the kept certificate");
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], both);
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_renewed_while_connections_last() {
    let state = tempfile::tempdir().unwrap();
    let pebble = Pebble::start().await;
    let roots = pebble.roots().await;
    // Got long ago, as far as anybody can see.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let now = std::time::SystemTime::now();
    params.not_before = (now - Duration::from_hours(24 * 70)).into();
    params.not_after = (now + Duration::from_hours(24 * 20)).into();
    let old = params.self_signed(&key).unwrap();
    let folder = state.path().join("acme");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("certificate.pem");
    std::fs::write(&file, format!("{}{}", key.serialize_pem(), old.pem())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut old_roots = RootCertStore::empty();
    old_roots.add(old.der().clone()).unwrap();

    let server = serve(&pebble, &[NAME], state.path()).await;
    let mut before =
        connect(pebble.looks_at, NAME, &old_roots).await.expect("the old one is shown until then");
    certificate(pebble.looks_at, NAME, &roots).await;
    assert!(connect(pebble.looks_at, NAME, &old_roots).await.is_err(), "the old one is shown no longer");

    before.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    soon(before.read_exact(&mut start)).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    server.stop().await;
}

#[tokio::test]
async fn an_account_that_the_authority_forgot_is_made_again() {
    let state = tempfile::tempdir().unwrap();
    let mut pebble = Pebble::start().await;
    let server = serve(&pebble, &[NAME], state.path()).await;
    certificate(pebble.looks_at, NAME, &pebble.roots().await).await;
    server.stop().await;
    let account = || std::fs::read(state.path().join("acme/account.json")).unwrap();
    let first = account();

    pebble.forget_everything().await;
    let server = serve(&pebble, &["other.example.test"], state.path()).await;
    certificate(pebble.looks_at, "other.example.test", &pebble.roots().await).await;
    assert_ne!(account(), first);
    server.stop().await;
}

/// The program, which says in its log why there is no certificate.
struct Program(Child);

impl Program {
    fn start(arguments: &[String], log: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nearhand"));
        command.env_clear().env("NEARHAND_TECHNICIAN_TOKEN", TOKEN).args(arguments);
        command.stdout(Stdio::null()).stderr(std::fs::File::create(log).unwrap());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

async fn said(log: &Path, words: &[&str]) {
    let read = || std::fs::read_to_string(log).unwrap();
    let all_said = async {
        while !words.iter().all(|words| read().contains(words)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let said = tokio::time::timeout(support::PATIENCE, all_said).await;
    assert!(said.is_ok(), "{words:?} is not in: {}", read());
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let pebble = Pebble::start().await;
    // The authority looks at another port: as if 443 were not forwarded.
    let [elsewhere, nowhere] = free_ports();
    let mut arguments = vec!["--listen".to_owned(), format!("127.0.0.1:{elsewhere}")];
    arguments.extend(["--tls-acme", NAME].map(str::to_owned));
    arguments.extend(pebble.options(&folder.path().join("state")));
    let program = Program::start(&arguments, &log);
    // Pebble calls it `unauthorized` where others call it `connection`.
    said(&log, &["nobody can connect", "port 443 of help.example.test: Failed to connect"]).await;
    // It listens all the same, and shows nothing that a browser should not believe.
    let refused = connect(elsewhere, NAME, &pebble.roots().await).await.unwrap_err();
    assert!(!refused.to_string().contains("UnknownIssuer"), "{refused}");
    drop(program);

    // Another program answers where the authority looks.
    let other = rcgen::generate_simple_self_signed(vec![NAME.into()]).unwrap();
    let other_folder = folder.path().join("other");
    std::fs::create_dir(&other_folder).unwrap();
    let (certificate, key) = (other_folder.join("cert.pem"), other_folder.join("key.pem"));
    std::fs::write(&certificate, other.cert.pem()).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let listen = format!("127.0.0.1:{}", pebble.looks_at);
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let other = TestServer::with(&[&["--listen", &listen][..], &files].concat()).await;
    let program = Program::start(&arguments, &log);
    said(&log, &["reached something else on port 443 of help.example.test"]).await;
    drop(program);
    other.stop().await;

    // The authority can't prove who it is.
    let mut strangers = arguments.clone();
    let at = strangers.iter().position(|argument| argument == "--tls-acme-ca").unwrap();
    strangers[at + 1] = certificate.to_str().unwrap().to_owned();
    let program = Program::start(&strangers, &log);
    said(&log, &["does not prove that it is the one", "--tls-acme-ca"]).await;
    drop(program);

    // Nobody is where the authority should be.
    let at = arguments.iter().position(|argument| argument == "--tls-acme-directory").unwrap();
    arguments[at + 1] = format!("https://127.0.0.1:{nowhere}/dir");
    let program = Program::start(&arguments, &log);
    said(&log, &["can't reach the certificate authority at 127.0.0.1"]).await;
    drop(program);
}
