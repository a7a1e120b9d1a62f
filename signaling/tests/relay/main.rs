//! The relay of the running server, through real sockets.

#[path = "../support/mod.rs"]
mod support;

mod carrying;
mod coturn;
mod limits;
mod numbers;
mod refusals;

use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::{Entry, IceServer, ServerToHost, ServerToViewer};
use support::turn::Credentials;
use support::{HostPeer, TestServer, ViewerPeer, host_hello, viewer_hello};

/// A session with both ends in it, and what they were told.
struct Meeting {
    session: SessionId,
    host: HostPeer,
    viewer: ViewerPeer,
    host_servers: Vec<IceServer>,
    viewer_servers: Vec<IceServer>,
}

impl Meeting {
    async fn of(server: &TestServer) -> Self {
        let (session, nameplate) = server.create().await;
        let mut viewer = server.viewer_socket().await;
        viewer.send(&viewer_hello(Entry::SignedIn { session })).await;
        let ServerToViewer::Welcome { ice_servers: viewer_servers, .. } = viewer.receive().await else {
            panic!()
        };
        let mut host = server.host_socket().await;
        host.send(&host_hello(Entry::Nameplate { nameplate })).await;
        let ServerToHost::Welcome { ice_servers: host_servers, .. } = host.receive().await else { panic!() };
        Self { session, host, viewer, host_servers, viewer_servers }
    }

    fn host(&self) -> Credentials {
        Credentials::of(&self.host_servers)
    }

    fn viewer(&self) -> Credentials {
        Credentials::of(&self.viewer_servers)
    }
}
