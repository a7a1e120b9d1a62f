//! Addresses behind the `.local` names that browsers put into candidates (draft-ietf-mmusic-mdns-ice-candidates).

use super::interfaces;
use super::relay;
use mdns_sd::{HostnameResolutionEvent, ServiceDaemon};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// A browser of the same network answers within milliseconds; any other never.
const LIMIT: Duration = Duration::from_secs(1);
/// Names of one connection that are asked for: whoever sends more wants to make us shout in our network.
const NAMES: usize = 64;
/// Addresses of one name that are believed.
const ADDRESSES: usize = 4;

/// Asks the local network for names, from the first one on. Where port 5353 can't be shared, nothing is found.
#[derive(Default)]
pub(super) struct Names {
    daemon: OnceLock<Option<ServiceDaemon>>,
    asked: AtomicUsize,
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Some(Some(daemon)) = self.daemon.get() {
            // Its thread ends by itself.
            let _ = daemon.shutdown();
        }
    }
}

impl Names {
    /// The addresses of this name; none if it is not of the kind that browsers make, or nobody answers within a second.
    pub(super) async fn resolve(&self, name: &str) -> Vec<IpAddr> {
        if !is_made_by_a_browser(name) || self.asked.fetch_add(1, Relaxed) >= NAMES {
            return Vec::new();
        }
        let daemon = self.daemon.get_or_init(|| {
            ServiceDaemon::new()
                .inspect_err(
                    |error| tracing::debug!(%error, "names of browsers in this network are not looked up"),
                )
                .ok()
        });
        let Some(daemon) = daemon else { return Vec::new() };
        let name = format!("{}.", name.to_ascii_lowercase());
        let Ok(events) = daemon.resolve_hostname(&name, u64::try_from(LIMIT.as_millis()).ok()) else {
            return Vec::new();
        };
        let answered = async {
            while let Ok(event) = events.recv_async().await {
                if let HostnameResolutionEvent::AddressesFound(_, found) = event {
                    return found.iter().map(mdns_sd::ScopedIp::to_ip_addr).collect();
                }
            }
            Vec::new()
        };
        let mut found: Vec<IpAddr> = tokio::time::timeout(LIMIT, answered).await.unwrap_or_default();
        let _ = daemon.stop_resolve_hostname(&name);
        found.retain(|ip| interfaces::is_offered(*ip) && !ip.is_multicast() && !relay::is_virtual(*ip));
        found.truncate(ADDRESSES);
        found
    }
}

/// A UUID and `.local`: nothing that anybody else would be called.
fn is_made_by_a_browser(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some(uuid) = name.strip_suffix(".local") else { return false };
    let groups: Vec<&str> = uuid.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0a1b2c3d-0000-4000-8000-0000000000ff.local";

    #[test]
    fn only_names_that_browsers_make_are_asked_for() {
        assert!(is_made_by_a_browser(NAME) && is_made_by_a_browser(&NAME.to_ascii_uppercase()));
        for name in [
            "printer.local",
            "0a1b2c3d-0000-4000-8000-0000000000ff",
            "0a1b2c3d-0000-4000-8000-0000000000fg.local",
            "0a1b2c3d-0000-4000-8000.local",
            "0a1b2c3d00004000800000000000000000ff.local",
            "x.0a1b2c3d-0000-4000-8000-0000000000ff.local",
            ".local",
        ] {
            assert!(!is_made_by_a_browser(name), "{name}");
        }
    }

    #[tokio::test]
    async fn a_name_nobody_has_costs_a_second_at_most_and_only_so_often() {
        let names = Names::default();
        let nobodys = NAME.replace("ff", "ee");
        let started = std::time::Instant::now();
        assert_eq!(names.resolve(&nobodys).await, Vec::<IpAddr>::new());
        assert!(started.elapsed() < LIMIT * 2);
        names.asked.store(NAMES, Relaxed);
        let started = std::time::Instant::now();
        assert_eq!(names.resolve(&nobodys).await, Vec::<IpAddr>::new());
        assert!(started.elapsed() < LIMIT / 2);
    }

    /// With a second responder on this very machine, as a browser brings one.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_name_in_this_network_is_found() {
        let Some(ip) = interfaces::read().into_iter().find(IpAddr::is_ipv4) else {
            eprintln!("not tested: no network");
            return;
        };
        let responder = ServiceDaemon::new().expect("port 5353");
        let host = format!("{NAME}.");
        let service =
            mdns_sd::ServiceInfo::new("_nearhand._udp.local.", "test", &host, ip, 9, None).expect("service");
        responder.register(service).expect("registered");
        let names = Names::default();
        let limit = std::time::Instant::now() + Duration::from_secs(10);
        // It first asks whether somebody else has that name.
        while names.resolve(NAME).await != [ip] {
            assert!(std::time::Instant::now() < limit, "never found");
        }
        let ended = responder.shutdown().expect("ended");
        let _ = ended.recv_async().await;
    }
}
