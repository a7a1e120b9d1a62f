//! Holding a server for one client alone: nothing that others do comes in between.

use x11rb::connection::Connection;
use x11rb::protocol::xproto::ConnectionExt as _;

use super::Server;
use crate::Error;

/// The server held for us alone, until the drop. As short as can be: everybody waits.
pub(super) struct Grab<'a>(&'a Server);

impl<'a> Grab<'a> {
    pub(super) fn on(server: &'a Server) -> Result<Self, Error> {
        server.conn.grab_server()?;
        Ok(Self(server))
    }
}

impl Drop for Grab<'_> {
    fn drop(&mut self) {
        // A connection that is gone holds nothing.
        let _ = self.0.conn.ungrab_server();
        let _ = self.0.conn.flush();
    }
}
