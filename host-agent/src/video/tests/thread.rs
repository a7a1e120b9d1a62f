//! The thread itself, with a desktop and transports that exist in memory only.

use std::sync::Arc;
use std::time::Duration;

use nearhand_desktop::{Rect, fake};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::Watch;
use nearhand_protocol::grant::{Consent, Grants, Right};
use nearhand_protocol::picture::{Painted, Step, Update};
use nearhand_protocol::wire::decode_borrowed;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::super::{Event, Video, ViewerId};
use crate::input::Placed;
use crate::rtc::fake::{FakeTransport, Recorded};
use crate::rtc::{Event as PeerEvent, Events};

const PATIENCE: Duration = Duration::from_secs(20);

struct Thread {
    video: Video,
    events: Receiver<Event>,
    desktop: fake::Control,
    grants: Grants,
    /// A transport whose events nobody takes is closed.
    held: Vec<Events>,
}

impl Thread {
    fn start(width: u16, height: u16) -> Self {
        let (desktop, control) = fake::desktop(width, height);
        let (video, events) = Video::start(desktop.capture, Placed::nowhere()).expect("a thread");
        let mut grants = Grants::new();
        assert!(grants.give(Right::View, Consent::CommandLine));
        Self { video, events, desktop: control, grants, held: Vec::new() }
    }

    async fn join(&mut self, viewer: u8) -> Arc<FakeTransport> {
        let (transport, mut events) = FakeTransport::new();
        for channel in [Channel::Picture, Channel::Cursor] {
            transport.emit(PeerEvent::ChannelOpen(channel)).await;
            events.next().await;
        }
        transport.set_video(Ok(()));
        self.held.push(events);
        let grant = self.grants.view().expect("given");
        self.video.show(ViewerId(viewer), grant, transport.clone());
        transport
    }

    /// Waits for an event that this makes something of.
    async fn hears<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = timeout(PATIENCE, self.events.recv()).await.expect("in time").expect("an event");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    async fn view(&mut self, viewer: u8) -> nearhand_protocol::picture::View {
        self.hears(|event| match event {
            Event::View { viewer: who, view } if who.0 == viewer => Some(*view),
            _ => None,
        })
        .await
    }
}

/// Whether it is an update with a step that satisfies this.
fn step(recorded: &Recorded, wanted: impl Fn(&Step<'_>) -> bool) -> bool {
    let Recorded::Message(Channel::Picture, bytes) = recorded else { return false };
    decode_borrowed::<Update<'_>>(bytes).expect("an update").steps.iter().any(wanted)
}

fn tile_at(x: u16, y: u16) -> impl Fn(&Recorded) -> bool {
    move |recorded| {
        step(recorded, |step| matches!(step, Step::Tile { area, .. } if (area.x, area.y) == (x, y)))
    }
}

#[tokio::test]
async fn two_look_each_at_what_they_like() {
    let mut thread = Thread::start(200, 100);
    let one = thread.join(0).await;
    let view = thread.view(0).await;
    assert_eq!((view.monitor, view.area.width, view.area.height), (None, 200, 100));
    timeout(PATIENCE, one.wait_for(tile_at(0, 0))).await.expect("a black desktop is a few tiles");
    let other = thread.join(1).await;
    thread.view(1).await;
    timeout(PATIENCE, other.wait_for(tile_at(0, 0))).await.expect("the other, too");
    thread.desktop.paint(Rect::new(70, 40, 3, 3), [9, 9, 9, 0]);
    for transport in [&one, &other] {
        timeout(PATIENCE, transport.wait_for(tile_at(70, 40))).await.expect("what changed");
        assert!(!transport.recorded().iter().any(|what| matches!(what, Recorded::Frame { .. })));
    }
    thread.video.watch(ViewerId(1), Watch { monitor: Some(0), ..Watch::default() });
    assert_eq!(thread.view(1).await.monitor, Some(0));
    thread.video.watch(ViewerId(1), Watch { monitor: Some(77), ..Watch::default() });
    assert_eq!(thread.view(1).await.monitor, None, "there is no such monitor");
    thread.video.stop(ViewerId(1));
    thread.desktop.resize(64, 64);
    assert_eq!(thread.view(0).await.area.width, 64);
}

#[tokio::test]
async fn nothing_is_shown_without_leave() {
    let mut thread = Thread::start(64, 64);
    let one = thread.join(0).await;
    timeout(PATIENCE, one.wait_for(tile_at(0, 0))).await.expect("the first picture");
    thread.grants.take(Right::View);
    thread.desktop.paint(Rect::new(9, 9, 5, 5), [1, 2, 3, 0]);
    // With leave again, and another transport, so that there is something to wait for.
    assert!(thread.grants.give(Right::View, Consent::CommandLine));
    let again = thread.join(0).await;
    timeout(PATIENCE, again.wait_for(tile_at(0, 0))).await.expect("a new beginning");
    assert!(!one.recorded().iter().any(tile_at(9, 9)));
}

#[tokio::test]
async fn a_picture_that_did_not_come_is_sent_again_though_nothing_else_happens() {
    let mut thread = Thread::start(64, 64);
    let one = thread.join(0).await;
    timeout(PATIENCE, one.wait_for(tile_at(0, 0))).await.expect("the first picture");
    let twice = async {
        while one.recorded().iter().filter(|what| tile_at(0, 0)(what)).count() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, twice).await.expect("nobody said that it was painted");
}

#[tokio::test]
async fn garbage_of_one_viewer_does_no_harm_to_another() {
    let mut thread = Thread::start(200, 100);
    let (bad, good) = (thread.join(0).await, thread.join(1).await);
    timeout(PATIENCE, good.wait_for(tile_at(0, 0))).await.expect("the first picture");
    for round in 0..200_u32 {
        thread.video.want_keyframe(ViewerId(0));
        thread.video.refresh(ViewerId(0));
        thread.video.painted(ViewerId(0), Painted { highest: u32::MAX - round, painted: u128::MAX });
        let monitor = Some(round as u8);
        thread.video.watch(ViewerId(0), Watch { monitor, ..Watch::default() });
        thread.video.watch(ViewerId(9), Watch::default());
        if round == 100 {
            thread.desktop.paint(Rect::new(70, 40, 3, 3), [9, 9, 9, 0]);
        }
    }
    timeout(PATIENCE, good.wait_for(tile_at(70, 40))).await.expect("what changed");
    let frames = bad.recorded().iter().filter(|what| matches!(what, Recorded::Frame { .. })).count();
    assert!(frames <= 4, "{frames} keyframes for nothing");
}

#[tokio::test]
async fn a_channel_that_takes_nothing_gets_the_newest_later() {
    let mut thread = Thread::start(200, 100);
    let one = thread.join(0).await;
    timeout(PATIENCE, one.wait_for(tile_at(0, 0))).await.expect("the first picture");
    one.fill(Channel::Picture);
    for y in 0..30 {
        thread.desktop.paint(Rect::new(70, 20 + y, 3, 3), [y as u8, 9, 9, 0]);
    }
    one.emit(PeerEvent::BufferedLow(Channel::Picture)).await;
    timeout(
        PATIENCE,
        one.wait_for(|what| {
            step(what, |step| matches!(step, Step::Tile { area, .. } if area.y <= 49 && area.bottom() > 49))
        }),
    )
    .await
    .expect("the last that was painted");
}
