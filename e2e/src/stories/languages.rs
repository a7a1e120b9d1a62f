//! Pages and session tab in the language of whoever reads them: the browser's, or the one that they choose; and nothing of
//! it is cut off.

use anyhow::{Result, ensure};

use super::{gallery, origin, pairing, story};
use crate::browser::{Kind, Setting, Tab};
use crate::host;
use crate::meeting::{Meeting, Session, Viewer, names};
use crate::runner::Story;
use crate::server::{Server, TECHNICIAN};
use crate::stage::Stage;
use crate::x::xvfb::Xvfb;

/// Widths of a page: a small telephone, and a desk.
const WIDTHS: [u32; 2] = [360, 1280];

/// What sticks out of the page, and words that do not fit into what they stand in. What is for screen readers only, and what
/// scrolls by itself, is meant to.
const CUT_OFF: &str = "
    const shown = (e) => e.checkVisibility() && !e.closest('.visually-hidden, .skip-link, canvas, svg, code, .stage');
    const name = (e) => `${e.tagName.toLowerCase()}#${e.id}.${e.className} “${e.innerText ?? ''}”`;
    const all = [...document.querySelectorAll('body *')].filter(shown);
    const outside = all.filter((e) => {
        const { left, right, width } = e.getBoundingClientRect();
        return width > 0 && (left < -1 || right > innerWidth + 1);
    });
    const narrow = all.filter((e) => e.matches('button, .button, .badge, h1, h2, h3, label, dt')
        && getComputedStyle(e).display !== 'inline' && e.scrollWidth > e.clientWidth + 1);
    return [...outside, ...narrow].map(name);";

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_german_browser_reads_german_from_the_code_to_the_end", 90, german),
        story!("a_german_desk_opens_a_german_tab_of_another_origin", 60, german_elsewhere),
        story!("whoever_chooses_another_language_stays_where_they_were", 60, choice),
        story!("nothing_is_cut_off_in_any_language", 120, nothing_is_cut_off),
    ]
}

async fn german_browser(stage: &Stage) -> Result<Tab> {
    stage.browser_with(Kind::Chromium, Setting { language: "de-DE", ..Setting::default() }).await
}

async fn german(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let server = Server::start(stage).await?;
    let customer = german_browser(stage).await?;
    customer.goto(&server.url).await?;
    customer.reads("h1", "Hilfe ist gleich da").await?;
    customer.fill("#code", "000 000 000").await?;
    customer.click("#code-continue").await?;
    customer.reads("#code-error", "Dieser Code gilt nicht").await?;

    let tab = german_browser(stage).await?;
    let (viewer, session) = Viewer::waiting(tab.clone(), &server).await?;
    tab.reads(names::STATUS, "Warten auf den Kunden").await?;
    tab.reads("#explanation", "Lesen Sie dem Kunden diese neun Ziffern vor").await?;
    customer.goto("about:blank").await?;
    customer.goto(&format!("{}/#{}", server.url, session.code)).await?;
    customer.reads("#who-name", TECHNICIAN).await?;
    customer.reads("#download-words", "Für Linux laden").await?;

    let host = host::Host::start(stage, &server.url, &xvfb.display, &session.code)?;
    let mut meeting = Meeting { viewer, host, server, xvfb, session };
    meeting.host.says(host::VIEW).await?;
    meeting.viewer.phase("asking").await?;
    tab.reads("#heading", "Warten auf das Ja des Kunden").await?;
    meeting.host.types("y")?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    tab.reads(names::STATUS, "Ansehen").await?;
    tab.click("#quality-button").await?;
    // Numbers have the mark that Germans put there.
    tab.until("a measured time", r"/\d,\d/.test(document.querySelector('#quality').innerText)").await?;
    ensure!(
        !tab.js::<bool>(r"return /\d\.\d/.test(document.querySelector('#quality').innerText);", &[]).await?
    );
    gallery::shoot(stage, &tab, "german-line-panel").await?;
    tab.click("#quality-close").await?;
    tab.click(names::CONTROL).await?;
    tab.reads(names::CONTROL, "Kunde wird gefragt").await?;
    meeting.host.asked(host::CONTROL, true).await?;
    meeting.viewer.phase("controlling").await?;
    tab.reads(names::STATUS, "Steuern").await?;
    gallery::shoot(stage, &tab, "german-session-controlling").await?;
    meeting.host.types("/end")?;
    meeting.viewer.phase("ended").await?;
    tab.reads("#heading", "Der Kunde hat die Sitzung beendet").await
}

async fn german_elsewhere(stage: &Stage) -> Result<()> {
    let (elsewhere, server) = origin::begin(stage).await?;
    // The browser asks for English, the technician has chosen German: that alone can't be known elsewhere.
    let tab = stage.chromium().await?;
    pairing::sign_in(&tab, &server).await?;
    choose(&tab, "de").await?;
    tab.reads("#new-session", "Neue Sitzung").await?;
    tab.click("#new-session").await?;
    tab.click("#sessions .session a.open").await?;
    tab.follow_new_tab().await?;
    let viewer = Viewer { tab: tab.clone() };
    viewer.phase("waiting").await?;
    ensure!(tab.url().await?.starts_with(&format!("{}/de/index.html#", elsewhere.origin())));
    tab.reads(names::STATUS, "Warten auf den Kunden").await?;
    tab.reload().await?;
    viewer.phase("waiting").await?;
    tab.reads(names::STATUS, "Warten auf den Kunden").await
}

/// Chooses this language below the page.
async fn choose(tab: &Tab, language: &str) -> Result<()> {
    tab.click(&format!("form.languages button[value='{language}']")).await?;
    tab.until("the other language", &format!("document.documentElement.lang === '{language}'")).await
}

async fn choice(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let session = Session::new(&server).await?;
    let tab = stage.chromium().await?;
    tab.goto(&server.url).await?;
    tab.reads("h1", "Let’s get you some help").await?;
    tab.fill("#code", &session.code).await?;
    tab.click("#code-continue").await?;
    tab.reads("#who-name", TECHNICIAN).await?;
    choose(&tab, "de").await?;
    tab.reads("#who-name", TECHNICIAN).await?;
    tab.reads("#start-title", "Bereit, wenn Sie es sind").await?;
    let shown = tab.text("#shown-code").await?;
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    ensure!(digits == session.code, "after the choice the page shows the code {digits}");

    // It holds for the other pages, too, and can be taken back.
    tab.goto(&format!("{}/sign-in?next=/desk", server.url)).await?;
    tab.reads("h1", "Anmelden").await?;
    choose(&tab, "en").await?;
    tab.reads("h1", "Sign in").await?;
    let url = tab.url().await?;
    ensure!(url == format!("{}/sign-in?next=/desk", server.url), "the choice led to {url}");
    ensure!(!server.log().contains(&session.code), "the server was told the code");
    Ok(())
}

async fn nothing_is_cut_off(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let session = Session::new(&server).await?;
    let tab = stage.chromium().await?;
    pairing::sign_in(&tab, &server).await?;
    let languages: Vec<String> = tab
        .js("return [...document.querySelectorAll('form.languages [lang]')].map((each) => each.lang);", &[])
        .await?;
    ensure!(languages.len() > 1, "only {languages:?} can be chosen");
    let desk = format!("{}/desk", server.url);
    for language in &languages {
        tab.goto(&desk).await?;
        tab.seen("#new-session").await?;
        if tab
            .js::<bool>("return document.documentElement.lang !== arguments[0];", &[language.as_str().into()])
            .await?
        {
            choose(&tab, language).await?;
        }
        for width in WIDTHS {
            tab.set_size(width, 800).await?;
            for (path, there) in [
                (String::new(), "#code"),
                (format!("/#{}", session.code), "#who-name"),
                ("/desk".into(), "#sessions .session"),
                ("/sign-in?error=wrong".into(), "#error"),
                ("/nothing-is-here".into(), "h1"),
                (format!("/session/{}#705", session.id), "#code"),
            ] {
                tab.goto("about:blank").await?;
                tab.goto(&format!("{}{path}", server.url)).await?;
                tab.seen(there).await?;
                tab.until("its letters", "document.fonts.status === 'loaded'").await?;
                let cut_off: Vec<String> = tab.js(CUT_OFF, &[]).await?;
                ensure!(
                    cut_off.is_empty(),
                    "{path:?} in {language}, {width} pixels wide, cuts off {cut_off:?}"
                );
            }
        }
    }
    Ok(())
}
