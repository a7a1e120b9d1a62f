//! Real browsers, driven over WebDriver, and what a person does in a tab.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use thirtyfour::cdp::Cdp;
use thirtyfour::session::handle::SessionHandle;
use thirtyfour::{By, WebDriver, WebElement};

use crate::namespace::{Bridge, Namespace};
use crate::process::Process;
use crate::stage::Stage;
use crate::wait;

/// How long a page may take for anything that is shown in it.
pub(crate) const PAGE: Duration = Duration::from_secs(15);

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Debian's Chromium.
    Chromium,
    /// Firefox ESR.
    Firefox,
}

/// A running browser with its driver.
pub(crate) struct Browser {
    tab: Tab,
    driver: Process,
    /// The way to the driver, where it is in a namespace.
    _bridge: Option<Bridge>,
}

/// The language of people who read the stories' pages.
const ENGLISH: &str = "en-GB";

/// Surroundings of a browser that are not the ordinary ones.
#[derive(Clone)]
pub(crate) struct Setting {
    /// Where it and its driver run.
    pub(crate) namespace: Option<Namespace>,
    /// More words for Chromium's command line.
    pub(crate) arguments: Vec<String>,
    /// What it asks pages for, whatever the system speaks: a tag (BCP 47).
    pub(crate) language: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        Self { namespace: None, arguments: Vec::new(), language: ENGLISH }
    }
}

impl Browser {
    /// Starts a fresh one without a window on any screen.
    pub(crate) async fn start(stage: &Stage, kind: Kind, setting: Setting) -> Result<Self> {
        let profile =
            tempfile::Builder::new().prefix("profile-").tempdir_in(stage.folder("browser")?)?.keep();
        let downloads = stage.folder("browser-downloads")?;
        let namespace = setting.namespace.as_ref();
        let (mut command, announcement, capabilities) = match kind {
            Kind::Chromium => {
                let mut command = stage.command_in(namespace, "chromedriver");
                command.arg("--port=0");
                (
                    command,
                    "ChromeDriver was started successfully on port ",
                    chromium(&profile, setting.language, setting.arguments),
                )
            }
            Kind::Firefox => {
                let program = stage.places.geckodriver.as_ref().map_err(|reason| anyhow!("{reason}"))?;
                let mut command = stage.command_in(namespace, program);
                command.args(["--port", "0"]);
                (command, "Listening on 127.0.0.1:", firefox(&downloads, setting.language))
            }
        };
        let driver = stage.start(&format!("{kind:?}"), &mut command)?;
        let said = if kind == Kind::Firefox {
            // Geckodriver puts a time stamp before its announcement.
            driver.line_with(announcement, PAGE).await?
        } else {
            driver.line_after(announcement, PAGE).await?
        };
        let port: String = said.chars().take_while(char::is_ascii_digit).collect();
        let inside = SocketAddr::from(([127, 0, 0, 1], port.parse()?));
        let bridge = match namespace {
            Some(namespace) => Some(namespace.bridge(inside).await?),
            None => None,
        };
        let address = bridge.as_ref().map_or(inside, |bridge| bridge.address);
        let session = WebDriver::builder(format!("http://{address}"), capabilities)
            .request_timeout(Duration::from_mins(1))
            .connect()
            .await
            .with_context(|| format!("starting {kind:?}"))?;
        let handle = session.handle().clone();
        // The process guard ends the browser; the client must not try to as well when it is dropped.
        session.leak().map_err(|_| anyhow!("the browser has ended"))?;
        handle.set_script_timeout(Duration::from_mins(1)).await?;
        let tab = Tab { handle, kind, downloads };
        if kind == Kind::Chromium {
            let behaviour =
                json!({"behavior": "allow", "downloadPath": tab.downloads, "eventsEnabled": false});
            tab.devtools("Browser.setDownloadBehavior", behaviour).await?;
        }
        Ok(Self { tab, driver, _bridge: bridge })
    }

    pub(crate) fn tab(&self) -> Tab {
        self.tab.clone()
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        self.driver.kill();
    }

    pub(crate) fn has(&self, tab: &Tab) -> bool {
        Arc::ptr_eq(&self.tab.handle, &tab.handle)
    }
}

fn chromium(profile: &Path, language: &str, more: Vec<String>) -> DesiredCapabilitiesMap {
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // It would stay behind as a process of its own.
        "--disable-breakpad",
        "--disable-crash-reporter",
        "--window-size=1440,1000",
    ];
    let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    arguments.extend([format!("--lang={language}"), format!("--user-data-dir={}", profile.display())]);
    arguments.extend(more);
    capabilities(&json!({
        "browserName": "chrome",
        "goog:chromeOptions": {"args": arguments, "prefs": {"intl.accept_languages": language}},
        "goog:loggingPrefs": {"browser": "ALL"},
    }))
}

fn firefox(downloads: &Path, language: &str) -> DesiredCapabilitiesMap {
    capabilities(&json!({
        "browserName": "firefox",
        "moz:firefoxOptions": {
            "binary": "/usr/bin/firefox-esr",
            "args": ["-headless", "--width=1440", "--height=1000"],
            "prefs": {
                "intl.accept_languages": language,
                "browser.download.folderList": 2,
                "browser.download.dir": downloads,
                "browser.download.useDownloadDir": true,
                "datareporting.policy.dataSubmissionEnabled": false,
                "app.update.auto": false,
                "media.peerconnection.ice.loopback": true,
                "media.peerconnection.ice.obfuscate_host_addresses": false,
            },
        },
    }))
}

type DesiredCapabilitiesMap = thirtyfour::common::capabilities::desiredcapabilities::Capabilities;

fn capabilities(value: &Value) -> DesiredCapabilitiesMap {
    let map: Map<String, Value> = value.as_object().cloned().unwrap_or_default();
    map.into()
}

/// A tab, and the person in front of it.
#[derive(Clone)]
pub(crate) struct Tab {
    handle: Arc<SessionHandle>,
    pub(crate) kind: Kind,
    /// Where its downloads go.
    pub(crate) downloads: PathBuf,
}

impl Tab {
    pub(crate) async fn goto(&self, url: &str) -> Result<()> {
        self.handle.goto(url).await.with_context(|| format!("opening {url}"))
    }

    pub(crate) async fn reload(&self) -> Result<()> {
        self.handle.refresh().await.context("reloading the tab")
    }

    /// Goes over to the tab that the page has opened, for good.
    pub(crate) async fn follow_new_tab(&self) -> Result<()> {
        let windows = wait::find(PAGE, "a new tab", || async {
            let windows = self.handle.windows().await?;
            Ok((windows.len() > 1).then_some(windows))
        });
        let newest = windows.await?.pop().context("no tab at all")?;
        self.handle.switch_to_window(newest).await.context("going over to the new tab")
    }

    pub(crate) async fn url(&self) -> Result<String> {
        Ok(self.handle.current_url().await?.to_string())
    }

    /// Runs the body of a function in the page.
    pub(crate) async fn js<T: DeserializeOwned>(&self, body: &str, arguments: &[Value]) -> Result<T> {
        let result = self.handle.execute(body, arguments.to_vec()).await.context("running a script")?;
        result.convert().context("understanding a script's result")
    }

    /// As [`Self::js`]; the last argument that the body gets is the function to call with the result.
    pub(crate) async fn js_async<T: DeserializeOwned>(&self, body: &str, arguments: &[Value]) -> Result<T> {
        let result = self.handle.execute_async(body, arguments.to_vec()).await.context("running a script")?;
        result.convert().context("understanding a script's result")
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn until(&self, what: &str, expression: &str) -> Result<()> {
        self.until_within(PAGE, what, expression).await
    }

    pub(crate) async fn until_within(&self, limit: Duration, what: &str, expression: &str) -> Result<()> {
        let body = format!("return Boolean({expression});");
        wait::find(limit, what, || async { Ok(self.js::<bool>(&body, &[]).await?.then_some(())) }).await
    }

    /// The element, once it is there and seen.
    pub(crate) async fn seen(&self, css: &str) -> Result<WebElement> {
        wait::find(PAGE, &format!("{css} to be seen"), || async {
            let element = self.handle.find(By::Css(css)).await?;
            Ok(element.is_displayed().await?.then_some(element))
        })
        .await
    }

    /// Whether the element is there and seen just now.
    pub(crate) async fn sees(&self, css: &str) -> Result<bool> {
        self.js(
            "const e = document.querySelector(arguments[0]); return Boolean(e && e.checkVisibility());",
            &[css.into()],
        )
        .await
    }

    /// Waits until the element is not seen any more.
    pub(crate) async fn unseen(&self, css: &str) -> Result<()> {
        wait::find(PAGE, &format!("{css} to go"), || async { Ok((!self.sees(css).await?).then_some(())) })
            .await
    }

    /// Clicks the element as a person does: it must be seen, enabled and not covered.
    pub(crate) async fn click(&self, css: &str) -> Result<()> {
        wait::find(PAGE, &format!("{css} to be clickable"), || async {
            let element = self.handle.find(By::Css(css)).await?;
            if !element.is_enabled().await? {
                return Ok(None);
            }
            element.click().await?;
            Ok(Some(()))
        })
        .await
    }

    /// Types into the element.
    pub(crate) async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let element = self.seen(css).await?;
        element.send_keys(text).await.with_context(|| format!("typing into {css}"))
    }

    /// Gives files to a file input, which may be hidden.
    pub(crate) async fn choose_file(&self, css: &str, path: &Path) -> Result<()> {
        let element = self.handle.find(By::Css(css)).await.with_context(|| format!("no {css}"))?;
        element
            .send_keys(path.to_string_lossy().as_ref())
            .await
            .with_context(|| format!("choosing a file in {css}"))
    }

    /// The words in the element, as they are shown; empty where it is not there.
    pub(crate) async fn text(&self, css: &str) -> Result<String> {
        self.js("return document.querySelector(arguments[0])?.innerText ?? '';", &[css.into()]).await
    }

    /// Waits until the element has this text in it.
    pub(crate) async fn reads(&self, css: &str, text: &str) -> Result<()> {
        self.reads_within(PAGE, css, text).await
    }

    pub(crate) async fn reads_within(&self, limit: Duration, css: &str, text: &str) -> Result<()> {
        let found = wait::find(limit, &format!("“{text}” in {css}"), || async {
            Ok(self.text(css).await?.contains(text).then_some(()))
        })
        .await;
        match found {
            Ok(()) => Ok(()),
            Err(error) => {
                let shown = self.text(css).await.unwrap_or_default();
                Err(error.context(format!("{css} reads: {shown}")))
            }
        }
    }

    /// All words of the page.
    pub(crate) async fn words(&self) -> Result<String> {
        let url = self.url().await?;
        Ok(format!("{}\n{}", url.split('#').next().unwrap_or_default(), self.text("body").await?))
    }

    /// What the page has written to the browser's console.
    pub(crate) async fn console(&self) -> Result<Vec<String>> {
        Ok(self.handle.browser_log().await?.into_iter().map(|entry| entry.message).collect())
    }

    /// What is seen, as PNG.
    pub(crate) async fn png(&self) -> Result<Vec<u8>> {
        self.handle.screenshot_as_png().await.context("taking a screenshot")
    }

    /// Calls a method of the Chrome DevTools protocol.
    pub(crate) async fn devtools(&self, method: &str, parameters: Value) -> Result<Value> {
        Cdp::new(self.handle.clone()).send_raw(method, parameters).await.with_context(|| method.to_owned())
    }

    /// Moves the pointer to this point of the page and presses there, in any browser.
    pub(crate) async fn press_at(&self, left: i64, top: i64) -> Result<()> {
        self.handle.action_chain().move_to(left, top).click().perform().await.context("pressing the pointer")
    }

    /// Types on the keyboard, wherever the focus is, in any browser.
    pub(crate) async fn strike(&self, text: &str) -> Result<()> {
        self.handle.action_chain().send_keys(text).perform().await.context("typing")
    }

    /// Shows pages as a person who prefers dark or light sees them.
    pub(crate) async fn set_dark(&self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", features).await.map(drop)
    }

    /// Sets the size of the page's visible part.
    pub(crate) async fn set_size(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }
}
