//! A technician's tab and a customer's program that meet: what most stories begin with.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use x11rb::protocol::xproto::Rectangle;

use crate::browser::{Kind, PAGE, Tab};
use crate::host::{self, Host};
use crate::picture::Picture;
use crate::server::{Server, TOKEN};
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;

/// The last three digits of every code of the stories.
pub(crate) const SECRET: &str = "705";

/// Both ends, and what is between them.
pub(crate) struct Meeting {
    pub(crate) viewer: Viewer,
    pub(crate) host: Host,
    pub(crate) server: Server,
    pub(crate) xvfb: Xvfb,
    pub(crate) session: Session,
}

/// A session that was made for a story.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) code: String,
}

impl Session {
    pub(crate) async fn new(server: &Server) -> Result<Self> {
        let (id, nameplate) = server.new_session().await?;
        Ok(Self { id, code: format!("{nameplate}{SECRET}") })
    }
}

impl Meeting {
    /// The technician waits in the session's tab; the customer's program was started with the code and has asked nothing
    /// that was answered yet.
    pub(crate) async fn arrive(stage: &Stage) -> Result<Self> {
        Self::arrive_with(stage, Kind::Chromium, &[]).await
    }

    pub(crate) async fn arrive_with(stage: &Stage, kind: Kind, server: &[(&str, &str)]) -> Result<Self> {
        Self::arrive_at(stage, kind, Xvfb::start(stage, 1280, 800).await?, server).await
    }

    /// At this screen of the customer.
    pub(crate) async fn arrive_at(
        stage: &Stage,
        kind: Kind,
        xvfb: Xvfb,
        server: &[(&str, &str)],
    ) -> Result<Self> {
        let server = Server::start_with(stage, server).await?;
        let (viewer, session) = Viewer::waiting(stage.browser(kind).await?, &server).await?;
        let host = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
        Ok(Self { viewer, host, server, xvfb, session })
    }

    /// The customer has said yes to the first question, and the picture is there.
    pub(crate) async fn begin(stage: &Stage) -> Result<Self> {
        let mut meeting = Self::arrive(stage).await?;
        meeting.allow_view().await?;
        Ok(meeting)
    }

    /// As [`Self::begin_with_control`], at a screen of this size.
    pub(crate) async fn control_of(stage: &Stage, width: u16, height: u16) -> Result<Self> {
        let xvfb = Xvfb::start(stage, width, height).await?;
        let mut meeting = Self::arrive_at(stage, Kind::Chromium, xvfb, &[]).await?;
        meeting.allow_view().await?;
        meeting.allow_control().await?;
        Ok(meeting)
    }

    /// The customer has said yes to both questions.
    pub(crate) async fn begin_with_control(stage: &Stage) -> Result<Self> {
        let mut meeting = Self::begin(stage).await?;
        meeting.allow_control().await?;
        Ok(meeting)
    }

    pub(crate) async fn allow_view(&mut self) -> Result<()> {
        self.host.asked(host::VIEW, true).await?;
        self.viewer.phase("viewing").await?;
        self.viewer.picture_there().await
    }

    pub(crate) async fn allow_control(&mut self) -> Result<()> {
        self.viewer.tab.click(names::CONTROL).await?;
        self.host.asked(host::CONTROL, true).await?;
        self.viewer.phase("controlling").await
    }
}

/// What the session's page calls its parts; the page's own comment is the contract.
pub(crate) mod names {
    /// Asks for control, and gives it back.
    pub(crate) const CONTROL: &str = "#request-control";
    /// Fitted into the tab, or in its own size.
    pub(crate) const SCALE: &str = "#scale";
    /// Opens and closes chat and files.
    pub(crate) const PANEL: &str = "#panel-toggle";
    pub(crate) const CHAT_LINES: &str = "#chat-log";
    pub(crate) const CHAT_INPUT: &str = "#chat-input";
    pub(crate) const CHAT_UNREAD: &str = "#unread";
    pub(crate) const FILE_INPUT: &str = "#file-input";
    pub(crate) const TRANSFERS: &str = "#files";
    pub(crate) const SAVE: &str = "#files .file-save";
    pub(crate) const END: &str = "#end";
    pub(crate) const END_CONFIRM: &str = "#end-yes";
    /// The state of the session in words.
    pub(crate) const STATUS: &str = "#status";
    /// Says that nobody was asked.
    pub(crate) const HEADLESS: &str = "#notice-headless";
}

/// The session's tab.
#[derive(Clone)]
pub(crate) struct Viewer {
    pub(crate) tab: Tab,
}

/// Keeps the page's peer connections, and the data channels of the newest by their labels, where the stories and
/// measurements can ask them for their statistics, or misuse them.
const KEEP_PEERS: &str = "
    window.nearhandPeers = [];
    const Native = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
        constructor(...options) { super(...options); window.nearhandPeers.push(this); window.nearhandChannels = {}; }
        createDataChannel(label, ...options) {
            return window.nearhandChannels[label] = super.createDataChannel(label, ...options);
        }
    };";

/// Before a script: what it asks of the picture.
pub(crate) const SCREEN: &str = include_str!("screen.js");

/// A script that may ask the picture.
pub(crate) fn of_screen(body: &str) -> String {
    format!("{SCREEN}\n{body}")
}

/// Notes when the first picture is presented, on the wall clock; runs before the page's own script. That is the first
/// animation frame in which the canvas's upper edge, where the scenes have their clock, is not black.
const FIRST_FRAME: &str = "
    const watch = () => {
        const screen = document.getElementById('screen');
        if (!screen) return setTimeout(watch, 5);
        const small = document.createElement('canvas');
        [small.width, small.height] = [128, 4];
        const context = small.getContext('2d', { willReadFrequently: true });
        const look = () => {
            // Hidden, it may hold the picture of an earlier connection.
            if (screen.checkVisibility() && screen.width > 1) {
                context.drawImage(screen, 0, 14, screen.width, 4, 0, 0, 128, 4);
                const words = new Uint32Array(context.getImageData(0, 0, 128, 4).data.buffer);
                if (words.some((word) => (word & 0xffffff) !== 0)) {
                    window.nearhandFirst = performance.timeOrigin + performance.now();
                    return;
                }
            }
            requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    };
    watch();";

/// From now on each page of the tab notes when its first frame is presented.
pub(crate) async fn note_first_frame(tab: &Tab) -> Result<()> {
    tab.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": FIRST_FRAME})).await.map(drop)
}

/// Milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

impl Viewer {
    /// Signs in by a link that leads into the session.
    pub(crate) async fn open(tab: Tab, server: &Server, session: &Session) -> Result<Self> {
        Self::open_at(tab, server, session, SECRET).await
    }

    /// Makes a session, and waits in its tab for the customer.
    pub(crate) async fn waiting(tab: Tab, server: &Server) -> Result<(Self, Session)> {
        let session = Session::new(server).await?;
        let viewer = Self::open(tab, server, &session).await?;
        viewer.phase("waiting").await?;
        Ok((viewer, session))
    }

    /// As [`Self::open`], with a tab that uses relayed paths only.
    pub(crate) async fn open_relayed(tab: Tab, server: &Server, session: &Session) -> Result<Self> {
        Self::open_at(tab, server, session, &format!("{SECRET}%26relay%3Donly")).await
    }

    /// Opens the link by which another technician invited this one.
    pub(crate) async fn open_invited(tab: Tab, server: &Server, link: &str) -> Result<Self> {
        let (session, invitation) = link
            .split_once("/session/")
            .and_then(|(_, rest)| rest.split_once('#'))
            .with_context(|| "that is no invitation".to_owned())?;
        let session = Session { id: session.to_owned(), code: String::new() };
        Self::open_at(tab, server, &session, &invitation.replace('=', "%3D")).await
    }

    /// Invites another technician: the link for them.
    pub(crate) async fn invites(&self) -> Result<String> {
        self.tab.click("#invite-button").await?;
        self.tab.click("#invite").await?;
        self.tab.reads("#invite-link", "#invitation=").await?;
        let link = self.tab.text("#invite-link").await?;
        if self.tab.sees("#invite-menu").await? {
            self.tab.click("#invite-button").await?;
        }
        self.tab.unseen("#invite-menu").await?;
        Ok(link.trim().to_owned())
    }

    async fn open_at(tab: Tab, server: &Server, session: &Session, fragment: &str) -> Result<Self> {
        if tab.kind == Kind::Chromium {
            tab.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": KEEP_PEERS})).await?;
        }
        tab.goto(&format!("{}/sign-in#token={TOKEN}&next=/session/{}%23{fragment}", server.url, session.id))
            .await?;
        tab.click("#submit").await?;
        Ok(Self { tab })
    }

    /// Opens another session in a tab that was signed in by [`Self::open`].
    pub(crate) async fn open_next(tab: Tab, server: &Server, session: &Session) -> Result<Self> {
        tab.goto(&format!("{}/session/{}#{SECRET}", server.url, session.id)).await?;
        Ok(Self { tab })
    }

    /// Waits for the first frame, where [`note_first_frame`] was asked for: when it was presented, as [`wall_clock_ms`].
    pub(crate) async fn first_frame(&self) -> Result<f64> {
        self.tab.until("the first frame", "window.nearhandFirst").await?;
        self.tab.js("return window.nearhandFirst;", &[]).await
    }

    /// The tab's program has not broken: a panic, or the trap that it ends in, is told to the console.
    pub(crate) async fn did_not_break(&self) -> Result<()> {
        let mut broken = self.tab.console().await?;
        broken.retain(|line| line.contains("panicked") || line.contains("unreachable"));
        ensure!(broken.is_empty(), "the tab broke: {broken:?}");
        Ok(())
    }

    /// How packets travel: `direct`, `relayed`, or nothing while there is no connection.
    pub(crate) async fn path(&self) -> Result<String> {
        self.tab.js("return document.body.dataset.path ?? '';", &[]).await
    }

    /// Waits until the session is in this phase.
    pub(crate) async fn phase(&self, phase: &str) -> Result<()> {
        self.phase_within(phase, PAGE).await
    }

    pub(crate) async fn phase_within(&self, phase: &str, limit: Duration) -> Result<()> {
        let condition = format!("document.querySelector('[data-phase={phase}]')");
        let found = self.tab.until_within(limit, &format!("the phase “{phase}”"), &condition).await;
        match found {
            Ok(()) => Ok(()),
            Err(error) => {
                let now = self.now().await.unwrap_or_default();
                Err(error.context(format!("the phase is “{now}”")))
            }
        }
    }

    /// The phase just now.
    pub(crate) async fn now(&self) -> Result<String> {
        self.tab.js("return document.querySelector('[data-phase]')?.dataset.phase ?? 'none';", &[]).await
    }

    /// Opens chat and files, if they are not.
    pub(crate) async fn open_panel(&self) -> Result<()> {
        if !self.tab.sees(names::CHAT_INPUT).await? {
            self.tab.click(names::PANEL).await?;
        }
        self.tab.seen(names::CHAT_INPUT).await.map(drop)
    }

    /// Closes chat and files, if they are open.
    pub(crate) async fn close_panel(&self) -> Result<()> {
        if self.tab.sees(names::CHAT_INPUT).await? {
            self.tab.click(names::PANEL).await?;
        }
        self.tab.unseen(names::CHAT_INPUT).await
    }

    /// Ends the session, as the technician.
    pub(crate) async fn end(&self) -> Result<()> {
        self.tab.click(names::END).await?;
        self.tab.click(names::END_CONFIRM).await
    }

    /// Runs the body of a function that may ask the picture: see `screen.js`.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, body: &str, arguments: &[Value]) -> Result<T> {
        self.tab.js(&of_screen(body), arguments).await
    }

    /// Waits until an expression about the picture is true.
    pub(crate) async fn until(&self, limit: Duration, what: &str, expression: &str) -> Result<()> {
        let body = of_screen(&format!("return Boolean({expression});"));
        wait::find(limit, what, || async { Ok(self.tab.js::<bool>(&body, &[]).await?.then_some(())) }).await
    }

    /// Waits until a picture is shown.
    pub(crate) async fn picture_there(&self) -> Result<()> {
        self.until(PAGE, "the picture", "isShown()").await
    }

    /// Waits until none is shown.
    pub(crate) async fn picture_gone(&self, limit: Duration) -> Result<()> {
        self.until(limit, "the picture to go", "!isShown()").await
    }

    /// How often the picture was painted since it began.
    pub(crate) async fn painted(&self) -> Result<u64> {
        self.ask("return paintedOf();", &[]).await
    }

    /// Its own size in pixels.
    pub(crate) async fn pixels(&self) -> Result<(u32, u32)> {
        self.ask("return pixelsOf();", &[]).await
    }

    /// The picture as it is shown, in its own pixels.
    pub(crate) async fn picture(&self) -> Result<Picture> {
        let body = "const c = document.createElement('canvas');
            [c.width, c.height] = pixelsOf();
            const context = c.getContext('2d', { willReadFrequently: true });
            context.drawImage(screen, 0, 0);
            return c.toDataURL('image/png').split(',')[1];";
        let encoded: String = self.ask(body, &[]).await?;
        let png = data_encoding::BASE64.decode(encoded.as_bytes()).context("a PNG that is not base64")?;
        Picture::from_png(&png)
    }

    /// How long it takes from now until every pixel is that of this picture; `None` if longer than the limit.
    pub(crate) async fn becomes(&self, truth: &Picture, limit: Duration) -> Result<Option<Duration>> {
        let body = of_screen("const done = arguments[2]; becomes(arguments[0], arguments[1]).then(done);");
        let arguments = [truth.sums().into(), (limit.as_millis() as u64).into()];
        let took: Option<f64> = self.tab.js_async(&body, &arguments).await?;
        Ok(took.map(|took| Duration::from_secs_f64(took / 1000.0)))
    }

    /// As [`Self::becomes`], with the customer's screen or a part of it, which must be still; an error that says what
    /// differs if it takes longer. The time that it takes to read the customer's screen counts.
    pub(crate) async fn is_exact(
        &self,
        stage: &Stage,
        xvfb: &Xvfb,
        part: Option<Rectangle>,
        limit: Duration,
    ) -> Result<Duration> {
        let begin = Instant::now();
        let whole = xvfb.screen()?.picture()?;
        let truth = match part {
            Some(part) => whole.part(part.x as u32, part.y as u32, part.width.into(), part.height.into()),
            None => whole,
        };
        // It is given another look where reading the truth took as long.
        let left = limit.saturating_sub(begin.elapsed()).max(Duration::from_millis(100));
        if self.becomes(&truth, left).await?.is_some() {
            return Ok(begin.elapsed());
        }
        let shown = self.picture().await?;
        for (name, picture) in [("true", &truth), ("shown", &shown)] {
            picture.save(&stage.places.shots.join(format!("failed-{}-{name}.png", stage.name())))?;
        }
        let differing = shown.differing(&truth)?;
        let place = shown.first_difference(&truth);
        bail!("after {limit:?} {differing} pixels are others, the first at {place:?}")
    }

    /// Waits until the picture is near enough to the true one, in dB of each channel.
    pub(crate) async fn shows(&self, xvfb: &Xvfb, least: f64) -> Result<()> {
        let screen = xvfb.screen()?;
        let mut best = [0.0; 3];
        let found = wait::find(PAGE, "the true picture", || async {
            let psnr = self.picture().await?.psnr(&screen.picture()?)?;
            Ok(Some(psnr))
        });
        let mut psnr = found.await?;
        let end = Instant::now() + PAGE;
        while psnr.iter().any(|channel| *channel < least) {
            if psnr.iter().sum::<f64>() > best.iter().sum() {
                best = psnr;
            }
            ensure!(
                Instant::now() < end,
                "the picture is never nearer than {best:.1?} dB; {least} dB wanted"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
            psnr = self.picture().await?.psnr(&screen.picture()?)?;
        }
        Ok(())
    }

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
