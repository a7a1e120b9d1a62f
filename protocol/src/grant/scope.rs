//! What of the desktop is shared.

/// A window of the customer's system, by its own number: an X window's id, a `HWND`. It never leaves the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId(pub u64);

/// What the customer shows, and on what may be acted. Only the customer makes it narrower or wider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All monitors.
    #[default]
    Everything,
    /// One monitor, by its number in the layout.
    Monitor(u8),
    /// One window, with its menus and dialogs.
    Window(WindowId),
    /// All windows of the program that this window belongs to.
    Application(WindowId),
}
