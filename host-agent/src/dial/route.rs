//! Which ways lead to a target: the proxy that was given, or what environment and system say.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use nearhand_desktop::proxy::{Problem, Proxy, Settings, Step};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::DialError;

/// How the way out is chosen.
#[derive(Clone, Debug, Default)]
pub enum Way {
    /// Without a proxy.
    #[default]
    Direct,
    /// Through this one, everything.
    Proxy(Proxy),
    /// As these variables of the environment say, or, where they say nothing, as the system's settings do.
    Settings {
        /// Those whose names end in `_proxy`, in capitals or not, and the mark of CGI (`REQUEST_METHOD`).
        environment: Vec<(String, String)>,
    },
}

/// The system's settings may take this long; some ask services of the system, or fetch a script.
const SYSTEM: Duration = Duration::from_secs(3);
/// Settings are read anew after this, since laptops move; one start of a session asks several times.
const FRESH: Duration = Duration::from_secs(10);
/// A proxy of the system's settings that was not there is asked last for this long.
const DEAD: Duration = Duration::from_mins(1);
/// Proxies and targets that are remembered; there are one or two.
const MOST: usize = 16;

/// Ways to one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Routes {
    /// Best first, never empty.
    pub(super) steps: Vec<Step>,
    /// A script decides, and it was not asked.
    pub(super) script: bool,
}

/// Finds the ways, and remembers what it learnt.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// What the system said about a target, and when.
    said: Mutex<HashMap<(String, u16), (Instant, Routes)>>,
    dead: Mutex<HashMap<Proxy, Instant>>,
}

impl Finder {
    /// The ways to a host (IPv6 without brackets).
    pub(super) async fn routes(&self, way: &Way, host: &str, port: u16) -> Result<Routes, DialError> {
        let only = |step| Ok(Routes { steps: vec![step], script: false });
        match way {
            Way::Direct => only(Step::Direct),
            Way::Proxy(proxy) => only(Step::Proxy(proxy.clone())),
            // No proxy reaches this very computer, whatever the settings forgot to say.
            Way::Settings { .. } if is_loopback(host) => only(Step::Direct),
            Way::Settings { environment } => match Settings::of_environment(environment) {
                // No way around it: who names a proxy there may not want to be seen without it.
                Ok(Some(settings)) => match settings.steps(host, port) {
                    Ok(steps) => Ok(Routes { steps, script: false }),
                    Err(problem) => Err(unusable(&problem)),
                },
                Ok(None) => Ok(self.of_system(host, port).await),
                Err(problem) => Err(unusable(&problem)),
            },
        }
    }

    /// As the system's settings say, and at last without a proxy: they may be from another network.
    async fn of_system(&self, host: &str, port: u16) -> Routes {
        let target = (host.to_owned(), port);
        let now = Instant::now();
        if let Some((when, routes)) = lock(&self.said).get(&target)
            && now.duration_since(*when) < FRESH
        {
            return self.dead_last(routes.clone());
        }
        let asked = target.clone();
        let asking = spawn_blocking(move || match Settings::of_system()? {
            Some(settings) => settings.steps(&asked.0, asked.1),
            None => Ok(vec![Step::Direct]),
        });
        let routes = match timeout(SYSTEM, asking).await {
            Ok(Ok(Ok(steps))) => with_direct(steps),
            Ok(Ok(Err(Problem::Script))) => Routes { steps: vec![Step::Direct], script: true },
            Ok(Ok(Err(problem))) => {
                tracing::warn!(%problem, "the system's settings for proxies can't be used; going without");
                with_direct(Vec::new())
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the system does not say which proxy to use; going without");
                with_direct(Vec::new())
            }
        };
        let mut said = lock(&self.said);
        if said.len() >= MOST {
            said.clear();
        }
        said.insert(target, (now, routes.clone()));
        drop(said);
        self.dead_last(routes)
    }

    fn dead_last(&self, mut routes: Routes) -> Routes {
        let dead = lock(&self.dead);
        let is_dead = |step: &Step| match step {
            Step::Direct => false,
            Step::Proxy(proxy) => dead.get(proxy).is_some_and(|when| when.elapsed() < DEAD),
        };
        routes.steps.sort_by_key(is_dead);
        routes
    }

    /// Nobody is there.
    pub(super) fn is_dead(&self, proxy: &Proxy) {
        let mut dead = lock(&self.dead);
        if dead.len() >= MOST {
            dead.clear();
        }
        dead.insert(proxy.clone(), Instant::now());
    }

    pub(super) fn lives(&self, proxy: &Proxy) {
        lock(&self.dead).remove(proxy);
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn with_direct(mut steps: Vec<Step>) -> Routes {
    if !steps.contains(&Step::Direct) {
        steps.push(Step::Direct);
    }
    Routes { steps, script: false }
}

fn unusable(problem: &Problem) -> DialError {
    DialError::Settings(problem.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Way {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Way::Settings { environment }
    }

    #[tokio::test]
    async fn what_was_given_counts_for_every_target() {
        let finder = Finder::default();
        let proxy = Proxy::parse("socks5://proxy:1").unwrap();
        for host in ["h.example", "127.0.0.1", "localhost"] {
            let steps = finder.routes(&Way::Direct, host, 1).await.unwrap().steps;
            assert_eq!(steps, [Step::Direct]);
            let steps = finder.routes(&Way::Proxy(proxy.clone()), host, 1).await.unwrap().steps;
            assert_eq!(steps, [Step::Proxy(proxy.clone())]);
        }
    }

    #[tokio::test]
    async fn the_environment_is_not_gone_around() {
        let finder = Finder::default();
        let proxy = Proxy::parse("http://proxy:1").unwrap();
        let way = settings(&[("HTTPS_PROXY", "http://proxy:1"), ("NO_PROXY", ".corp.example")]);
        assert_eq!(finder.routes(&way, "h.example", 1).await.unwrap().steps, [Step::Proxy(proxy)]);
        for host in ["a.corp.example", "127.0.0.1", "::1", "LOCALHOST"] {
            assert_eq!(finder.routes(&way, host, 1).await.unwrap().steps, [Step::Direct], "{host}");
        }
        let broken = settings(&[("HTTPS_PROXY", "http://me:geheim@a b")]);
        let words = finder.routes(&broken, "h.example", 1).await.unwrap_err().to_string();
        assert!(words.contains("--proxy") && !words.contains("geheim"), "{words}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_dead_are_asked_last_for_a_while() {
        let finder = Finder::default();
        let proxy = Proxy::parse("http://proxy:1").unwrap();
        let routes = with_direct(vec![Step::Proxy(proxy.clone())]);
        assert_eq!(routes.steps, [Step::Proxy(proxy.clone()), Step::Direct]);
        assert_eq!(finder.dead_last(routes.clone()), routes);
        finder.is_dead(&proxy);
        assert_eq!(finder.dead_last(routes.clone()).steps, [Step::Direct, Step::Proxy(proxy.clone())]);
        finder.lives(&proxy);
        assert_eq!(finder.dead_last(routes.clone()), routes);
        finder.is_dead(&proxy);
        tokio::time::advance(DEAD).await;
        assert_eq!(finder.dead_last(routes.clone()), routes);
    }
}
