//! Sleeping until an X server says something, and being woken by another thread.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};

use super::Server;
use crate::{Error, Waker};

/// Ends a sleep from another thread; clones wake the same sleeper.
#[derive(Debug, Clone)]
pub(super) struct Wake(Arc<OwnedFd>);

impl Wake {
    pub(super) fn new() -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::Refused { what: "make a waker", reason: error.to_string() })?;
        Ok(Self(Arc::new(wake)))
    }

    /// Makes the sleep that runs now, or else the next one, return.
    pub(super) fn wake(&self) {
        // The counter can only be full of wake-ups that nobody has seen yet.
        let _ = write(&*self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn waker(&self) -> Waker {
        let wake = self.clone();
        Waker::new(move || wake.wake())
    }

    /// Sleeps until the server says something (false), somebody wakes (true) or the time is up (false).
    ///
    /// What the connection has read already is not seen here: take it first.
    pub(super) fn sleep(&self, server: &Server, timeout: Option<Duration>) -> Result<bool, Error> {
        let stream = server.conn.stream().as_fd();
        let mut fds = [PollFd::from_borrowed_fd(stream, PollFlags::IN), PollFd::new(&*self.0, PollFlags::IN)];
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::Lost(error.to_string())),
        }
        let woken = fds[1].revents().contains(PollFlags::IN);
        if woken {
            let _ = read(&*self.0, &mut [0_u8; 8]);
        }
        Ok(woken)
    }
}
