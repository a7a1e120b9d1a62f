//! What the technician sees is at every moment a picture that the customer's screen had: nothing tears, nothing flashes, and
//! nothing old comes back over something new.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use x11rb::protocol::xproto::Rectangle;

use super::super::story;
use crate::ends::Ends;
use crate::lab::{Conditions, Plan};
use crate::meeting::{Meeting, Viewer};
use crate::runner::Story;
use crate::stage::Stage;
use crate::x::canvas::area;
use crate::x::scenes::{BIT, Lines, Manner, Pattern, Twins, paper};
use crate::x::window::Window;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("small_changes_appear_whole_and_in_order", 60, little),
        story!("full_screen_motion_appears_whole_and_in_order", 60, much),
        story!("nothing_old_comes_back_when_motion_stops_and_starts", 60, fits),
        story!("scrolling_text_never_tears", 60, scrolling),
        story!("nothing_old_comes_back_on_a_line_that_loses_packets", 90, lossy),
    ]
}

/// How long each scene is watched.
const WATCHED: Duration = Duration::from_secs(10);

/// Looks at each frame, from before the scene begins until after it has ended.
const WATCH: &str = "
    const [places, lines] = arguments;
    const account = window.nearhandWhole = { looks: 0, seen: 0, unreadable: 0, torn: [], back: [], from: performance.now(), last: places.map(() => -1) };
    // As `Twins` and `Lines` draw them: sixteen cells of sixteen pixels, twelve bits and four that check them.
    const numberIn = (data, offset) => {
        let word = 0;
        for (let bit = 0; bit < 16; bit += 1) word = word * 2 + (data[offset + 4 * (bit * 16 + 8) + 1] > 127 ? 1 : 0);
        const number = word >> 4;
        return ((number ^ (number >> 4) ^ (number >> 8) ^ 0x5) & 0xf) === (word & 0xf) ? number : null;
    };
    everyFrame(() => {
        if (window.nearhandWhole !== account) return false;
        const context = readable();
        account.looks += 1;
        const at = Math.round(performance.now() - account.from);
        if (lines) {
            const [x, y, height, paper] = lines;
            const { data } = context.getImageData(x, y, 256, height);
            const numbers = [];
            for (let line = 0; line < height / 16; line += 1) numbers.push(numberIn(data, 4 * 256 * (line * 16 + 8)));
            // Nothing of it is there yet, or everything of it is gone.
            if (numbers.every((number) => number === null)) return;
            account.unreadable += numbers.filter((number) => number === null).length;
            const torn = numbers.findIndex((number, line) => number !== null && numbers[0] !== null && number !== (numbers[0] + line) % paper);
            if (torn > 0) account.torn.push([at, numbers[0], torn, numbers[torn]]);
            if (numbers[0] !== null && numbers[0] !== account.last[0]) {
                account.seen += 1;
                // It begins again after its end.
                if (account.last[0] >= 0 && (numbers[0] - account.last[0] + paper) % paper > paper / 2) account.back.push([at, 0, account.last[0], numbers[0]]);
                account.last[0] = numbers[0];
            }
            return;
        }
        const numbers = places.map(([x, y]) => numberIn(context.getImageData(x, y + 8, 256, 1).data, 0));
        if (numbers.every((number) => number === null)) return;
        if (numbers.some((number) => number === null)) { account.unreadable += 1; return; }
        if (numbers[0] !== numbers[1]) account.torn.push([at, ...numbers]);
        if (numbers.some((number, place) => number !== account.last[place])) account.seen += 1;
        numbers.forEach((number, place) => {
            if (number < account.last[place]) account.back.push([at, place, account.last[place], number]);
            account.last[place] = number;
        });
    });
    return true;";

/// What was seen.
#[derive(Debug, Deserialize)]
struct Account {
    /// Frames of the tab.
    looks: u32,
    /// Different pictures.
    seen: u32,
    /// Numbers, or lines, that are none.
    unreadable: u32,
    /// When, and what stood beside what.
    torn: Vec<Vec<i64>>,
    /// When, where, and what came after what.
    back: Vec<Vec<i64>>,
}

impl Account {
    fn is_whole(&self) -> Result<()> {
        self.is_in_order()?;
        ensure!(
            self.torn.is_empty(),
            "{} of {} were torn, at ms with numbers: {:?}",
            self.torn.len(),
            self.looks,
            &self.torn[..self.torn.len().min(6)]
        );
        ensure!(self.unreadable == 0, "{} numbers of {} frames can't be read", self.unreadable, self.looks);
        Ok(())
    }

    fn is_in_order(&self) -> Result<()> {
        println!("        {} pictures in {} frames of the tab", self.seen, self.looks);
        ensure!(self.seen > 30, "only {} pictures were seen in {} frames", self.seen, self.looks);
        ensure!(
            self.back.is_empty(),
            "{} times something old came back, at ms, place, what after what: {:?}",
            self.back.len(),
            &self.back[..self.back.len().min(6)]
        );
        Ok(())
    }
}

async fn watch(viewer: &Viewer, places: Value, lines: Value) -> Result<()> {
    viewer.ask::<Value>(WATCH, &[places, lines]).await.map(drop)
}

async fn account(viewer: &Viewer) -> Result<Account> {
    viewer
        .tab
        .js("const account = window.nearhandWhole; window.nearhandWhole = null; return account;", &[])
        .await
}

/// Watches twins on a customer's screen.
async fn twins(viewer: &Viewer, display: &str, twins: Twins, place: Rectangle) -> Result<Account> {
    let (left, top) = (place.x as u16, place.y as u16);
    let second = [left + Twins::second(place.width), top + place.height - BIT];
    watch(viewer, json!([[left, top], second]), Value::Null).await?;
    let window = Window::open(display, twins)?;
    tokio::time::sleep(WATCHED).await;
    let account = account(viewer).await?;
    drop(window);
    Ok(account)
}

async fn little(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let _desktop = Window::open(&meeting.xvfb.display, Pattern)?;
    let place = area(330, 250, 800, 300);
    let scene = Twins::new(place, Duration::from_millis(62), Manner::Little);
    twins(&meeting.viewer, &meeting.xvfb.display, scene, place).await?.is_whole()
}

async fn much(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let place = area(0, 0, 1280, 800);
    let scene = Twins::new(place, Duration::from_millis(33), Manner::Much);
    twins(&meeting.viewer, &meeting.xvfb.display, scene, place).await?.is_whole()
}

async fn fits(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let _desktop = Window::open(&meeting.xvfb.display, Pattern)?;
    let place = area(100, 60, 1000, 700);
    let scene = Twins::new(place, Duration::from_millis(33), Manner::Fits);
    twins(&meeting.viewer, &meeting.xvfb.display, scene, place).await?.is_whole()
}

async fn scrolling(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let place = area(90, 70, 1000, 640);
    for step in [1, 3] {
        // It covers what the last round left.
        let _desktop = Window::open(&meeting.xvfb.display, Pattern)?;
        meeting.viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(3)).await?;
        watch(&meeting.viewer, json!([[0, 0]]), json!([place.x, place.y, place.height, paper()])).await?;
        let window = Window::open(&meeting.xvfb.display, Lines::new(place, step))?;
        tokio::time::sleep(WATCHED).await;
        let account = account(&meeting.viewer).await?;
        drop(window);
        account.is_whole().with_context(|| format!("{step} lines at a time"))?;
    }
    Ok(())
}

async fn lossy(stage: &Stage) -> Result<()> {
    let line = Conditions { delay: Duration::from_millis(10), loss: 0.05, ..Conditions::PERFECT };
    let mut ends = Ends::new(stage, Plan { line: Some(line), ..Plan::V4 }, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.viewer.picture_there().await?;
    let _desktop = Window::open(&ends.xvfb.display, Pattern)?;
    // Beside each other: what the first one leaves there is not the second one's.
    for (manner, milliseconds, top) in [(Manner::Little, 62, 60), (Manner::Fits, 33, 420)] {
        let place = area(100, top, 1000, 320);
        let scene = Twins::new(place, Duration::from_millis(milliseconds), manner);
        let account = twins(&met.viewer, &ends.xvfb.display, scene, place).await?;
        account.is_in_order().with_context(|| format!("{manner:?}"))?;
    }
    Ok(())
}
