//! Seeing: frames, the cursor, the monitors, and waiting for any of them to change.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_protocol::cursor::CursorShape;
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::ViewGrant;

use crate::{Error, Scope, WindowId};

/// A rectangle of pixels of the picture, from its top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// A rectangle by its corner and size.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// Pixels in it.
    pub const fn area(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The smallest rectangle around both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self::new(x, y, right - x, bottom - y)
    }

    /// What of it lies within a picture of this size.
    pub fn clip(&self, width: u32, height: u32) -> Option<Self> {
        let (right, bottom) =
            (self.x.saturating_add(self.width).min(width), self.y.saturating_add(self.height).min(height));
        (self.x < right && self.y < bottom)
            .then(|| Self::new(self.x, self.y, right - self.x, bottom - self.y))
    }
}

/// Something that changed on the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// What is shared is gone for good: a window was closed, a monitor unplugged. See [`Capture::aim`].
    Closed,
    /// The shared window can't be seen any more (true), because it was minimised for example, or can again (false). Its
    /// last picture stays in the meantime.
    Hidden(bool),
    /// The picture has another size, or its monitors are arranged otherwise: see [`Displays::layout`]. The next frame
    /// is damaged everywhere.
    Resized,
    /// The cursor looks otherwise: see [`CursorSource::cursor`].
    Cursor,
    /// The pointer moved, by whomever: see [`CursorSource::pointer`]. At most 60 times a second.
    Pointer,
    /// Pixels changed: see [`Capture::grab`]. Said once; said again only after a grab took the damage away, so that
    /// a host whose line is full sleeps.
    Damage,
}

/// What the picture is made of.
pub trait Displays {
    /// The picture's size and the monitors in it, as of the last [`Event::Resized`].
    fn layout(&self) -> &Layout;
}

/// The cursor, which is not part of the picture: the technician's browser draws it.
pub trait CursorSource {
    /// How the cursor looks; `None` while it is hidden. The serial number is the same for the same shape.
    fn cursor(&mut self, grant: &ViewGrant) -> Result<Option<CursorShape>, Error>;

    /// Where it is, in pixels of the picture.
    fn pointer(&mut self, grant: &ViewGrant) -> Result<(u16, u16), Error>;
}

/// The picture of the desktop, and what happens to it. Calls block: keep it on a thread of its own.
///
/// How the systems fit it, each with a persistent picture of its own that `grab` brings up to date:
/// * X11 (`x11`): XDAMAGE tells, MIT-SHM reads the damaged rectangles, XFIXES has the cursor, RandR the monitors.
/// * Windows, DXGI desktop duplication: one duplication for each output of the layout. `wait` is `AcquireNextFrame` of each
///   with a short timeout or the waker's event; `LastPresentTime` and `GetFrameDirtyRects` with the targets of
///   `GetFrameMoveRects` are the damage, which `grab` copies through a staging texture; `GetFramePointerShape` and
///   `PointerPosition` are the cursor; `DXGI_ERROR_ACCESS_LOST` and `WM_DISPLAYCHANGE` are [`Event::Resized`] (scale by
///   `GetDpiForMonitor`), a secure desktop is [`Error::Refused`].
/// * Wayland, `PipeWire` by the portal's `ScreenCast`: its loop's thread keeps the newest buffer and `SPA_META_VideoDamage`, and
///   ends `wait`; `SPA_META_Cursor` is the cursor; a new `SPA_PARAM_Format`, or a stream for each monitor that comes or goes, is
///   [`Event::Resized`]. `grab` copies the damage out of the mapped buffer and queues it again.
/// * macOS, `ScreenCaptureKit`: a stream for each display. Its queue's callback keeps the newest `IOSurface`, and
///   `SCStreamFrameInfoDirtyRects` as damage in pixels (points times `scaleFactor`); `idle` frames are none. The cursor is
///   `NSCursor.currentSystem`, `CGDisplayRegisterReconfigurationCallback` is [`Event::Resized`].
pub trait Capture: Displays + CursorSource + Send + fmt::Debug {
    /// Waits until something changes, for `timeout` at most (`None`: without end), and says what.
    ///
    /// `None` means that the time is up or a [`Waker`] called. Nothing runs while nothing changes. What happened before
    /// the call is not lost, and the same happening is said once.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Event>, Error>;

    /// Reads what changed since the last grab into the persistent picture; the first grab reads everything.
    ///
    /// Fails with [`Error::Revoked`] without reading anything when the grant is dead.
    fn grab(&mut self, grant: &ViewGrant) -> Result<Frame<'_>, Error>;

    /// Shows this from now on, and nothing else: what is not part of it is black, and the layout has only the monitor that
    /// is shared, or one with the place and name of what is. What was read before is forgotten.
    ///
    /// Fails with [`Error::Scope`] where it is not there, or the system can't show it alone; nothing has changed then.
    fn aim(&mut self, scope: &Scope) -> Result<(), Error>;

    /// Blanks these windows of ours wherever a picture of the screen would show them, from the next grab on.
    fn hide(&mut self, windows: &[WindowId]) -> Result<(), Error>;

    /// Ends a [`wait`](Self::wait) from another thread.
    fn waker(&self) -> Waker;
}

/// The picture as of one grab.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// The whole picture: blue, green, red and a byte without meaning for each pixel, rows from the top.
    pub pixels: &'a [u8],
    /// What changed since the last grab: at most [`MAX_RECTS`](crate::MAX_RECTS) rectangles within the picture.
    pub damage: &'a [Rect],
    /// When the first damage of this frame was reported; the same as `captured_at` where nothing was.
    pub damaged_at: Instant,
    /// When the pixels were read.
    pub captured_at: Instant,
}

/// Ends a [`Capture::wait`] from another thread; kept as long as one likes.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(wake))
    }

    /// Makes the wait that runs now, or else the next one, return.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}
