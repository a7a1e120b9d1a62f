//! The customer's cursor: its true shape under the technician's own pointer, and where it is when the customer moves it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::super::story;
use crate::meeting::{Meeting, Viewer};
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::{Canvas, area};
use crate::x::scenes::Ring;
use crate::x::window::Window;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_cursor_has_its_true_shape_and_needs_no_round_trip", 60, shape),
        story!("a_cursor_that_the_customer_moves_is_seen_where_it_is", 60, moved),
    ]
}

/// How long a change of the cursor may take.
const SOON: Duration = Duration::from_secs(3);

/// What the browser draws as the pointer over the picture: address of the image, hot spot.
async fn drawn(viewer: &Viewer) -> Result<Option<(String, u16, u16)>> {
    let style: String =
        viewer.tab.js("return getComputedStyle(document.querySelector('#picture')).cursor;", &[]).await?;
    let Some((address, rest)) = style.strip_prefix("url(\"").and_then(|rest| rest.split_once("\")")) else {
        return Ok(None);
    };
    let mut numbers = rest.split([' ', ',']).filter_map(|word| word.parse().ok());
    let hot = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok(Some((address.to_owned(), hot.0, hot.1)))
}

async fn shape(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    let _ring = Window::open(&meeting.xvfb.display, Ring(area(300, 200, 400, 300)))?;
    let viewer = &meeting.viewer;
    viewer.mouse("mouseMoved", 500, 350, false).await?;
    let address = wait::find(SOON, "the window's own cursor", || async {
        let drawn = drawn(viewer).await?;
        Ok(drawn.filter(|(_, x, y)| (*x, *y) == Ring::HOT).map(|(address, ..)| address))
    })
    .await
    .with_context(|| "the hot spot is not where it is")?;
    let read = "const [address, done] = arguments;
        const image = new Image();
        image.onload = () => {
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [image.width, image.height];
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            done([image.width, image.height, [...context.getImageData(0, 0, image.width, image.height).data]]);
        };
        image.onerror = () => done([0, 0, []]);
        image.src = address;";
    let (width, height, pixels): (u16, u16, Vec<u8>) = viewer.tab.js_async(read, &[address.into()]).await?;
    ensure!((width, height) == (Ring::SIDE, Ring::SIDE), "the shape has {width}×{height} pixels");
    for y in 0..height {
        for x in 0..width {
            let at = usize::from(y * width + x) * 4;
            let (shown, truth) = (&pixels[at..at + 4], Ring::pixel(x, y));
            ensure!(shown == truth, "the cursor's pixel {x}, {y} is {shown:?} instead of {truth:?}");
        }
    }
    // The customer's program does nothing any more: the browser draws the cursor where the technician's hand is.
    meeting.host.signal(Signal::SIGSTOP)?;
    let there = async {
        viewer.mouse("mouseMoved", 420, 260, false).await?;
        ensure!(drawn(viewer).await?.is_some(), "the cursor went away without the customer's program");
        ensure!(!viewer.tab.sees("#remote-cursor").await?, "a second cursor is shown");
        anyhow::Ok(())
    }
    .await;
    meeting.host.signal(Signal::SIGCONT)?;
    there
}

async fn moved(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    let _ring = Window::open(&meeting.xvfb.display, Ring(area(0, 0, 1280, 800)))?;
    let viewer = &meeting.viewer;
    viewer.mouse("mouseMoved", 200, 200, false).await?;
    let screen = meeting.xvfb.screen()?;
    wait::until(SOON, "the pointer to follow", || {
        let (x, y) = screen.pointer()?;
        Ok(x.abs_diff(200) < 3 && y.abs_diff(200) < 3)
    })
    .await?;
    let canvas = Canvas::connect(&meeting.xvfb.display)?;
    for (x, y) in [(640, 400), (33, 777), (1200, 20)] {
        canvas.move_pointer(x, y)?;
        let expected = viewer.point(x as u32, y as u32).await?;
        let place = "const r = document.querySelector('#remote-cursor');
            if (!r.checkVisibility()) return null;
            const b = r.getBoundingClientRect();
            return [b.left, b.top];";
        let found = wait::find(SOON, "the cursor where the customer moved it", || async {
            let Some((left, top)) = viewer.tab.js::<Option<(f64, f64)>>(place, &[]).await? else {
                return Ok(None);
            };
            let (left, top) = (left + f64::from(Ring::HOT.0), top + f64::from(Ring::HOT.1));
            let near = (left - expected.0).abs() < 2.0 && (top - expected.1).abs() < 2.0;
            Ok(near.then_some(()))
        })
        .await;
        if let Err(error) = found {
            let now: Value = viewer.tab.js(place, &[]).await?;
            return Err(error.context(format!("it is at {now}, not at {expected:?}")));
        }
    }
    // The technician takes it again.
    viewer.mouse("mouseMoved", 300, 300, false).await?;
    viewer.tab.unseen("#remote-cursor").await?;
    viewer.mouse("mouseMoved", 310, 300, false).await?;
    wait::find(SOON, "the pointer's own shape again", || async { Ok(drawn(viewer).await?.map(drop)) }).await
}
