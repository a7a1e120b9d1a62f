//! Which addresses this computer has, and when that changes: a new network, a cable pulled, a tunnel opened.

use futures_util::StreamExt;
use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How long the addresses must stand still before a change is told: an interface that comes up gets its addresses
/// one by one.
const SETTLE: Duration = Duration::from_millis(100);
/// Changes that never stand still are told all the same, this long after the first.
const AT_MOST: Duration = Duration::from_secs(1);
/// How often the addresses are read where the system does not tell of changes.
const POLL: Duration = Duration::from_secs(1);

/// The addresses of this computer as of a moment.
type Addresses = BTreeSet<IpAddr>;

/// The addresses that peers may be offered: all but loopback and link-local ones. Clones watch the same; the last
/// one that is dropped ends the watch.
///
/// ```no_run
/// # async fn example() {
/// # use nearhand_host::rtc::Interfaces;
/// let mut interfaces = Interfaces::watch();
/// loop {
///     // In a `select!`: an ICE restart is due.
///     interfaces.changed().await;
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Interfaces {
    addresses: watch::Receiver<Addresses>,
    _task: Arc<AbortOnDrop>,
}

/// The one task of a watch.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Interfaces {
    /// Starts to watch, on the tokio runtime this is called on.
    pub fn watch() -> Self {
        let (sender, addresses) = watch::channel(read());
        let task = tokio::spawn(follow(sender));
        Self { addresses, _task: Arc::new(AbortOnDrop(task)) }
    }

    /// Addresses that only change when `addresses` is sent something, for tests.
    pub fn scripted(addresses: watch::Receiver<BTreeSet<IpAddr>>) -> Self {
        Self { addresses, _task: Arc::new(AbortOnDrop(tokio::spawn(std::future::pending()))) }
    }

    /// Waits until the set of addresses is another one than at the last call (or the start, or the clone). A change
    /// is told once, when it has settled: a tenth of a second, one second at most. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.addresses.changed().await.is_err() {
            // The watch ended, with the whole program; nobody is to be woken in a loop for that.
            std::future::pending::<()>().await;
        }
    }

    /// The addresses of the moment, without marking them as seen.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.borrow().iter().copied().collect()
    }
}

/// Runs until it is aborted.
async fn follow(sender: watch::Sender<Addresses>) {
    let mut watcher = match IfWatcher::new() {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::debug!(%error, "the system does not tell of changed interfaces: they are read each second");
            None
        }
    };
    loop {
        let polled = watcher.is_none();
        if let Some(events) = watcher.as_mut() {
            let Some(Ok(event)) = events.next().await else {
                watcher = None;
                continue;
            };
            let (IfEvent::Up(net) | IfEvent::Down(net)) = event;
            if !is_offered(net.addr()) {
                continue;
            }
            settle(events).await;
        } else {
            tokio::time::sleep(POLL).await;
        }
        let now = read();
        let changed = sender.send_if_modified(|known| {
            let differs = *known != now;
            *known = now;
            differs
        });
        if changed {
            tracing::info!(polled, "the addresses of this computer changed");
        }
    }
}

/// Waits until nothing happens for a moment.
async fn settle(events: &mut IfWatcher) {
    let limit = Instant::now() + AT_MOST;
    loop {
        let quiet = Instant::now() + SETTLE;
        tokio::select! {
            () = sleep_until(quiet.min(limit)) => return,
            event = events.next() => if event.is_none() { return },
        }
    }
}

/// What the system says now.
pub(super) fn read() -> Addresses {
    rtc::shared::ifaces::ifaces()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|interface| interface.addr)
        .map(|address| address.ip())
        .filter(|address| is_offered(*address))
        .collect()
}

/// Whether a peer elsewhere could use this address. A link-local one means nothing without its zone, which a
/// candidate can't carry.
pub(super) fn is_offered(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !address.is_loopback() && !address.is_link_local() && address != Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unicast_link_local() && address != Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_mean_something_elsewhere_are_offered() {
        for (address, offered) in [
            ("192.168.1.5", true),
            ("203.0.113.9", true),
            ("2001:db8::5", true),
            ("fd00::5", true),
            ("127.0.0.1", false),
            ("169.254.7.7", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("fe80::1", false),
            ("::", false),
        ] {
            assert_eq!(is_offered(address.parse().unwrap()), offered, "{address}");
        }
    }

    #[tokio::test]
    async fn a_change_is_told_once_to_every_clone() {
        let (sender, receiver) = watch::channel(BTreeSet::new());
        let mut first = Interfaces::scripted(receiver);
        let mut second = first.clone();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        sender.send_replace([address].into());
        first.changed().await;
        second.changed().await;
        assert_eq!(first.addresses(), [address]);
        assert!(tokio::time::timeout(Duration::from_millis(20), first.changed()).await.is_err());
    }

    #[tokio::test]
    async fn watching_begins_with_what_is_there() {
        assert_eq!(Interfaces::watch().addresses(), read().into_iter().collect::<Vec<_>>());
    }
}
