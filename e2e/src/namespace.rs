//! Network namespaces of the kernel: made, entered by programs and threads, and removed whatever happens.
//!
//! Their names begin with `nh-` and the process id of the run, so that what a crashed run left is recognised.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::places::on_path;

/// Where iproute2 keeps the names.
const NAMES: &str = "/run/netns";
/// Files here are seen in place of those of `/etc` by programs in the namespace (ip-netns(8)).
const FILES: &str = "/etc/netns";
/// How long a connection inside of the machine may take.
const CONNECT: Duration = Duration::from_secs(3);

/// A namespace; the last clone removes it.
#[derive(Clone)]
pub(crate) struct Namespace(Arc<Named>);

struct Named {
    name: String,
}

impl Namespace {
    /// Makes one for this run with its loopback interface up. `number` and `role` make its name unique.
    pub(crate) fn new(number: u32, role: &str) -> Result<Self> {
        let name = format!("nh-{}-{number}-{role}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]), "")?;
        // From here on it is removed if anything fails.
        let namespace = Self(Arc::new(Named { name }));
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Why there can be none on this machine, if so.
    pub(crate) fn impossible() -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return Some("network namespaces need root".to_owned());
        }
        for program in ["ip", "nft"] {
            if on_path(program).is_none() {
                return Some(format!("{program} is not installed"));
            }
        }
        // A container may have root without the right to make namespaces.
        let tried = run(Command::new("unshare").args(["--net", "true"]), "");
        tried.err().map(|error| format!("this machine lets nobody make namespaces: {error:#}"))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// A program that will run inside. It keeps the process id that starting it gives.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name()]).arg(program);
        command
    }

    /// Runs a program inside to its end, with this on its standard input; returns what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        run(self.command(program).args(arguments), input)
    }

    /// Commands of `ip`, one in a line.
    pub(crate) fn ip(&self, batch: &str) -> Result<()> {
        run(Command::new("ip").args(["-n", self.name(), "-batch", "-"]), batch).map(drop)
    }

    /// Loads a file of nftables' language in one transaction.
    pub(crate) fn nft(&self, rules: &str) -> Result<()> {
        self.run("nft", &["-f", "-"], rules).map(drop)
    }

    /// Sets a kernel parameter, as `net/ipv4/ip_forward`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let (path, value) = (Path::new("/proc/sys").join(name), value.to_owned());
        self.enter(move || {
            std::fs::write(&path, value).with_context(|| format!("writing {}", path.display()))
        })?
    }

    /// Gives the programs inside these names, and no other: there is no name server.
    pub(crate) fn set_names(&self, names: &[(IpAddr, &str)]) -> Result<()> {
        let folder = Path::new(FILES).join(self.name());
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let mut hosts = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
        for (address, name) in names {
            // With a dot behind it, too: so Chromium looks up the names of STUN and TURN servers over UDP. (Writing into a
            // text never fails.)
            let _ = writeln!(hosts, "{address} {name} {name}.");
        }
        // Nobody listens there: the answer comes at once.
        let servers = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        for (name, text) in [("hosts", hosts.as_str()), ("resolv.conf", servers)] {
            let path = folder.join(name);
            // Chromium watches these files and drops what it was just looking up when one is written.
            if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
                std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Does something on a thread inside. Sockets and devices that are opened there stay inside for good, whoever uses
    /// them.
    pub(crate) fn enter<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        enter(self.name(), act)
    }

    /// A UDP socket inside.
    pub(crate) fn udp(&self, address: SocketAddr) -> Result<tokio::net::UdpSocket> {
        let socket = self.enter(move || UdpSocket::bind(address))?;
        let socket = socket.with_context(|| format!("binding {address} in {}", self.name()))?;
        socket.set_nonblocking(true)?;
        Ok(tokio::net::UdpSocket::from_std(socket)?)
    }

    /// A TCP connection from inside.
    pub(crate) fn tcp(&self, to: SocketAddr) -> Result<tokio::net::TcpStream> {
        connect(self.name(), to)
    }

    /// Opens a way from this machine's loopback interface to an address that is reached from inside. The namespace gets
    /// no interface for it.
    pub(crate) async fn bridge(&self, to: SocketAddr) -> Result<Bridge> {
        Bridge::open(self.name().to_owned(), to).await
    }
}

impl Named {
    /// Ends every program inside.
    fn clear(&self) -> Result<()> {
        let pids = run(Command::new("ip").args(["netns", "pids", &self.name]), "")?;
        for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        Ok(())
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // What fails here is found by the look around at the end of the run.
        let _ = run(Command::new("ip").args(["netns", "del", &self.name]), "");
        let _ = std::fs::remove_dir_all(Path::new(FILES).join(&self.name));
    }
}

fn enter<T: Send + 'static>(name: &str, act: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let path = Path::new(NAMES).join(name);
    let thread = std::thread::spawn(move || -> Result<T> {
        let file = std::fs::File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("entering {}", path.display()))?;
        Ok(act())
    });
    thread.join().map_err(|_| anyhow!("a thread in {name} panicked"))?
}

fn connect(name: &str, to: SocketAddr) -> Result<tokio::net::TcpStream> {
    let stream = enter(name, move || TcpStream::connect_timeout(&to, CONNECT))?;
    let stream = stream.with_context(|| format!("connecting to {to} in {name}"))?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(tokio::net::TcpStream::from_std(stream)?)
}

/// A listener on the loopback interface whose connections go on inside of a namespace. It does not keep the namespace.
pub(crate) struct Bridge {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Bridge {
    async fn open(namespace: String, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("opening a bridge")?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut outer, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let namespace = namespace.clone();
                connections.spawn(async move {
                    // A refused connection is closed: the caller sees it and may try again.
                    if let Ok(mut inner) = connect(&namespace, to) {
                        let _ = outer.set_nodelay(true);
                        let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                    }
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Its connections are owned by the task and end with it.
        self.task.abort();
    }
}

/// Removes what runs left that are over, and ends what still runs in it.
pub(crate) fn sweep_old() {
    for (pid, name) in leftovers() {
        let alive = std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|program| program.trim() == env!("CARGO_PKG_NAME"));
        if pid != std::process::id() && !alive {
            remove(name);
        }
    }
}

/// Removes what this run has left, and says what there was.
pub(crate) fn sweep_own() -> Vec<String> {
    let own: BTreeSet<String> =
        leftovers().filter(|(pid, _)| *pid == std::process::id()).map(|(_, name)| name).collect();
    own.iter().cloned().for_each(remove);
    own.into_iter().map(|name| format!("the namespace {name}")).collect()
}

fn remove(name: String) {
    let named = Named { name };
    // Without its programs it goes for good.
    let _ = named.clear();
}

/// Namespaces, files for them and interfaces outside of them that runs have made: process id of the run, and name.
fn leftovers() -> impl Iterator<Item = (u32, String)> {
    [NAMES, FILES, "/sys/class/net"]
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let pid = name.strip_prefix("nh-")?.split('-').next()?.parse().ok()?;
            Some((pid, name))
        })
}

/// Runs a program to its end; an error has what it complained about.
fn run(command: &mut Command, input: &str) -> Result<String> {
    let name = shown(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for {name}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}{}", output.status, complaint.trim(), indented(input));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn indented(input: &str) -> String {
    input.lines().enumerate().fold(String::new(), |mut text, (number, line)| {
        let _ = write!(text, "\n{:4} {line}", number + 1);
        text
    })
}
