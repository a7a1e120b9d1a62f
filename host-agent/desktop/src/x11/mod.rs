//! X11: pixels by MIT-SHM where XDAMAGE says, the cursor by XFIXES, input by XTEST and XKB.

mod aimed;
mod capture;
mod clipboard;
mod confine;
mod cursor;
mod displays;
mod family;
mod grab;
mod inject;
mod keycode;
mod keymap;
mod local;
mod overlay;
mod pixels;
mod place;
mod private;
mod props;
mod screen;
mod shared;
mod stack;
mod wake;
mod windows;

use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::xproto::{Screen, Window};
use x11rb::rust_connection::RustConnection;

use crate::{Desktop, Error, Injector, LocalInput};

/// Each part gets a connection of its own, so that none waits for the others.
pub(crate) fn open(display: Option<&str>) -> Result<Desktop, Error> {
    let monitors = displays::Monitors::default();
    let capture = capture::X11Capture::new(Server::connect(display)?, monitors.clone())?;
    let inject = inject::X11Inject::new(Server::connect(display)?, monitors)?;
    let windows = windows::X11Windows::new(Server::connect(display)?)?;
    let local = local::X11Local::new(Server::connect(display)?)?;
    let overlay = overlay::X11Overlay::new(Server::connect(display)?)?;
    let clipboard = clipboard::X11Clipboard::new(Server::connect(display)?, Server::connect(display)?)?;
    Ok(Desktop {
        capture: Box::new(capture),
        injector: Injector::new(Box::new(inject)),
        local: local.map(|local| Box::new(local) as Box<dyn LocalInput>),
        windows: Box::new(windows),
        overlay: Box::new(overlay),
        clipboard: Box::new(clipboard),
    })
}

/// One connection to an X server and the screen that it is about.
#[derive(Debug)]
struct Server {
    conn: RustConnection,
    screen: usize,
    display: String,
}

impl Server {
    fn connect(display: Option<&str>) -> Result<Self, Error> {
        let named = display.map(str::to_owned).or_else(|| std::env::var("DISPLAY").ok());
        let Some(display) = named.filter(|name| !name.is_empty()) else { return Err(Error::NoDisplay) };
        match RustConnection::connect(Some(&display)) {
            Ok((conn, screen)) => Ok(Self { conn, screen, display }),
            Err(error) => {
                let reason = match error {
                    ConnectError::SetupAuthenticate(refusal) => {
                        String::from_utf8_lossy(&refusal.reason).trim().to_owned()
                    }
                    ConnectError::SetupFailed(refusal) => {
                        String::from_utf8_lossy(&refusal.reason).trim().to_owned()
                    }
                    other => other.to_string(),
                };
                Err(Error::NoServer { display, reason })
            }
        }
    }

    fn screen(&self) -> &Screen {
        &self.conn.setup().roots[self.screen]
    }

    fn root(&self) -> Window {
        self.screen().root
    }

    /// Fails with a sentence when the server lacks the extension.
    fn require(&self, extension: &'static str) -> Result<(), Error> {
        if self.has(extension)? {
            Ok(())
        } else {
            Err(Error::NoExtension { display: self.display.clone(), extension })
        }
    }

    fn has(&self, extension: &'static str) -> Result<bool, Error> {
        Ok(self.conn.extension_information(extension)?.is_some())
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<ReplyOrIdError> for Error {
    fn from(error: ReplyOrIdError) -> Self {
        Self::Lost(error.to_string())
    }
}

/// Tells a broken connection from a request that the server refused.
fn reply_error(what: &'static str) -> impl FnOnce(ReplyError) -> Error {
    move |error| match error {
        ReplyError::ConnectionError(error) => error.into(),
        ReplyError::X11Error(error) => Error::Refused { what, reason: format!("{:?}", error.error_kind) },
    }
}
