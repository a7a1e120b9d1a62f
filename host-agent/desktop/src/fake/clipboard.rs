//! A clipboard that only exists in a test.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clipboard::{
    Clipboard, ClipboardError, ClipboardInGrant, ClipboardOutGrant, Contents, Format, Formats,
};

/// What is in it, and who wants to know.
#[derive(Clone, Default)]
pub(super) struct Board(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    copied: BTreeMap<Format, Vec<u8>>,
    put: Option<Contents>,
    watch: Option<(ClipboardOutGrant, Box<dyn Fn() + Send>)>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Board")
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person copies this.
    pub(super) fn copy(&self, contents: BTreeMap<Format, Vec<u8>>) {
        let mut inner = self.lock();
        (inner.copied, inner.put) = (contents, None);
        if let Some((grant, changed)) = &inner.watch
            && grant.check().is_ok()
        {
            changed();
        }
    }

    /// What the technician put there, while nothing else has come.
    pub(super) fn contents(&self) -> Option<Contents> {
        self.lock().put.clone()
    }

    /// Whether somebody wants to know of changes.
    pub(super) fn is_watched(&self) -> bool {
        self.lock().watch.is_some()
    }
}

impl Clipboard for Board {
    fn watch(
        &mut self,
        grant: &ClipboardOutGrant,
        changed: Box<dyn Fn() + Send>,
    ) -> Result<(), ClipboardError> {
        grant.check()?;
        self.lock().watch = Some((grant.clone(), changed));
        Ok(())
    }

    fn unwatch(&mut self) {
        self.lock().watch = None;
    }

    fn formats(&mut self, grant: &ClipboardOutGrant) -> Result<Formats, ClipboardError> {
        grant.check()?;
        Ok(self.lock().copied.keys().copied().collect())
    }

    fn read(
        &mut self,
        grant: &ClipboardOutGrant,
        format: Format,
        limit: u64,
    ) -> Result<Vec<u8>, ClipboardError> {
        grant.check()?;
        let bytes = self.lock().copied.get(&format).cloned().ok_or(ClipboardError::NotThere)?;
        if bytes.len() as u64 > limit { Err(ClipboardError::TooLarge { limit }) } else { Ok(bytes) }
    }

    fn put(&mut self, grant: &ClipboardInGrant, contents: Contents) -> Result<(), ClipboardError> {
        grant.check()?;
        let mut inner = self.lock();
        inner.copied.clear();
        inner.put = Some(contents);
        Ok(())
    }

    fn let_go(&mut self) {
        self.lock().put = None;
    }
}
