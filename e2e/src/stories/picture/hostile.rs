//! Ends that are not ours, once they have proven that they know the code: a viewer that asks for the absurd, and a host whose
//! picture is poison.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nearhand_protocol::control::{Arrival, Quality, ToHost, Watch};
use nearhand_protocol::frame::{FrameChunk, MAX_CHUNKS};
use nearhand_protocol::picture::{Area, Cells, Painted, Step, Update};
use nearhand_protocol::wire::{self, Message};
use serde_json::{Value, json};

use super::super::{chat, story};
use crate::meeting::Meeting;
use crate::process::{cpu_seconds, memory_kb};
use crate::runner::Story;
use crate::stage::Stage;
use crate::x::scenes::{Clock, Page};
use crate::x::window::Window;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_viewer_that_asks_for_the_absurd_gets_bounded_work", 90, viewer),
        story!("a_host_whose_picture_is_poison_does_not_kill_the_tab", 90, host),
    ]
}

/// How long each attack goes on.
const STORM: Duration = Duration::from_secs(5);

fn bytes<M: Message>(message: &M) -> Result<Value> {
    Ok(json!(wire::encode(message)?))
}

/// Sends messages on a channel of the tab, all of them fifty times a second.
const SEND: &str = "
    const [label, messages, milliseconds, done] = arguments;
    const channel = window.nearhandChannels[label];
    const packed = messages.map((message) => new Uint8Array(message));
    const end = performance.now() + milliseconds;
    let sent = 0;
    const go = () => {
        if (performance.now() > end || channel.readyState !== 'open') return done(sent);
        for (const message of packed) {
            if (channel.bufferedAmount > 200000) break;
            channel.send(message);
            sent += 1;
        }
        setTimeout(go, 20);
    };
    go();";

async fn viewer(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let _clock = Window::open(&meeting.xvfb.display, Clock::default())?;
    let watch =
        |monitor, quality, figures| ToHost::Watch(Watch { monitor, quality, figures, ..Watch::default() });
    let mut absurd = vec![bytes(&watch(Some(255), Quality::Sharp, true))?];
    for monitor in [Some(0), None, Some(7), Some(128)] {
        for quality in [Quality::Auto, Quality::Sharp, Quality::Smooth, Quality::SaveData] {
            absurd.push(bytes(&watch(monitor, quality, false))?);
        }
    }
    let infinite = Arrival {
        frames_decoded: u16::MAX,
        frames_dropped: u16::MAX,
        packets_lost: u16::MAX,
        jitter_buffer_ms: u16::MAX,
    };
    let painted = |highest, painted| bytes(&Painted { highest, painted });
    let never_sent = vec![
        painted(u32::MAX, u128::MAX)?,
        painted(0, u128::MAX)?,
        painted(1_000_000, 0)?,
        painted(u32::MAX, 0)?,
        painted(3, 0x5555)?,
    ];
    for (name, label, messages) in [
        ("absurd views", "control", absurd),
        (
            "arrivals of everything and of nothing",
            "control",
            vec![bytes(&ToHost::Arrival(infinite))?, bytes(&ToHost::Arrival(Arrival::default()))?],
        ),
        ("a storm that wants everything anew", "control", vec![bytes(&ToHost::Refresh)?; 8]),
        ("acknowledgements of updates that were never sent", "picture", never_sent),
    ] {
        let cpu = cpu_seconds(meeting.host.pid())?;
        let begin = Instant::now();
        let arguments = [label.into(), Value::Array(messages), (STORM.as_millis() as u64).into()];
        let sent: u64 =
            meeting.viewer.tab.js_async(SEND, &arguments).await.with_context(|| name.to_owned())?;
        let used = (cpu_seconds(meeting.host.pid())? - cpu) / begin.elapsed().as_secs_f64();
        println!("        {name}: {sent} messages, {:.0} % of a core", used * 100.0);
        ensure!(sent > 100, "{name}: only {sent} messages were sent");
        ensure!(meeting.host.alive()?, "{name}: the host has ended: {}", meeting.host.complaint());
        ensure!(!meeting.host.complaint().contains("panicked"), "{name}: {}", meeting.host.complaint());
        // Two cores could not do more than 200.
        ensure!(used < 1.5, "{name} keeps the host busy with {:.0} % of a core", used * 100.0);
        let memory = memory_kb(meeting.host.pid())? / 1000;
        ensure!(memory < 300, "{name}: the customer's program takes {memory} MB");
    }
    // It is as it was for whoever behaves again.
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(3)).await?;
    chat::write(&meeting, "undisturbed").await?;
    meeting.host.says("undisturbed").await
}

/// Gives messages to the tab as if the other end had sent them on a channel, so many times.
const RECEIVE: &str = "
    const [label, messages, times, done] = arguments;
    const channel = window.nearhandChannels[label];
    const packed = messages.map((message) => new Uint8Array(message));
    let round = 0;
    const go = () => {
        if (round >= times) return done(round * packed.length);
        round += 1;
        for (const message of packed) channel.dispatchEvent(new MessageEvent('message', { data: message.slice().buffer }));
        setTimeout(go, 0);
    };
    go();";

async fn host(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let viewer = &meeting.viewer;
    let view: Option<String> =
        viewer.tab.js("return document.querySelector('#screen').dataset.view ?? null;", &[]).await?;
    let view: u8 = view.context("the canvas has no view")?.parse()?;
    let update = |number, steps| bytes(&Update { view, number, steps });
    let tile = |area, coded| Step::Tile { area, coded };
    let noise: Vec<u8> = (0..30_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut full = Vec::new();
    for first in 0..=8_u8 {
        // Whatever the codings are: the largest area, few bytes, and many.
        let mut coded = noise.clone();
        coded[0] = first;
        full.push((first, coded));
    }
    let large = Area::new(0, 0, 256, 256);
    let mut poison = Vec::new();
    for (_, coded) in &full {
        for length in [1, 2, 5, 40, 30_000] {
            poison.push(update(2, vec![tile(large, &coded[..length])])?);
        }
    }
    // Outside of the screen: wholly, and by a pixel.
    for area in [Area::new(16_000, 16_000, 64, 64), Area::new(1279, 799, 2, 2), Area::new(1280, 0, 1, 1)] {
        poison.push(update(2, vec![tile(area, &[1, 1, 2, 3])])?);
        poison.push(update(2, vec![Step::Move { since: 1, from_x: 0, from_y: 0, to: area }])?);
        poison.push(update(2, vec![Step::Move { since: 0, from_x: area.x, from_y: area.y, to: large }])?);
    }
    // Another view, many steps, frames that never come.
    poison.push(bytes(&Update {
        view: view.wrapping_add(7),
        number: 1,
        steps: vec![tile(large, &[1, 1, 2, 3])],
    })?);
    let waits: Vec<Step<'_>> = (0..200)
        .map(|n| Step::Frame {
            timestamp: n * 77,
            width: 16_384,
            height: 16_384,
            cells: Cells::from_flags([true; 300]),
        })
        .collect();
    poison.push(update(3, waits)?);
    let large_chunk = vec![0x55; 50_000];
    let endless: Vec<Value> = (0..6)
        .map(|index| {
            bytes(&FrameChunk { timestamp: 9, keyframe: true, index, count: MAX_CHUNKS, bytes: &large_chunk })
        })
        .collect::<Result<_>>()?;
    let garbled = vec![json!([]), json!([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), json!(vec![0x80; 60_000])];
    for (name, label, messages, times) in [
        ("poisoned updates", "picture", poison, 30),
        ("garbage", "picture", garbled.clone(), 30),
        ("frames that never end", "frames", endless, 100),
        ("garbage instead of frames", "frames", garbled, 30),
    ] {
        let arguments = [label.into(), Value::Array(messages), times.into()];
        let given: u64 = viewer.tab.js_async(RECEIVE, &arguments).await.with_context(|| name.to_owned())?;
        println!("        {name}: {given}");
        viewer.did_not_break().await.with_context(|| name.to_owned())?;
    }
    viewer.tab.devtools("HeapProfiler.collectGarbage", json!({})).await?;
    let heap: f64 = viewer.tab.js("return performance.memory.usedJSHeapSize / 1e6;", &[]).await?;
    ensure!(heap < 250.0, "the tab's scripts hold {heap:.0} MB");
    // The tab lives: it shows what the true host sends, or it has ended the session and says why.
    let phase = viewer.now().await?;
    if phase == "ended" {
        let reason: String = viewer.tab.js("return document.body.dataset.end ?? '';", &[]).await?;
        ensure!(!reason.is_empty(), "the session has ended without a reason");
        return Ok(());
    }
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(5)).await?;
    viewer.end().await?;
    viewer.phase("ended").await
}
