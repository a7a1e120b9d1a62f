//! The session tab from another origin than the server's: everything works, the server never has the code's last digits, and a
//! changed byte is refused.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::pairing::sign_in;
use super::story;
use crate::browser::{PAGE, Tab};
use crate::elsewhere::Elsewhere;
use crate::host::{self, Host};
use crate::meeting::{Session, Viewer, names};
use crate::runner::Story;
use crate::server::{Server, TOKEN};
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!(
            "a_session_tab_of_another_origin_comes_in_with_a_ticket_and_back_after_a_reload",
            90,
            whole_session
        ),
        story!("a_changed_byte_of_the_static_viewer_is_refused_by_the_browser", 60, changed_byte),
        story!("a_tab_of_another_origin_believes_no_digits_of_a_link", 40, digits_of_a_link),
    ]
}

/// The static files on an origin of their own, and a server that sends its technicians there.
pub(super) async fn begin(stage: &Stage) -> Result<(Elsewhere, Server)> {
    let folder = stage.places.static_viewer.as_ref().context("NEARHAND_STATIC_VIEWER names no folder")?;
    let elsewhere = Elsewhere::serve(folder).await?;
    let server = Server::start_with(stage, &[("NEARHAND_VIEWER_ORIGIN", &elsewhere.origin())]).await?;
    elsewhere.allow(&server.url);
    Ok((elsewhere, server))
}

async fn whole_session(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let (elsewhere, server) = begin(stage).await?;
    let tab = stage.chromium().await?;
    sign_in(&tab, &server).await?;
    tab.click("#new-session").await?;
    tab.reads("#sessions .session .tell", "this server never has them").await?;
    let on_desk: String = tab.text("#sessions .session .code-display").await?;
    ensure!(on_desk.contains("•••"), "the desk knows the whole code: {on_desk}");
    tab.click("#sessions .session a.open").await?;
    tab.follow_new_tab().await?;

    let viewer = Viewer { tab: tab.clone() };
    viewer.phase("waiting").await?;
    let url = tab.url().await?;
    ensure!(url.starts_with(&format!("{}/#session=", elsewhere.origin())), "the tab is at {url}");
    ensure!(!url.contains("ticket") && !url.contains("new"), "what opens the session stays in sight: {url}");
    let code = tab.text("#code").await?;
    let code: String = code.chars().filter(char::is_ascii_digit).collect();
    ensure!(code.len() == 9, "the tab shows the code {code}");
    tab.reads("#link", &format!("{}/#{code}", server.url)).await?;
    let desk: String = tab.js("return document.querySelector('a.brand').href;", &[]).await?;
    ensure!(desk == format!("{}/desk", server.url), "the way back leads to {desk}");

    let mut host = Host::start(stage, &server.url, &xvfb.display, &code)?;
    host.asked(host::VIEW, true).await?;
    viewer.phase("viewing").await?;
    viewer.picture_there().await?;
    viewer.shows(&xvfb, 30.0).await?;

    tab.reload().await?;
    viewer.phase("viewing").await?;
    viewer.picture_there().await?;
    // A link within the page takes the fragment's place; the tab finds its session all the same.
    tab.js::<Value>("location.hash = '#chat-input'; return null;", &[]).await?;
    tab.reload().await?;
    viewer.phase("viewing").await?;
    viewer.open_panel().await?;
    tab.fill(names::CHAT_INPUT, "from elsewhere\u{e007}").await?;
    host.says("from elsewhere").await?;

    let heard = elsewhere.heard();
    ensure!(heard.contains("GET /nearhand_viewer_bg.wasm "), "the module came from somewhere else");
    for unheard in ["ticket", "session=", &code, &server.url] {
        ensure!(!heard.contains(unheard), "whoever serves the files is told: {unheard}");
    }
    viewer.end().await?;
    viewer.phase("ended").await
}

/// Opens a session's tab as the desk does.
async fn open(tab: &Tab, elsewhere: &Elsewhere, server: &Server, end: &str) -> Result<()> {
    let session = Session::new(server).await?;
    let response = reqwest::Client::new()
        .post(format!("{}/api/sessions/{}/tickets", server.url, session.id))
        .bearer_auth(TOKEN)
        .send()
        .await
        .context("asking for a ticket")?;
    ensure!(response.status() == 201, "a ticket was answered with {}", response.status());
    let answer: Value = response.json().await?;
    let ticket = answer["ticket"].as_str().context("no ticket")?;
    tab.goto("about:blank").await?;
    let (origin, id) = (elsewhere.origin(), &session.id);
    tab.goto(&format!("{origin}/#session={id}&server={}&ticket={ticket}{end}", server.url)).await
}

async fn changed_byte(stage: &Stage) -> Result<()> {
    let (elsewhere, server) = begin(stage).await?;
    let tab = stage.chromium().await?;
    let viewer = Viewer { tab: tab.clone() };
    // As it was made, it works: what follows is not refused for another reason.
    open(&tab, &elsewhere, &server, "&new").await?;
    viewer.phase("waiting").await?;

    for (file, phase) in [("nearhand_viewer_bg.wasm", "broken"), ("viewer.js", "opening")] {
        elsewhere.change(Some(file));
        // What the browser wrote until now is about something else.
        tab.console().await?;
        open(&tab, &elsewhere, &server, "&new").await?;
        wait::find(PAGE, &format!("the browser to refuse {file}"), || async {
            let console = tab.console().await?;
            Ok(console.iter().any(|line| line.contains("integrity") && line.contains(file)).then_some(()))
        })
        .await?;
        viewer.phase(phase).await?;
    }
    elsewhere.change(None);
    open(&tab, &elsewhere, &server, "&new").await?;
    viewer.phase("waiting").await
}

/// The server makes the link. Were its digits believed, it would know the whole code.
async fn digits_of_a_link(stage: &Stage) -> Result<()> {
    let (elsewhere, server) = begin(stage).await?;
    let tab = stage.chromium().await?;
    let viewer = Viewer { tab: tab.clone() };
    open(&tab, &elsewhere, &server, "&705").await?;
    viewer.phase("waiting").await?;
    tab.reads("#code", "•••").await?;
    // The server's own six digits may well contain them.
    let servers = tab.text("#code").await?;
    let rest = tab.text("body").await?.replace(&servers, "");
    ensure!(
        !servers.ends_with("705") && !rest.contains("705"),
        "the tab shows the digits of the link: {rest}"
    );
    Ok(())
}
