//! What the technician is told about the picture and the line, what they can choose, and that a picture which stands still
//! because nothing comes any more says so.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::super::story;
use crate::meeting::{Meeting, Viewer};
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::scenes::{Motion, Page};
use crate::x::window::Window;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_figures_of_line_and_picture_are_plausible", 60, figures),
        story!("sharp_smooth_and_save_data_change_what_is_sent", 90, choices),
        story!("a_silent_line_is_told_in_words_and_a_still_screen_is_not", 60, frozen),
    ]
}

const BUTTON: &str = "#quality-button";

/// The bare numbers of a figure of the panel.
async fn figure(viewer: &Viewer, name: &str) -> Result<Vec<f64>> {
    let value: Option<String> = viewer
        .tab
        .js("return document.querySelector(arguments[0])?.dataset.value ?? null;", &[name.into()])
        .await?;
    let value = value.with_context(|| format!("there is no {name}"))?;
    value
        .split_whitespace()
        .map(|word| word.parse().with_context(|| format!("{name} is {value:?}")))
        .collect()
}

/// Waits until the numbers of a figure are as they should be.
async fn figure_is(viewer: &Viewer, name: &str, plausible: impl Fn(&[f64]) -> bool) -> Result<()> {
    let found = wait::find(Duration::from_secs(8), &format!("plausible numbers in {name}"), || async {
        let numbers = figure(viewer, name).await?;
        Ok((!numbers.is_empty() && plausible(&numbers)).then_some(()))
    })
    .await;
    match found {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!("it reads {:?}", figure(viewer, name).await))),
    }
}

async fn figures(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let viewer = &meeting.viewer;
    viewer.tab.click(BUTTON).await?;
    let motion = Window::open(&meeting.xvfb.display, Motion::default())?;
    figure_is(viewer, "#quality-rate", |kbit| (50.0..200_000.0).contains(&kbit[0])).await?;
    figure_is(viewer, "#quality-frames", |each| each.iter().sum::<f64>() >= 5.0 && each[0] <= 70.0).await?;
    figure_is(viewer, "#quality-trip", |ms| (0.0..500.0).contains(&ms[0])).await?;
    figure_is(viewer, "#quality-loss", |thousandths| thousandths[0] < 50.0).await?;
    figure_is(viewer, "#quality-capture", |ms| (0.0..200.0).contains(&ms[0])).await?;
    figure_is(viewer, "#quality-encode", |ms| ms[0] > 0.0 && ms[0] < 300.0).await?;
    figure_is(viewer, "#quality-size", |size| size.len() == 2 && size[0] >= 320.0 && size[0] <= 1280.0)
        .await?;
    viewer.tab.reads("#quality-path", "irect").await?;
    viewer.tab.until("a verdict", "document.querySelector('#quality').dataset.line !== 'unknown'").await?;
    drop(motion);
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(3)).await?;
    figure_is(viewer, "#quality-exact", |percent| percent[0] > 99.0).await?;
    figure_is(viewer, "#quality-rate", |kbit| kbit[0] < 100.0).await
}

/// What a while of motion takes.
struct Taken {
    /// kB/s of everything.
    rate: f64,
    /// kB for each time that the picture was painted.
    each: f64,
}

async fn motion_takes(viewer: &Viewer) -> Result<Taken> {
    const WHILE: f64 = 6.0;
    let look = || async {
        let bytes: f64 = viewer.tab.js_async(RECEIVED, &[]).await?;
        anyhow::Ok((bytes, viewer.painted().await? as f64))
    };
    // It takes effect, and the encoder settles.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let before = look().await?;
    tokio::time::sleep(Duration::from_secs_f64(WHILE)).await;
    let after = look().await?;
    let kilobytes = (after.0 - before.0) / 1000.0;
    Ok(Taken { rate: kilobytes / WHILE, each: kilobytes / (after.1 - before.1).max(1.0) })
}

const RECEIVED: &str = "const done = arguments[0];
    (async () => {
        let sum = 0;
        for (const peer of window.nearhandPeers) {
            if (peer.connectionState !== 'connected') continue;
            for (const report of (await peer.getStats()).values()) if (report.type === 'transport') sum += report.bytesReceived;
        }
        return sum;
    })().then(done);";

async fn choices(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let viewer = &meeting.viewer;
    let _motion = Window::open(&meeting.xvfb.display, Motion::default())?;
    let mut told = Vec::new();
    for choice in ["auto", "smooth", "sharp", "save-data"] {
        viewer.tab.click(BUTTON).await?;
        viewer.tab.click(&format!("label:has(#quality-{choice})")).await?;
        let chosen = format!("document.body.dataset.quality === '{choice}'");
        viewer.tab.until("the choice", &chosen).await?;
        viewer.tab.click(BUTTON).await?;
        let taken = motion_takes(viewer).await?;
        println!("        {choice}: {:.0} kB/s, {:.1} kB each time", taken.rate, taken.each);
        told.push(taken);
    }
    let save = &told[3];
    for (name, other) in [("automatic", &told[0]), ("sharp", &told[2])] {
        // A machine that can't keep up sends fewer pictures of each kind: then they tell by their size.
        let saves = save.rate < other.rate * 0.7 || save.each < other.each * 0.7;
        ensure!(saves, "saving data takes {:.0} kB/s, {name} {:.0}", save.rate, other.rate);
    }
    // The browser remembers it.
    viewer.tab.reload().await?;
    viewer.phase("viewing").await?;
    viewer.tab.until("the choice again", "document.body.dataset.quality === 'save-data'").await
}

const FROZEN: &str = "document.body.dataset.frozen === 'yes'";

async fn frozen(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let viewer = &meeting.viewer;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(3)).await?;
    // A screen on which nothing happens is no frozen one.
    viewer.tab.js::<bool>("window.nearhandFrozen = false; new MutationObserver(() => { window.nearhandFrozen ||= document.body.dataset.frozen === 'yes'; }).observe(document.body, { attributes: true }); return true;", &[]).await?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    ensure!(
        !viewer.tab.js::<bool>("return window.nearhandFrozen;", &[]).await?,
        "a still screen is said to be frozen"
    );

    meeting.host.signal(Signal::SIGSTOP)?;
    let told = async {
        viewer.tab.until_within(Duration::from_secs(8), "the silence to be told", FROZEN).await?;
        viewer.tab.seen("#frozen").await?;
        let words = viewer.tab.text("#frozen").await?;
        ensure!(words.split_whitespace().count() > 2, "it reads “{words}”");
        println!("        it reads “{}”", words.replace('\n', " "));
        anyhow::Ok(())
    }
    .await;
    meeting.host.signal(Signal::SIGCONT)?;
    told?;
    viewer.tab.until("the silence to be over", &format!("!({FROZEN})")).await?;
    viewer.tab.unseen("#frozen").await?;
    viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(3)).await.map(drop)
}
