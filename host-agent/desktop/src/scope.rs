//! What is shared: everything, a monitor, or one window or program.

/// A window, by the number that the system calls it: an X id, a HWND.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId(pub u64);

/// What the customer shows. Narrower or wider only by the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole screen.
    #[default]
    Everything,
    /// The monitor with this number of the layout.
    Monitor(u8),
    /// This window with its dialogs and menus.
    Window(WindowId),
    /// All windows of the program that this window belongs to.
    Application(WindowId),
}
