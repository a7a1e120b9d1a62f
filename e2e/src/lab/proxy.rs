//! Real proxies on a router, for networks in which nothing else leads out.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use super::{NAME, Side};
use crate::namespace::Namespace;
use crate::places::on_path;
use crate::process::Process;
use crate::runner::Skipped;
use crate::stage::Stage;
use crate::wait;

const START: Duration = Duration::from_secs(15);

/// Squid, which connects to port 443 and to nothing else (and only to the server: other names, which browsers ask for by
/// themselves, would be looked up for half a minute); started where it does not run yet.
pub(crate) async fn squid(stage: &Stage, side: &Side) -> Result<SocketAddr> {
    let address = SocketAddr::new(side.gateway(), 3128);
    let namespace = &side.router.namespace;
    if namespace.tcp(address).is_ok() {
        return Ok(address);
    }
    let folder = stage.folder("squid")?;
    let file = folder.join(format!("{}.conf", namespace.name()));
    let settings = format!(
        "http_port {address}\n\
         acl tls port 443\n\
         acl CONNECT method CONNECT\n\
         acl known dstdomain {NAME}\n\
         http_access deny CONNECT !tls\n\
         http_access deny !known\n\
         http_access allow CONNECT\n\
         http_access deny all\n\
         cache deny all\n\
         access_log none\n\
         cache_log /dev/null\n\
         cache_store_log none\n\
         pid_filename none\n\
         pinger_enable off\n\
         netdb_filename none\n\
         shutdown_lifetime 0 seconds\n\
         visible_hostname proxy.example\n\
         coredump_dir none\n"
    );
    std::fs::write(&file, settings)?;
    let mut command = program(stage, namespace, "squid")?;
    // Its shared memory is called after the service: others may run one too.
    let service: String = namespace.name().chars().filter(char::is_ascii_alphanumeric).collect();
    command.args(["-N", "-n", &service, "-f"]).arg(&file);
    let process = stage.start("squid", &mut command)?;
    ready(&process, namespace, address).await
}

/// Microsocks: SOCKS5 without a password; started where it does not run yet.
pub(crate) async fn microsocks(stage: &Stage, side: &Side) -> Result<SocketAddr> {
    let address = SocketAddr::new(side.gateway(), 1080);
    let namespace = &side.router.namespace;
    if namespace.tcp(address).is_ok() {
        return Ok(address);
    }
    let mut command = program(stage, namespace, "microsocks")?;
    command.args(["-i", &address.ip().to_string(), "-p", &address.port().to_string()]);
    let process = stage.start("microsocks", &mut command)?;
    ready(&process, namespace, address).await
}

fn program(stage: &Stage, namespace: &Namespace, name: &str) -> Result<std::process::Command> {
    match on_path(name) {
        Some(path) => Ok(stage.command_in(Some(namespace), path)),
        None => Err(Skipped(format!("{name} is not installed")).into()),
    }
}

async fn ready(process: &Process, namespace: &Namespace, address: SocketAddr) -> Result<SocketAddr> {
    wait::find(START, &format!("{} to listen", process.name()), || async {
        anyhow::ensure!(process.ended()?.is_none(), "it ended: {}", process.stderr.text());
        Ok(namespace.tcp(address).ok().map(|_| address))
    })
    .await
}
