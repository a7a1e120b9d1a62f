//! What can't work, said in one sentence.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::story;
use crate::host::{Host, fails_with_one_sentence};
use crate::meeting::Session;
use crate::runner::Story;
use crate::server::Server;
use crate::stage::Stage;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("without_a_display_the_host_says_so", 30, no_display),
        story!("without_a_server_the_host_says_so", 30, no_server),
        story!("a_certificate_that_nobody_vouches_for_is_refused", 30, wrong_certificate),
        story!("rights_without_a_person_are_for_headless_only", 30, grant_without_headless),
        story!("an_unsafe_server_does_not_start", 30, unsafe_server),
    ]
}

async fn no_display(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let session = Session::new(&server).await?;
    let mut host = Host::start(stage, &server.url, ":4242", &session.code)?;
    fails_with_one_sentence(&mut host, "4242").await?;
    let mut host = Host::start_with(stage, &server.url, |command| {
        command.args(["--code", &session.code]);
    })?;
    fails_with_one_sentence(&mut host, "DISPLAY").await?;
    // Neither used the code up.
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let mut host = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
    host.says("connected to").await
}

async fn no_server(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut host = Host::start(stage, &format!("http://127.0.0.1:{port}"), &xvfb.display, "482913705")?;
    fails_with_one_sentence(&mut host, &port.to_string()).await?;
    let mut host = Host::start(stage, "http://help.example.com", &xvfb.display, "482913705")?;
    fails_with_one_sentence(&mut host, "https").await
}

async fn wrong_certificate(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let folder = stage.folder("certificate")?;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let tls = [
        ("NEARHAND_TLS_CERT", certificate.to_str().unwrap_or_default()),
        ("NEARHAND_TLS_KEY", key.to_str().unwrap_or_default()),
    ];
    let server = Server::start_with(stage, &tls).await?;
    ensure!(server.url.starts_with("https://"), "with a certificate it listens on {}", server.url);
    let url = server.url.replace("127.0.0.1", "localhost");
    let mut host = Host::start(stage, &url, &xvfb.display, "482913705")?;
    fails_with_one_sentence(&mut host, "certificate").await?;
    let trusting = |url: &str| {
        Host::start_with(stage, url, |command| {
            command
                .args(["--code", "482913705", "--ca-cert"])
                .arg(&certificate)
                .env("DISPLAY", &xvfb.display);
        })
    };
    // The right certificate, but for another name.
    fails_with_one_sentence(&mut trusting(&server.url)?, "certificate").await?;
    // With the certificate vouched for, it is the code that is wrong.
    fails_with_one_sentence(&mut trusting(&url)?, "code").await
}

async fn grant_without_headless(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let mut host = Host::start_with(stage, &server.url, |command| {
        command.args(["--code", "482913705", "--grant", "view"]);
    })?;
    let status = host.ends(Duration::from_secs(10)).await?;
    ensure!(!status.success() && host.complaint().contains("headless"), "{status}: {}", host.complaint());
    Ok(())
}

async fn unsafe_server(stage: &Stage) -> Result<()> {
    for (arguments, token, words) in [
        (vec!["--listen", "0.0.0.0:0"], "token-of-the-stories-0123456789", "tls"),
        (vec!["--listen", "127.0.0.1:0"], "short", "16"),
        (vec!["--listen", "127.0.0.1:0"], "", "token"),
    ] {
        let mut command = stage.command(&stage.places.server);
        command.args(&arguments);
        if !token.is_empty() {
            command.env("NEARHAND_TECHNICIAN_TOKEN", token);
        }
        let process = stage.start("unsafe server", &mut command)?;
        let ended = process.wait(Duration::from_secs(10)).await;
        if ended.is_err() {
            process.signal(Signal::SIGKILL)?;
        }
        let said = process.stderr.text();
        ensure!(
            !ended?.success() && said.to_lowercase().contains(words),
            "{arguments:?} with “{token}”: {said}"
        );
    }
    Ok(())
}
