//! Pebble, the authority that Let's Encrypt's authors made for tests, with a name server that sends every name to loopback.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Answer, soon};

/// A running authority; it and its name server end when dropped.
pub(crate) struct Pebble {
    programs: Vec<Child>,
    folder: tempfile::TempDir,
    port: u16,
    management: u16,
    names: [u16; 2],
    /// Where it looks whether a name leads to who asks for it.
    pub(crate) looks_at: u16,
}

impl Pebble {
    /// Starts both; ready when this returns.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port, management, looks_at, names, names_management] = free_ports();
        let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("own.pem"), certificate.cert.pem()).unwrap();
        std::fs::write(path("own.key"), certificate.signing_key.serialize_pem()).unwrap();
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("own.pem"),
            "privateKey": path("own.key"),
            "httpPort": looks_at,
            "tlsPort": looks_at,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        std::fs::write(path("config.json"), config.to_string()).unwrap();

        let names = [names, names_management];
        let mut pebble = Self { programs: Vec::new(), folder, port, management, names, looks_at };
        pebble.run_all().await;
        pebble
    }

    /// Starts it again: it knows no account, and signs with another key.
    pub(crate) async fn forget_everything(&mut self) {
        self.end();
        self.run_all().await;
    }

    async fn run_all(&mut self) {
        let [names, names_management] = self.names;
        let names = format!("127.0.0.1:{names}");
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", &names]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        command.args(["-management", &format!("127.0.0.1:{names_management}")]);
        self.run(&mut command);
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.folder.path().join("config.json")).args(["-dnsserver", &names]);
        // Without pauses, and without moods.
        command
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            .env("PEBBLE_AUTHZREUSE", "0");
        self.run(&mut command);
        for port in [names_management, self.port, self.management] {
            soon(async {
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
        }
    }

    fn end(&mut self) {
        for mut program in self.programs.drain(..) {
            let _ended_already = program.kill();
            let _ended_already = program.wait();
        }
    }

    fn run(&mut self, command: &mut Command) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = command.spawn().expect("these tests need pebble: apt-get install pebble");
        self.programs.push(program);
    }

    /// Options for a server that asks this authority.
    pub(crate) fn options(&self, state: &Path) -> Vec<String> {
        let directory = format!("https://127.0.0.1:{}/dir", self.port);
        let ca = self.ca();
        let options = ["--tls-acme-directory", &directory, "--tls-acme-ca", ca.to_str().unwrap()];
        let options = options.into_iter().chain(["--state", state.to_str().unwrap()]);
        options.map(str::to_owned).collect()
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    /// What vouches for the certificates that it gives.
    pub(crate) async fn roots(&self) -> RootCertStore {
        let mut own = RootCertStore::empty();
        own.add(CertificateDer::from_pem_file(self.ca()).unwrap()).unwrap();
        let root = get(self.management, "127.0.0.1", "/roots/0", &own).await.expect("the authority's root");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&root.body).unwrap()).unwrap();
        roots
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ports that nobody listens on just now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// A connection to this port under this name, checked by these roots.
pub(crate) async fn connect(
    port: u16,
    name: &str,
    roots: &RootCertStore,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots.clone()).with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
}

/// One request by HTTPS.
pub(crate) async fn get(port: u16, name: &str, path: &str, roots: &RootCertStore) -> std::io::Result<Answer> {
    let mut stream = connect(port, name, roots).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    let _unclean_end = soon(stream.read_to_end(&mut bytes)).await;
    Ok(Answer::parse(&bytes))
}
