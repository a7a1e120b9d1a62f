//! When each stage of a frame or an update was done, for who measures where the time goes.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the events go: at level `TRACE`.
const TARGET: &str = "nearhand_host::trace";

/// Moments of one look at the desktop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The first damage was reported.
    pub(super) damage: Instant,
    /// Reading the pixels began.
    pub(super) grab: Instant,
    /// They were read, and compared with those of before.
    pub(super) grabbed: Instant,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Frame,
    Tiles,
}

/// Says when what became of one look was converted, encoded and sent: just now. Microseconds of the wall clock.
pub(super) fn sent(kind: Kind, id: u32, look: &Look, converted: Instant, encoded: Instant) {
    if !tracing::enabled!(target: TARGET, tracing::Level::TRACE) {
        return;
    }
    let (now, wall) = (Instant::now(), SystemTime::now());
    let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let at = |moment: Instant| wall.saturating_sub(now.saturating_duration_since(moment).as_micros() as u64);
    let kind = match kind {
        Kind::Frame => "frame",
        Kind::Tiles => "tiles",
    };
    tracing::trace!(
        target: TARGET,
        kind,
        id,
        damage = at(look.damage),
        grab = at(look.grab),
        grabbed = at(look.grabbed),
        converted = at(converted),
        encoded = at(encoded),
        sent = wall,
    );
}
