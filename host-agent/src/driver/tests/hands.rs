//! The customer's own hand and keys, while the technician acts and while the driver waits for something else.

use nearhand_desktop::{Local, Touch};
use nearhand_protocol::id::GuestId;

use super::*;

impl Stage {
    fn hand(&self) -> &Hand {
        self.hand.get().expect("the driver listens")
    }

    /// The technician holds the shift key down.
    async fn controlled() -> Self {
        let mut stage = Self::connected().await;
        stage.gives(Right::View).await;
        stage.gives(Right::Control).await;
        stage.says(0, Channel::Input, &key(KeyCode::ShiftLeft, true)).await;
        stage.injects(|done| !done.is_empty()).await;
        stage.desktop.take_injected();
        stage
    }

    async fn yielded(&mut self, rests: bool) {
        self.sees(|seen| matches!(seen, Seen::Told(News::Yielded(told)) if *told == rests)).await;
    }
}

fn pressed(done: &[Injected], wanted: KeyCode) -> bool {
    done.iter().any(|what| matches!(what, Injected::Press { code, .. } if *code == wanted))
}

#[tokio::test]
async fn the_customers_hand_takes_over_and_a_command_lets_the_technician_go_on() {
    let mut stage = Stage::controlled().await;
    let later = Instant::now().into_std() + GRACE;
    stage.hand().touched(Touch::Motion, later + GRACE);
    stage.injects(|done| matches!(done, [Injected::Release(_)])).await;
    stage.yielded(true).await;
    stage.says(0, Channel::Input, &key(KeyCode::KeyA, true)).await;
    let ignored = |message: &ToViewer| matches!(message, ToViewer::InputIgnored(_));
    stage.hears::<ToViewer>(0, Channel::Control, ignored).await;

    let click = Instant::now().into_std();
    stage.commands.send(Command::Resume).await.unwrap();
    stage.yielded(false).await;
    // The hand that clicked is still on the mouse.
    stage.hand().touched(Touch::Motion, click);
    stage.says(0, Channel::Input, &key(KeyCode::KeyB, true)).await;
    stage.injects(|done| pressed(done, KeyCode::KeyB)).await;
    assert!(!pressed(&stage.desktop.take_injected(), KeyCode::KeyA));
    // A key or a button counts at once.
    stage.hand().touched(Touch::Button, click);
    stage.yielded(true).await;
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn devices_are_heard_while_somebody_is_there_and_their_loss_is_told() {
    let mut stage = Stage::new();
    stage.welcome().await;
    stage.exchange(code()).await;
    assert!(stage.desktop.hotkeys().is_none(), "there is nobody to be stopped");
    stage.join(0).await;
    stage.gives(Right::View).await;
    stage.gives(Right::Control).await;
    assert!(stage.desktop.hotkeys().is_some());
    assert!(stage.desktop.hear(Local::Touched(Touch::Key)));
    stage.yielded(true).await;
    stage.desktop.hear(Local::Lost("the X server says no".into()));
    let told = |seen: &Seen| matches!(seen, Seen::Told(News::Problem(why)) if why.contains("says no"));
    stage.sees(told).await;
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn the_key_for_control_takes_it_and_gives_it_back() {
    let mut stage = Stage::controlled().await;
    stage.hand().pressed(Hotkey::Control);
    stage.injects(|done| matches!(done, [Injected::Release(_)])).await;
    let held = |wanted: bool| move |seen: &Seen| matches!(seen, Seen::Told(News::Rights(held)) if held.has(Right::Control) == wanted);
    stage.sees(held(false)).await;
    stage.hand().pressed(Hotkey::Control);
    stage.sees(held(true)).await;
    stage.says(0, Channel::Input, &key(KeyCode::KeyB, true)).await;
    stage.injects(|done| pressed(done, KeyCode::KeyB)).await;
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn panic_waits_for_no_connection() {
    let mut stage = Stage::controlled().await;
    stage.invited().await;
    // Each is a new connection; the last one is never made, and the driver waits for it.
    for epoch in 2..5 {
        let message = Negotiate::Offer { epoch: Epoch(epoch), sdp: Sdp("offer".into()) };
        stage.server(ServerToHost::GuestNegotiate { guest: GuestId(77), message }).await;
    }
    // Behind it nothing is heard any more.
    timeout(PATIENCE, stage.transports[2].wait_for(|r| *r == Recorded::Close)).await.expect("replaced");
    stage.hand().touched(Touch::Button, Instant::now().into_std() + GRACE);
    stage.injects(|done| matches!(done, [Injected::Release(_)])).await;
    stage.hand().pressed(Hotkey::Panic);
    let ended = |seen: &Seen| {
        let late = matches!(seen, Seen::Told(News::Problem(_)));
        assert!(!late, "the driver waited until it gave up");
        matches!(seen, Seen::Told(News::Ended(CloseReason::CustomerEnded)))
    };
    stage.sees(ended).await;
    stage.hears::<ToViewer>(0, Channel::Control, |m| *m == ToViewer::End(CloseReason::CustomerEnded)).await;
    assert_eq!(stage.ends().await.unwrap(), CloseReason::CustomerEnded);
}

#[tokio::test]
async fn what_can_not_be_aimed_at_is_shown_to_nobody() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    let scope = nearhand_protocol::grant::Scope::Monitor(0);
    let choice = crate::session::Choice { scope, name: "fake".into() };
    stage.commands.send(Command::Narrow(choice)).await.unwrap();
    stage.sees(|seen| matches!(seen, Seen::Told(News::ScopeClosed))).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::Rights(held)) if held.is_empty())).await;
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}
