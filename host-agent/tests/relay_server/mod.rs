//! Debian's coturn on free ports of loopback, with a certificate of its own; ended with its folder when dropped.

#![allow(dead_code, reason = "each test program uses its own part")]

use nearhand_host::dial::{Dialer, Options};
use nearhand_host::rtc::IceServer;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const USER: &str = "relay-user";
const KEY: &str = "relay-key";

pub(crate) struct Coturn {
    process: Child,
    folder: tempfile::TempDir,
    pub(crate) plain: u16,
    pub(crate) tls: u16,
    first_port: u16,
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = tcp.local_addr().expect("address").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl Coturn {
    /// `None`, and a line that says so, where coturn is not installed.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).expect("a certificate");
        fs::write(folder.path().join("cert.pem"), certified.cert.pem()).expect("written");
        fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem()).expect("written");
        let (plain, tls) = (free_port(), free_port());
        // A range of its own, so that tests beside each other do not meet.
        let first_port = 20_000 + (plain % 400) * 100;
        let process = spawn(folder.path(), plain, tls, first_port)?;
        let mut coturn = Self { process, folder, plain, tls, first_port };
        coturn.until_up();
        Some(coturn)
    }

    /// Ends it, and starts another one in its place that knows nothing of its allocations.
    pub(crate) fn restart(&mut self) {
        self.process.kill().expect("ended");
        self.process.wait().expect("ended");
        self.process = spawn(self.folder.path(), self.plain, self.tls, self.first_port).expect("installed");
        self.until_up();
    }

    fn until_up(&mut self) {
        let limit = Instant::now() + Duration::from_secs(10);
        for port in [self.plain, self.tls] {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                assert!(
                    Instant::now() < limit && self.process.try_wait().expect("state").is_none(),
                    "{}",
                    self.log()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn url(&self, transport: &str) -> String {
        match transport {
            "tls" => format!("turns:localhost:{}?transport=tcp", self.tls),
            "udp6" => format!("turn:[::1]:{}?transport=udp", self.plain),
            "tcp6" => format!("turn:[::1]:{}?transport=tcp", self.plain),
            transport => format!("turn:127.0.0.1:{}?transport={transport}", self.plain),
        }
    }

    pub(crate) fn server(&self, transports: &[&str]) -> IceServer {
        IceServer {
            urls: transports.iter().map(|transport| self.url(transport)).collect(),
            username: USER.into(),
            credential: KEY.into(),
        }
    }

    /// Makes connections that trust this server's certificate.
    pub(crate) fn dialer(&self) -> Dialer {
        let options = Options { ca_cert: Some(self.folder.path().join("cert.pem")), ..Options::default() };
        Dialer::new(&options).expect("a dialer")
    }

    /// Whether this is an address that it relays from.
    pub(crate) fn relays_from(&self, address: SocketAddr) -> bool {
        address.ip().is_loopback() && (self.first_port..self.first_port + 100).contains(&address.port())
    }
}

fn spawn(folder: &Path, plain: u16, tls: u16, first_port: u16) -> Option<Child> {
    let spawned = Command::new("turnserver")
        .args(["-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "--realm", "test", "--simple-log"])
        .args([
            "--listening-ip",
            "127.0.0.1",
            "--listening-ip",
            "::1",
            "--relay-ip",
            "127.0.0.1",
            "--allow-loopback-peers",
        ])
        .args(["--relay-threads", "1", "--user", &format!("{USER}:{KEY}"), "--log-file", "stdout", "-v"])
        .args(["--listening-port", &plain.to_string(), "--tls-listening-port", &tls.to_string()])
        .args(["--min-port", &first_port.to_string(), "--max-port", &(first_port + 99).to_string()])
        .args([OsStr::new("--cert"), folder.join("cert.pem").as_os_str()])
        .args([OsStr::new("--pkey"), folder.join("key.pem").as_os_str()])
        .args([OsStr::new("--db"), folder.join("turndb").as_os_str()])
        .args([OsStr::new("--pidfile"), folder.join("pid").as_os_str()])
        .stdout(fs::File::create(folder.join("log")).expect("a log"))
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .current_dir(folder)
        .spawn();
    match spawned {
        Ok(process) => Some(process),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not tested: coturn is not installed (apt install coturn)");
            None
        }
        Err(error) => panic!("turnserver: {error}"),
    }
}
