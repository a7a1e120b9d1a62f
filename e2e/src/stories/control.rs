//! What the technician does on the customer's screen, and what they see of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::story;
use crate::meeting::{Meeting, names};
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::area;
use crate::x::programs::Typist;
use crate::x::scenes::{Button, Pattern};
use crate::x::window::Window;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_picture_in_the_tab_is_the_picture_on_the_screen", 40, picture),
        story!("a_click_presses_a_real_button", 40, click),
        story!("what_is_typed_arrives_as_typed_on_an_american_layout", 60, typing_us),
        story!("what_is_typed_arrives_as_typed_on_a_german_layout", 60, typing_de),
        story!("held_keys_are_released_when_the_tab_dies", 40, released),
    ]
}

/// What H.264 at a usual desktop rate must keep of a still test picture with text and thin lines, in dB.
const FAITHFUL: f64 = 30.0;

async fn picture(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let _pattern = Window::open(&meeting.xvfb.display, Pattern)?;
    meeting.viewer.shows(&meeting.xvfb, FAITHFUL).await?;
    // Hard colours tell a wrong matrix or range, which a mean over everything forgives; a mismatch of Rec. 601 and 709
    // is more than 20 off.
    let screen = meeting.xvfb.screen()?.picture()?;
    let shown = wait::find(Duration::from_secs(8), "true colours", || async {
        let shown = meeting.viewer.picture().await?;
        for column in 0..6 {
            let (x, y) = (64 + column * 96 + 40, 104);
            let (seen, truth) = (shown.pixel(x, y), screen.pixel(x, y));
            let apart = seen.iter().zip(truth).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0);
            ensure!(apart <= 16, "the patch at {x}, {y} is {truth:?} and is shown as {seen:?}");
        }
        Ok(Some(shown))
    })
    .await?;
    shown.save(&stage.places.shots.join("picture-shown.png"))?;
    screen.save(&stage.places.shots.join("picture-true.png"))
}

async fn click(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    let button = Window::open(&meeting.xvfb.display, Button::new(area(900, 600, 48, 24)))?;
    let screen = meeting.xvfb.screen()?;
    let press = async |x: u32, y: u32, wanted: u32| {
        meeting.viewer.click_pixel(x, y).await?;
        let what = format!("press {wanted}");
        let pressed = wait::until(Duration::from_secs(5), &what, || Ok(button.presses() == wanted)).await;
        pressed.with_context(|| format!("clicked on {x}, {y}; the pointer is at {:?}", screen.pointer()))
    };
    // Fitted into the tab a pixel of the page is more than one of the picture.
    press(924, 612, 1).await?;
    // In its own size every pixel can be hit.
    meeting.viewer.tab.set_size(1800, 1000).await?;
    meeting.viewer.tab.click(names::SCALE).await?;
    for (count, (x, y)) in [(900, 600), (947, 623)].into_iter().enumerate() {
        press(x, y, count as u32 + 2).await?;
        ensure!(
            screen.pointer()? == (x as i16, y as i16),
            "the pointer is at {:?}, not at {x}, {y}",
            screen.pointer()?
        );
    }
    // One pixel beside it is beside it.
    meeting.viewer.click_pixel(899, 612).await?;
    press(900, 612, 4).await?;
    let colour = screen.pixel(924, 612)?;
    ensure!(colour == [0x20, 0x40, 0x80], "after four presses the button is {colour:?}");
    wait::until(Duration::from_secs(5), "no button held", || Ok(u16::from(screen.held()?) == 0)).await
}

async fn typing_us(stage: &Stage) -> Result<()> {
    typing(stage, "us").await
}

async fn typing_de(stage: &Stage) -> Result<()> {
    typing(stage, "de").await
}

/// The technician has a German keyboard, then a Russian one, then none that has the sign.
async fn typing(stage: &Stage, layout: &str) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    meeting.xvfb.set_layout(layout)?;
    let typist = Typist::start(stage, &meeting.xvfb).await?;
    let viewer = &meeting.viewer;
    viewer.click_pixel(300, 300).await?;
    let mut expected = String::new();
    for (code, key) in [
        ("KeyH", "h"),
        ("KeyZ", "y"),
        ("KeyY", "z"),
        ("Digit7", "7"),
        ("Minus", "ß"),
        ("BracketLeft", "ü"),
        ("Enter", "Enter"),
    ] {
        viewer.stroke(code, key).await?;
        expected.push_str(if key == "Enter" { "\n" } else { key });
    }
    arrives(&typist, &expected).await?;
    for (code, key) in [("KeyA", "A"), ("Digit7", "/"), ("Digit2", "\"")] {
        viewer.stroke_with(("ShiftLeft", "Shift", 8), code, key).await?;
        expected.push_str(key);
    }
    for (code, key) in [("KeyE", "€"), ("KeyQ", "@"), ("Digit7", "{")] {
        viewer.stroke_with(("AltRight", "AltGraph", 0), code, key).await?;
        expected.push_str(key);
    }
    viewer.stroke("Enter", "Enter").await?;
    expected.push('\n');
    arrives(&typist, &expected).await?;
    for (code, key) in [("KeyG", "п"), ("KeyH", "р"), ("KeyB", "и"), ("Slash", "."), ("Enter", "Enter")] {
        viewer.stroke(code, key).await?;
        expected.push_str(if key == "Enter" { "\n" } else { key });
    }
    arrives(&typist, &expected).await?;
    // An AZERTY keyboard types é with the key of the 2; an input method types whole words.
    viewer.stroke("Digit2", "é").await?;
    viewer.tab.devtools("Input.insertText", serde_json::json!({"text": "naïve Łódź"})).await?;
    viewer.stroke("Enter", "Enter").await?;
    expected.push_str("énaïve Łódź\n");
    arrives(&typist, &expected).await?;
    // Quicker than anybody types.
    let sentence = "the quick brown fox jumps over the lazy dog";
    for letter in sentence.chars() {
        let code =
            if letter == ' ' { "Space".to_owned() } else { format!("Key{}", letter.to_ascii_uppercase()) };
        viewer.stroke(&code, &letter.to_string()).await?;
    }
    viewer.stroke("Enter", "Enter").await?;
    expected.push_str(sentence);
    expected.push('\n');
    arrives(&typist, &expected).await?;
    let screen = meeting.xvfb.screen()?;
    wait::until(Duration::from_secs(5), "no key held", || Ok(screen.keys_down()?.is_empty())).await
}

async fn arrives(typist: &Typist, expected: &str) -> Result<()> {
    let arrived =
        wait::until(Duration::from_secs(8), "the typed text", || Ok(typist.typed()? == expected)).await;
    arrived.with_context(|| format!("typed {expected:?}, arrived {:?}", typist.typed().unwrap_or_default()))
}

async fn released(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    let screen = meeting.xvfb.screen()?;
    meeting.viewer.mouse("mouseMoved", 300, 300, false).await?;
    meeting.viewer.mouse("mousePressed", 300, 300, true).await?;
    meeting.viewer.key("ShiftLeft", "Shift", 8, true).await?;
    meeting.viewer.key("KeyA", "A", 8, true).await?;
    wait::until(Duration::from_secs(5), "two keys and a button down", || {
        Ok(screen.keys_down()?.len() == 2 && u16::from(screen.held()?) & 0x100 != 0)
    })
    .await?;
    stage.kill_browser(&meeting.viewer.tab);
    wait::until(Duration::from_secs(8), "everything released", || {
        Ok(screen.keys_down()?.is_empty() && u16::from(screen.held()?) == 0)
    })
    .await
}
