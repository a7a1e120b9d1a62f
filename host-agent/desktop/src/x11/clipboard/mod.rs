//! The clipboard by ICCCM's selections: read on one connection, served and watched on another with a thread.
//!
//! Of the selections only CLIPBOARD is looked at. Learning that it changed tells its owner and a time, no contents.

mod read;
mod serve;

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use x11rb::protocol::xfixes::{self, ConnectionExt as _};

use self::read::Reader;
use self::serve::{Command, Servant};
use super::wake::Wake;
use super::{Server, reply_error};
use crate::Error;
use crate::clipboard::{
    Clipboard, ClipboardError, ClipboardInGrant, ClipboardOutGrant, Contents, Format, Formats,
};

x11rb::atom_manager! {
    /// The names of selections, targets and properties.
    pub(in crate::x11) Names: NamesCookie {
        ATOM_PAIR,
        CLIPBOARD,
        INCR,
        MULTIPLE,
        NEARHAND_CLIPBOARD: b"_NEARHAND_CLIPBOARD",
        TARGETS,
        TIMESTAMP,
        UTF8_STRING,
        TEXT_HTML: b"text/html",
        TEXT_PLAIN: b"text/plain",
        TEXT_PLAIN_UTF8: b"text/plain;charset=utf-8",
        IMAGE_PNG: b"image/png",
        URI_LIST: b"text/uri-list",
        GNOME_FILES: b"x-special/gnome-copied-files",
        SECRET: b"x-kde-passwordManagerHint",
    }
}

#[derive(Debug)]
pub(super) struct X11Clipboard {
    reader: Reader,
    commands: Commands,
    thread: Option<JoinHandle<()>>,
}

impl X11Clipboard {
    pub(super) fn new(reads: Server, serves: Server) -> Result<Self, Error> {
        let wake = Wake::new()?;
        let commands = Commands { queue: Arc::new(Mutex::new(Some(VecDeque::new()))), wake: wake.clone() };
        let mut servant = Servant::new(serves)?;
        let thread = std::thread::Builder::new().name("clipboard".into()).spawn({
            let commands = commands.clone();
            move || {
                if let Err(error) = servant.work(&commands, &wake) {
                    tracing::debug!(%error, "the clipboard can't be served any more");
                }
                commands.close();
            }
        });
        let thread =
            thread.map_err(|error| Error::Refused { what: "start a thread", reason: error.to_string() })?;
        Ok(Self { reader: Reader::new(reads)?, commands, thread: Some(thread) })
    }
}

impl Clipboard for X11Clipboard {
    fn watch(
        &mut self,
        grant: &ClipboardOutGrant,
        changed: Box<dyn Fn() + Send>,
    ) -> Result<(), ClipboardError> {
        grant.check()?;
        self.commands.carry_out(|done| Command::Watch(grant.clone(), changed, done))
    }

    fn unwatch(&mut self) {
        self.commands.put(Command::Unwatch);
    }

    fn formats(&mut self, grant: &ClipboardOutGrant) -> Result<Formats, ClipboardError> {
        grant.check()?;
        self.reader.formats(grant)
    }

    fn read(
        &mut self,
        grant: &ClipboardOutGrant,
        format: Format,
        limit: u64,
    ) -> Result<Vec<u8>, ClipboardError> {
        grant.check()?;
        self.reader.read(grant, format, limit)
    }

    fn put(&mut self, grant: &ClipboardInGrant, contents: Contents) -> Result<(), ClipboardError> {
        grant.check()?;
        self.commands.carry_out(|done| Command::Put(contents, done))
    }

    fn let_go(&mut self) {
        // Waited for: after it the contents are nobody's.
        let _ = self.commands.carry_out(Command::LetGo);
    }
}

impl Drop for X11Clipboard {
    fn drop(&mut self) {
        self.commands.put(Command::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where a command's outcome goes.
type Done = SyncSender<Result<(), ClipboardError>>;

/// What the thread is to do. Each caller waits for its command, so there are never many.
#[derive(Debug, Clone)]
struct Commands {
    /// None: the thread has ended.
    queue: Arc<Mutex<Option<VecDeque<Command>>>>,
    wake: Wake,
}

impl Commands {
    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<Command>>> {
        // A panic elsewhere left whole commands.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, command: Command) {
        // A thread that has ended drops it, and whoever waits for it hears so.
        if let Some(queue) = &mut *self.lock() {
            queue.push_back(command);
        }
        self.wake.wake();
    }

    fn take(&self) -> Option<Command> {
        self.lock().as_mut()?.pop_front()
    }

    fn close(&self) {
        *self.lock() = None;
    }

    fn carry_out(&self, command: impl FnOnce(Done) -> Command) -> Result<(), ClipboardError> {
        let (done, outcome) = sync_channel(1);
        self.put(command(done));
        outcome.recv().unwrap_or_else(|_| Err(Error::Lost("its clipboard can't be reached".into()).into()))
    }
}

/// Asks for the extensions that both need.
fn names(server: &Server) -> Result<Names, Error> {
    server.require(xfixes::X11_EXTENSION_NAME)?;
    let version = server.conn.xfixes_query_version(5, 0)?.reply();
    version.map_err(reply_error("tell its XFIXES version"))?;
    Names::new(&server.conn)?.reply().map_err(reply_error("name atoms"))
}
