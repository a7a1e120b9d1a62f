//! The network lab: a customer's and a technician's network with their routers, the internet, and the server in it,
//! each in a namespace of its own.
//!
//! ```text
//! customer ── router ──┐                        ┌── router ── technician
//! 10.1.0.2    203.0.113.2   ── internet ──   203.0.113.130    10.3.0.2
//!                                  │
//!                               server  help.example, 198.51.100.10, 2001:db8:a::10
//! ```
//! A second LAN hangs on each router (`10.2.0.0/24`, `10.4.0.0/24`), behind another public address. With version 6 the
//! computers have public addresses and the routers let in only what was asked for.

mod addresses;
mod certificates;
mod line;
pub(crate) mod probe;
pub(crate) mod proxy;
mod router;
mod shaper;
mod side;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use crate::browser::{self, Kind, Tab};
use crate::host::Host;
use crate::namespace::{Bridge, Namespace};
use crate::runner::Skipped;
use crate::server::{self, Server};
use crate::stage::Stage;
pub(crate) use addresses::{NAME, SECOND_SERVER_V4, SERVER_V4, SERVER_V6};
pub(crate) use certificates::Certificates;
pub(crate) use line::Conditions;
pub(crate) use router::{Firewall, Nat};
pub(crate) use side::{Family, Plan, Side};

/// The server's origin.
pub(crate) const URL: &str = "https://help.example";

/// Makes the names of this process's namespaces differ.
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// The whole lab. It lives as long as the stage that it was built for.
pub(crate) struct Lab {
    pub(crate) customer: Side,
    pub(crate) technician: Side,
    /// The computer that the server runs on.
    pub(crate) server: Namespace,
    pub(crate) certificates: Certificates,
    /// Asks the server from outside of the lab.
    client: reqwest::Client,
    _bridge: Bridge,
    _internet: Namespace,
}

impl Lab {
    /// Builds it, or says why it can't be built here.
    pub(crate) async fn build(stage: &Stage, customer: Plan, technician: Plan) -> Result<Arc<Self>> {
        if let Some(reason) = Namespace::impossible() {
            return Err(Skipped(reason).into());
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let internet = Namespace::new(number, "internet")?;
        side::quick_v6(&internet, true)?;
        internet.sysctl("net/ipv4/ip_forward", "1")?;
        internet.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let server = Namespace::new(number, "server")?;
        side::quick_v6(&server, true)?;
        internet.ip(&format!(
            "link add server type veth peer name eth0 netns {}\n\
             address add 198.51.100.1/24 dev server\n\
             address add 2001:db8:a::1/64 dev server\n\
             link set server up\n",
            server.name()
        ))?;
        server.ip(&format!(
            "address add {SERVER_V4}/24 dev eth0\n\
             address add {SECOND_SERVER_V4}/24 dev eth0\n\
             address add {SERVER_V6}/64 dev eth0\n\
             link set eth0 up\n\
             route add default via 198.51.100.1\n\
             route add default via 2001:db8:a::1\n"
        ))?;
        server.set_names(&[(SERVER_V4.into(), NAME), (SERVER_V6.into(), NAME)])?;
        let customer = Side::build(number, &internet, customer, &addresses::CUSTOMER)?;
        let technician = Side::build(number, &internet, technician, &addresses::TECHNICIAN)?;
        for side in [&customer, &technician] {
            side.reach_the_server().await?;
        }
        let names = [NAME, &SERVER_V4.to_string(), &SERVER_V6.to_string()];
        let certificates = Certificates::make(&stage.folder("certificates")?, &names)?;
        let bridge = server.bridge((SERVER_V4, 443).into()).await?;
        let client = client(&certificates, bridge.address)?;
        let lab =
            Self { customer, technician, server, certificates, client, _bridge: bridge, _internet: internet };
        let lab = Arc::new(lab);
        stage.keep(lab.clone());
        Ok(lab)
    }

    /// Starts the server on its computer, on port 443 with TLS.
    pub(crate) async fn start_server(&self, stage: &Stage, arguments: &[&str]) -> Result<Server> {
        let files = &self.certificates;
        let mut words = vec!["--public-url".into(), URL.into()];
        words.extend(["--tls-cert".into(), files.certificate.clone().into_os_string()]);
        words.extend(["--tls-key".into(), files.key.clone().into_os_string()]);
        words.extend(arguments.iter().map(Into::into));
        let setting = server::Setting {
            namespace: Some(self.server.clone()),
            listen: Some("[::]:443".to_owned()),
            url: Some(URL.to_owned()),
            arguments: words,
            variables: Vec::new(),
            client: self.client.clone(),
        };
        Server::start_in(stage, setting).await
    }

    /// Starts a browser at the technician's, with more words for its command line.
    pub(crate) async fn browser(&self, stage: &Stage, arguments: &[String]) -> Result<Tab> {
        let trust = format!("--ignore-certificate-errors-spki-list={}", self.certificates.public_key_hash);
        let arguments = arguments.iter().cloned().chain([trust]).collect();
        let namespace = Some(self.technician.end.clone());
        let setting = browser::Setting { namespace, arguments, ..browser::Setting::default() };
        stage.browser_with(Kind::Chromium, setting).await
    }

    /// Starts the customer's program, which gives the right to view by itself.
    pub(crate) fn host(
        &self,
        stage: &Stage,
        display: &str,
        code: &str,
        set: impl FnOnce(&mut Command),
    ) -> Result<Host> {
        self.host_granting("view", stage, display, code, set)
    }

    /// As [`Self::host`], with these rights.
    pub(crate) fn host_granting(
        &self,
        rights: &str,
        stage: &Stage,
        display: &str,
        code: &str,
        set: impl FnOnce(&mut Command),
    ) -> Result<Host> {
        Host::start_in(stage, &self.customer.end, URL, |command| {
            command.args(["--code", code, "--ui", "headless", "--grant", rights, "--display", display]);
            command.arg("--ca-cert").arg(&self.certificates.authority);
            set(command);
        })
    }
}

fn client(certificates: &Certificates, server: SocketAddr) -> Result<reqwest::Client> {
    let authority = std::fs::read(&certificates.authority)?;
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority)?])
        .resolve(NAME, server)
        .no_proxy()
        .build()
        .context("making a client for the lab")
}
