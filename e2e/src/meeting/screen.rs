//! The picture in the session's tab, held against the customer's screen.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use x11rb::protocol::xproto::Rectangle;

use super::Viewer;
use crate::browser::PAGE;
use crate::picture::Picture;
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;

/// Before a script: what it asks of the picture.
const SCREEN: &str = include_str!("screen.js");

/// A script that may ask the picture.
fn of_screen(body: &str) -> String {
    format!("{SCREEN}\n{body}")
}

impl Viewer {
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
}
