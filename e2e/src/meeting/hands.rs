//! What the technician's hands do in the session's tab: pointer and keys, as the browser's own trusted input.

use anyhow::Result;
use serde_json::json;

use super::Viewer;

impl Viewer {
    /// The point of the page that shows this pixel of the picture.
    pub(crate) async fn point(&self, x: u32, y: u32) -> Result<(f64, f64)> {
        let body = "const r = document.querySelector('#picture').getBoundingClientRect(), [width, height] = pixelsOf();
            return [r.left + (arguments[0] + 0.5) * r.width / width, r.top + (arguments[1] + 0.5) * r.height / height];";
        self.ask(body, &[json!(x), json!(y)]).await
    }

    pub(crate) async fn mouse(&self, kind: &str, x: u32, y: u32, pressed: bool) -> Result<()> {
        let (left, top) = self.point(x, y).await?;
        self.mouse_at(kind, left, top, pressed).await
    }

    pub(crate) async fn mouse_at(&self, kind: &str, left: f64, top: f64, pressed: bool) -> Result<()> {
        let button = if kind == "mouseMoved" && !pressed { "none" } else { "left" };
        let event = json!({
            "type": kind, "x": left, "y": top, "button": button, "buttons": u8::from(pressed), "clickCount": u8::from(kind != "mouseMoved"),
        });
        self.tab.devtools("Input.dispatchMouseEvent", event).await.map(drop)
    }

    /// Moves the pointer to a pixel of the picture and clicks there.
    pub(crate) async fn click_pixel(&self, x: u32, y: u32) -> Result<()> {
        self.mouse("mouseMoved", x, y, false).await?;
        self.mouse("mousePressed", x, y, true).await?;
        self.mouse("mouseReleased", x, y, false).await
    }

    /// Presses or releases a key of the technician's keyboard, in the technician's layout.
    pub(crate) async fn key(&self, code: &str, key: &str, modifiers: u8, down: bool) -> Result<()> {
        let mut event = json!({
            "type": if down { "keyDown" } else { "keyUp" }, "code": code, "key": key, "modifiers": modifiers,
            "windowsVirtualKeyCode": virtual_key(code, key),
        });
        if down {
            // Without text Chromium takes it for a key that types nothing.
            match key {
                "Enter" => event["text"] = json!("\r"),
                key if key.chars().count() == 1 && modifiers & (2 | 4) == 0 => event["text"] = json!(key),
                _ => event["type"] = json!("rawKeyDown"),
            }
        }
        self.tab.devtools("Input.dispatchKeyEvent", event).await.map(drop)
    }

    /// A key down and up.
    pub(crate) async fn stroke(&self, code: &str, key: &str) -> Result<()> {
        self.key(code, key, 0, true).await?;
        self.key(code, key, 0, false).await
    }

    /// A key while another is held, as `AltRight` for `€`.
    pub(crate) async fn stroke_with(&self, holder: (&str, &str, u8), code: &str, key: &str) -> Result<()> {
        let (holder_code, holder_key, modifiers) = holder;
        self.key(holder_code, holder_key, modifiers, true).await?;
        self.key(code, key, modifiers, true).await?;
        self.key(code, key, modifiers, false).await?;
        self.key(holder_code, holder_key, 0, false).await
    }
}

/// Windows' number of a key, which Chromium's shortcuts look at.
fn virtual_key(code: &str, key: &str) -> u32 {
    match code {
        "Enter" => 13,
        "Backspace" => 8,
        "Tab" => 9,
        "ShiftLeft" | "ShiftRight" => 16,
        "ControlLeft" | "ControlRight" => 17,
        "AltLeft" | "AltRight" => 18,
        "Space" => 32,
        _ => key.chars().next().map_or(0, |c| c.to_ascii_uppercase() as u32 & 0xff),
    }
}
