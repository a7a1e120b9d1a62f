//! The server's own TLS.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use nearhand_signaling::server::ServerError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::certificate::Certificate;
use crate::support::{Answer, TestServer, soon};

impl Certificate {
    /// Takes the place of another one, as whoever renews certificates writes them: one file, and then the other.
    fn replace(&self, other: &Self) {
        for name in ["cert.pem", "key.pem"] {
            std::fs::copy(self.path(name), other.path(name)).unwrap();
        }
    }

    async fn serve(&self) -> Result<TestServer, ServerError> {
        TestServer::try_with(&["--tls-cert", &self.path("cert.pem"), "--tls-key", &self.path("key.pem")])
            .await
    }

    fn connector(&self) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(self.roots.clone()).with_no_client_auth()).into()
    }
}

#[tokio::test]
async fn https_is_served_and_promised() {
    let certificate = Certificate::new();
    let server = certificate.serve().await.unwrap();
    // A peer that never finishes its handshake, and one that speaks plain HTTP, are in nobody's way.
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();

    let answer = soon(async {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = certificate.connector().connect(name, tcp).await.unwrap();
        stream
            .write_all(b"GET /sign-in HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut bytes = Vec::new();
        let _unclean_end = stream.read_to_end(&mut bytes).await;
        Answer::parse(&bytes)
    })
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    assert!(answer.header("content-security-policy").unwrap().contains(&format!("wss://{}", server.address)));
    server.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_reason() {
    let certificate = Certificate::new();
    let refused = async |change: fn(&Path)| {
        let certificate = Certificate::new();
        change(certificate.folder.path());
        certificate.serve().await.err().expect("must be refused").to_string()
    };
    let key = "key.pem";
    let exposed = |folder: &Path| {
        std::fs::set_permissions(folder.join("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    };
    assert!(refused(exposed).await.contains("chmod 600"));
    assert!(
        refused(|folder| std::fs::remove_file(folder.join("key.pem")).unwrap()).await.contains("the key")
    );
    assert!(
        refused(|folder| std::fs::write(folder.join("cert.pem"), "").unwrap())
            .await
            .contains("no certificate")
    );
    let swapped = |folder: &Path| {
        let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        std::fs::write(folder.join("cert.pem"), other.cert.pem()).unwrap();
    };
    assert!(refused(swapped).await.contains("don't work together"));
    assert!(std::fs::metadata(certificate.path(key)).is_ok());
}

/// Waits until the server shows this certificate.
async fn shows(server: &TestServer, certificate: &Certificate) {
    soon(async {
        while !is_shown(server, certificate).await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn is_shown(server: &TestServer, certificate: &Certificate) -> bool {
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(certificate.connector().connect(name, tcp)).await.is_ok()
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_without_a_restart() {
    let files = Certificate::new();
    let server = files.serve().await.unwrap();
    shows(&server, &files).await;
    let renewed = Certificate::new();
    renewed.replace(&files);
    shows(&server, &renewed).await;
    assert!(!is_shown(&server, &files).await);

    // What can't be used changes nothing, and is made good later.
    std::fs::write(files.path("key.pem"), "half a k").unwrap();
    let again = Certificate::new();
    std::fs::copy(again.path("cert.pem"), files.path("cert.pem")).unwrap();
    assert!(is_shown(&server, &renewed).await);
    again.replace(&files);
    shows(&server, &again).await;
    server.stop().await;
}

#[tokio::test]
async fn a_trial_has_a_certificate_that_can_be_imported() {
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--tls-self-signed", "--state", state.path().to_str().unwrap()];
    let mut shown = Vec::new();
    for _ in 0..2 {
        let server = TestServer::with(&arguments).await;
        let exported = CertificateDer::from_pem_file(state.path().join("self-signed.crt")).unwrap();
        let mut certificate = Certificate::new();
        certificate.roots = RootCertStore::empty();
        certificate.roots.add(exported).unwrap();
        for name in ["localhost", "127.0.0.1"] {
            let tcp = TcpStream::connect(server.address).await.unwrap();
            let name = ServerName::try_from(name).unwrap();
            let stream = soon(certificate.connector().connect(name, tcp)).await.unwrap();
            shown.push(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned());
        }
        server.stop().await;
    }
    assert!(shown.iter().all(|certificate| *certificate == shown[0]), "it stays the same");
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let first = TestServer::start().await;
    let listen = first.address.to_string();
    let error = TestServer::try_with(&["--listen", &listen]).await.err().unwrap();
    assert!(error.to_string().contains(&format!("can't listen on {listen}")));
    first.stop().await;
}
