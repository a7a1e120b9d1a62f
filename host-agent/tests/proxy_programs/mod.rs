//! Real proxies on free ports of loopback, each in a folder of its own, ended when they go out of scope.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a program may take until it listens, on a machine that does other things too.
const START: Duration = Duration::from_mins(1);

/// A proxy that runs.
pub(crate) struct Program {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Program {
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What it wrote into this file of its folder; programs write late.
    pub(crate) fn log(&self, file: &str, has: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let log = fs::read_to_string(self.dir.path().join(file)).unwrap_or_default();
            if log.contains(has) {
                return log;
            }
            assert!(Instant::now() < deadline, "no {has:?} in {file}: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // With its helpers: the group is its own.
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Whether this program is installed; a test without it says so loudly and proves nothing.
pub(crate) fn is_installed(program: &str) -> bool {
    let found = find(program).is_some();
    if !found {
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: {program} is not installed, nothing was tested with it");
    }
    found
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Servers are in sbin, which is not on everybody's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Starts it with what `configure` makes of its folder and port.
fn start(program: &str, configure: impl Fn(&Path, u16) -> Vec<String>) -> Program {
    let file = find(program).expect("an installed program");
    // Between asking for a free port and its use somebody else may take it.
    for _ in 0..5 {
        let dir = tempfile::tempdir().expect("a folder");
        // Some give up being root first.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let arguments = configure(dir.path(), port);
        let output = fs::File::create(dir.path().join("output")).expect("a file");
        let mut child = Command::new(&file)
            .args(arguments)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .expect("a start");
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if child.try_wait().expect("a state").is_some() {
                break;
            }
            if listens(port) {
                return Program { child, port, dir };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let program = Program { child, port, dir };
        let mut said = String::new();
        for file in ["output", "cache.log", "danted.log"] {
            if let Ok(mut file) = fs::File::open(program.dir.path().join(file)) {
                let _ = file.read_to_string(&mut said);
            }
        }
        eprintln!("{}: {said}", file.display());
    }
    panic!("{program} does not start");
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_secs(1)).is_ok()
}

fn write(dir: &Path, name: &str, content: &str) -> String {
    let file = dir.join(name);
    fs::write(&file, content).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("permissions");
    file.display().to_string()
}

/// How squid asks who somebody is.
#[derive(Clone, Copy)]
pub(crate) enum Squid {
    /// Not at all.
    Open,
    /// It lets nobody through.
    Forbidding,
    /// As `me`, `geheim`.
    Basic,
    /// The same.
    Digest,
    /// Anybody who finishes the exchange: the helper looks at no password.
    Ntlm,
}

/// The real squid.
pub(crate) fn squid(kind: Squid) -> Program {
    start("squid", |dir, port| {
        let folder = dir.display();
        let passwords = write(dir, "passwords", &format!("me:{}\n", apr1()));
        // MD5 of me:realm:geheim, as RFC 7616 calls HA1, is made by the helper itself from the plain text.
        let plain = write(dir, "plain", "me:geheim\n");
        let rules = match kind {
            Squid::Open => "http_access allow all".to_owned(),
            Squid::Forbidding => "http_access deny all".to_owned(),
            Squid::Basic => format!(
                "auth_param basic program /usr/lib/squid/basic_ncsa_auth {passwords}\nauth_param basic children 1"
            ),
            Squid::Digest => format!(
                "auth_param digest program /usr/lib/squid/digest_file_auth {plain}\nauth_param digest children 1\nauth_param digest realm proxy"
            ),
            Squid::Ntlm => {
                "auth_param ntlm program /usr/lib/squid/ntlm_fake_auth -v\nauth_param ntlm children 1"
                    .to_owned()
            }
        };
        let rules = if rules.starts_with("auth_param") {
            format!("{rules}\nacl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all")
        } else {
            rules
        };
        let configuration = write(
            dir,
            "squid.conf",
            &format!(
                "http_port 127.0.0.1:{port}\n{rules}\ncache deny all\naccess_log stdio:{folder}/access.log squid\n\
                 logfile_rotate 0\ncache_log {folder}/cache.log\ncoredump_dir {folder}\npid_filename none\n\
                 pinger_enable off\nshutdown_lifetime 0 seconds\nnetdb_filename none\n"
            ),
        );
        // In the foreground, under a name of its own: others may run one too.
        ["-N", "-f", &configuration, "-n", &format!("nearhand{port}")].map(str::to_owned).to_vec()
    })
}

/// `geheim` as htpasswd writes it (`openssl passwd -apr1 -salt saltsalt geheim`).
fn apr1() -> &'static str {
    "$apr1$saltsalt$9/tMzdzSc6dIiPlJw6UTa."
}

/// The real microsocks, for everybody or for `me`, `geheim`.
pub(crate) fn microsocks(with_password: bool) -> Program {
    start("microsocks", |_, port| {
        let mut arguments = vec!["-i".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string()];
        if with_password {
            arguments.extend(["-u", "me", "-P", "geheim"].map(str::to_owned));
        }
        arguments
    })
}

/// The real dante, for everybody, but not to this port.
pub(crate) fn dante(forbidden: u16) -> Program {
    start("danted", |dir, port| {
        let configuration = write(
            dir,
            "danted.conf",
            &format!(
                "logoutput: {}/danted.log\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\n\
                 clientmethod: none\nsocksmethod: none\n\
                 client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n\
                 socks block {{ from: 0.0.0.0/0 to: 0.0.0.0/0 port = {forbidden} }}\n\
                 socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n",
                dir.display()
            ),
        );
        ["-f", &configuration, "-p", &dir.join("danted.pid").display().to_string()]
            .map(str::to_owned)
            .to_vec()
    })
}
