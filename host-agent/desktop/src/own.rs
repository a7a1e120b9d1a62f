//! Windows of ours on the customer's screen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::WindowId;

/// What a window of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnRole {
    /// The main window: private, it is blanked in every picture.
    Main,
    /// The bar that says that somebody looks; in the picture for everybody.
    Bar,
    /// A short message above all others.
    Note,
}

/// Our own windows, which the technician must not press: shared by all who act or look.
#[derive(Debug, Clone, Default)]
pub struct OwnWindows(Arc<Mutex<BTreeMap<WindowId, OwnRole>>>);

impl OwnWindows {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// This window is ours; before it is shown.
    pub fn adopt(&self, window: WindowId, role: OwnRole) {
        self.lock().insert(window, role);
    }

    /// It is gone.
    pub fn forget(&self, window: WindowId) {
        self.lock().remove(&window);
    }

    /// All of them.
    pub fn all(&self) -> Vec<(WindowId, OwnRole)> {
        self.lock().iter().map(|(window, role)| (*window, *role)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WindowId, OwnRole>> {
        // Plain values: whoever panicked left no half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
