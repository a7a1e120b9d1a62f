//! The hand of a person who only exists in a test.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::local::{Hotkeys, Listener, Listening, Local, LocalInput};

/// What listens to the hand; nobody at first.
#[derive(Debug, Clone, Default)]
pub(super) struct Hand(Arc<Mutex<Option<Ear>>>);

struct Ear {
    hears: Box<dyn FnMut(Local) + Send>,
    active: bool,
    keys: Hotkeys,
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").field("active", &self.active).field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Hand {
    fn lock(&self) -> MutexGuard<'_, Option<Ear>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the listener hear it, if it is active; says whether it was.
    pub(super) fn does(&self, local: Local) -> bool {
        match &mut *self.lock() {
            Some(ear) if ear.active || matches!(local, Local::Lost(_)) => {
                (ear.hears)(local);
                true
            }
            _ => false,
        }
    }

    /// The keys that the listener heeds, while it is active.
    pub(super) fn keys(&self) -> Option<Hotkeys> {
        self.lock().as_ref().filter(|ear| ear.active).map(|ear| ear.keys)
    }
}

impl LocalInput for Hand {
    fn listen(
        self: Box<Self>,
        keys: Hotkeys,
        hears: Box<dyn FnMut(Local) + Send>,
    ) -> Result<Listening, Error> {
        *self.lock() = Some(Ear { hears, active: false, keys });
        Ok(Listening::new(Owner(*self)))
    }
}

#[derive(Debug)]
struct Owner(Hand);

impl Listener for Owner {
    fn set_active(&self, active: bool) {
        if let Some(ear) = &mut *self.0.lock() {
            ear.active = active;
        }
    }

    fn set_keys(&self, keys: Hotkeys) {
        if let Some(ear) = &mut *self.0.lock() {
            ear.keys = keys;
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
