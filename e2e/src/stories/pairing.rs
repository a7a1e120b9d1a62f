//! How the two find each other: a code on the desk, the customer's page, and codes that are wrong, used or late.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nearhand_protocol::code::{Code, NamedDownload};

use super::story;
use crate::browser::Tab;
use crate::host::{self, Host};
use crate::meeting::{Meeting, Session, Viewer, names};
use crate::runner::Story;
use crate::server::{ORGANISATION, Server, TECHNICIAN, TOKEN};
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!(
            "technician_signs_in_and_makes_a_code_that_leads_the_customer_to_the_program",
            60,
            from_desk_to_question
        ),
        story!("the_desk_follows_a_session_from_its_code_to_its_end", 60, desk_follows),
        story!("wrong_codes_are_explained_on_the_customers_page", 40, wrong_codes),
        story!("a_used_code_is_explained_on_the_page_and_at_the_host", 40, used_code),
        story!("a_late_code_is_explained_on_the_page_at_the_host_and_on_the_desk", 100, late_code),
        story!("a_headless_host_is_announced_in_viewer_and_desk", 40, headless),
    ]
}

/// Signs in on the page that the desk leads to.
pub(super) async fn sign_in(tab: &Tab, server: &Server) -> Result<()> {
    tab.goto(&format!("{}/desk", server.url)).await?;
    ensure!(tab.url().await?.contains("/sign-in"), "the desk is open to everybody");
    tab.fill("#token", TOKEN).await?;
    tab.click("#submit").await?;
    tab.seen("#new-session").await.map(drop)
}

/// The digits of the topmost code on the desk.
pub(super) async fn code_on_desk(tab: &Tab) -> Result<String> {
    wait::find(Duration::from_secs(10), "nine digits on the desk", || async {
        let shown = tab.text("#sessions .session .code-display").await?;
        let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
        Ok((digits.len() == 9).then_some(digits))
    })
    .await
}

async fn from_desk_to_question(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let server = Server::start(stage).await?;
    let desk = stage.chromium().await?;
    desk.goto(&format!("{}/desk", server.url)).await?;
    desk.fill("#token", "not-the-token-0123456789").await?;
    desk.click("#submit").await?;
    desk.reads("#error", "not right").await?;
    sign_in(&desk, &server).await?;
    desk.click("#new-session").await?;
    let code = code_on_desk(&desk).await?;

    let customer = stage.chromium().await?;
    customer.goto(&server.url).await?;
    customer.fill("#code", &code).await?;
    customer.click("#code-continue").await?;
    customer.seen("#step-start").await?;
    customer.reads("#who-name", TECHNICIAN).await?;
    customer.reads("#who-organisation", ORGANISATION).await?;
    let port = server.address().split(':').nth(1).and_then(|port| port.parse().ok());
    let parsed: Code = code.parse()?;
    let name = NamedDownload::file_name(parsed, "127.0.0.1", port, "");
    let offered: String = customer.js("return document.querySelector('#download').download;", &[]).await?;
    ensure!(offered == name, "the download is called {offered}, not {name}");
    customer.click("#download").await?;
    let size = std::fs::metadata(&stage.places.host)?.len();
    let program = wait::find(Duration::from_secs(15), "the download", || async {
        // The browser may have replaced a character in the name.
        let files = std::fs::read_dir(&customer.downloads)?.flatten();
        let mut whole = files.filter(|file| file.metadata().is_ok_and(|data| data.len() == size));
        Ok(whole
            .find(|file| file.path().extension().is_none_or(|end| end != "crdownload"))
            .map(|file| file.path()))
    })
    .await?;
    ensure!(
        std::fs::read(&program)? == std::fs::read(&stage.places.host)?,
        "the download is another program"
    );

    // The link that the desk hands out leads to the same place.
    customer.goto("about:blank").await?;
    customer.goto(&format!("{}/#{code}", server.url)).await?;
    customer.reads("#who-name", TECHNICIAN).await?;

    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let shown = customer.text("#linux-command").await?;
    let line = shown.replace(['\n', '\u{a0}'], " ");
    let arguments =
        line.split_once(&format!("./{name}")).with_context(|| format!("the page says: {shown}"))?.1;
    let mut host = Host::start_program(stage, &program, |command| {
        command.args(arguments.split_whitespace()).env("DISPLAY", &xvfb.display);
    })?;
    let said = host.says(host::VIEW);
    // The question comes when the technician's tab is there to ask.
    let open: String = desk.js("return document.querySelector('.session a.open').href;", &[]).await?;
    desk.goto(&open).await?;
    said.await?;
    ensure!(host.said().contains(TECHNICIAN), "the question does not say who asks");
    host.types("n")
}

async fn desk_follows(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let desk = stage.chromium().await?;
    sign_in(&desk, &meeting.server).await?;
    desk.reads("#sessions .session", "Active").await?;
    desk.reads("#sessions .session .rights", "see the screen").await?;
    meeting.allow_control().await?;
    desk.reads("#sessions .session .rights", "mouse and keyboard").await?;
    meeting.host.types("/end")?;
    desk.unseen("#sessions .session").await?;
    desk.seen("#empty").await.map(drop)
}

async fn type_code(customer: &Tab, server: &Server, code: &str) -> Result<()> {
    customer.goto("about:blank").await?;
    customer.goto(&server.url).await?;
    customer.fill("#code", code).await?;
    customer.click("#code-continue").await
}

async fn wrong_codes(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let customer = stage.chromium().await?;
    type_code(&customer, &server, "123").await?;
    customer.reads("#code-error", "nine digits").await?;
    customer.fill("#code", "x").await?;
    customer.reads("#code-error", "digits only").await?;
    type_code(&customer, &server, "000000000").await?;
    customer.reads("#code-error", "doesn’t work").await?;
    ensure!(!customer.sees("#step-start").await?, "the page goes on with a wrong code");
    // A person who sees that it was wrong can go on at once.
    let session = Session::new(&server).await?;
    type_code(&customer, &server, &session.code).await?;
    customer.reads("#who-name", TECHNICIAN).await?;

    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let mut host = Host::start(stage, &server.url, &xvfb.display, "000000000")?;
    host::fails_with_one_sentence(&mut host, "code").await
}

async fn used_code(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let customer = stage.chromium().await?;
    type_code(&customer, &meeting.server, &meeting.session.code).await?;
    customer.reads("#code-error", "used").await?;
    let mut second = Host::start(stage, &meeting.server.url, &meeting.xvfb.display, &meeting.session.code)?;
    host::fails_with_one_sentence(&mut second, "code").await?;
    ensure!(meeting.host.alive()?, "the second host drove the first one out");
    ensure!(meeting.viewer.now().await? == "viewing", "the second host disturbed the session");
    Ok(())
}

async fn late_code(stage: &Stage) -> Result<()> {
    // The shortest that the server takes.
    let server = Server::start_with(stage, &[("NEARHAND_CODE_LIFETIME", "30")]).await?;
    let desk = stage.chromium().await?;
    sign_in(&desk, &server).await?;
    desk.click("#new-session").await?;
    let code = code_on_desk(&desk).await?;
    let session = server.sessions().await?.first().context("no session")?["session"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let viewer =
        Viewer::open(stage.chromium().await?, &server, &Session { id: session, code: code.clone() }).await?;
    // Either the page counts to zero by itself or the list without the session comes first.
    wait::find(Duration::from_secs(45), "the desk to say that the code is late", || async {
        let words = desk.text("#main").await?;
        Ok((words.contains("in time") || words.contains("expired") || words.contains("Nobody is waiting"))
            .then_some(()))
    })
    .await?;
    viewer.phase("ended").await?;
    let words = viewer.tab.text("body").await?;
    ensure!(words.to_lowercase().contains("code"), "the tab does not say that the code is late: {words}");

    let customer = stage.chromium().await?;
    type_code(&customer, &server, &code).await?;
    customer.reads("#code-error", "too old").await?;
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let mut host = Host::start(stage, &server.url, &xvfb.display, &code)?;
    host::fails_with_one_sentence(&mut host, "code").await
}

async fn headless(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let server = Server::start(stage).await?;
    let (viewer, session) = Viewer::waiting(stage.chromium().await?, &server).await?;
    let mut host = Host::headless(stage, &server.url, &xvfb.display, &session.code, "view,control")?;
    viewer.phase("viewing").await?;
    viewer.tab.click(names::CONTROL).await?;
    viewer.phase("controlling").await?;
    viewer.picture_there().await?;
    viewer.tab.seen(names::HEADLESS).await?;
    let desk = stage.chromium().await?;
    sign_in(&desk, &server).await?;
    desk.seen("#sessions .session .headless").await?;
    ensure!(host.alive()?, "the host has ended");
    Ok(())
}
