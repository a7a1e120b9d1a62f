//! What lies above other windows on a screen that only exists in a test.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::overlay::{Above, Framed, Overlay};
use crate::{Error, OwnRole, OwnWindows, WindowId};

/// Frames that nobody sees.
#[derive(Clone, Default)]
pub(super) struct Sheet {
    own: OwnWindows,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    frames: Vec<Framed>,
    hears: Option<Box<dyn FnMut(Above) + Send>>,
}

impl fmt::Debug for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sheet").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Sheet {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn frames(&self) -> Vec<Framed> {
        self.lock().frames.clone()
    }

    /// Says it to whoever hears; false where nobody does.
    pub(super) fn happens(&self, above: Above) -> bool {
        match &mut self.lock().hears {
            Some(hears) => {
                hears(above);
                true
            }
            None => false,
        }
    }
}

impl Overlay for Sheet {
    fn frame(&mut self, around: &[Framed]) -> Result<(), Error> {
        around.clone_into(&mut self.lock().frames);
        Ok(())
    }

    fn adopt(&mut self, window: WindowId, role: OwnRole) -> Result<(), Error> {
        self.own.adopt(window, role);
        Ok(())
    }

    fn forget(&mut self, window: WindowId) -> Result<(), Error> {
        self.own.forget(window);
        Ok(())
    }

    fn own(&self) -> OwnWindows {
        self.own.clone()
    }

    fn hear(&mut self, hears: Box<dyn FnMut(Above) + Send>) -> Result<(), Error> {
        self.lock().hears = Some(hears);
        Ok(())
    }
}
