//! What enters the program's log: nothing of other crates that would name addresses, descriptions or fingerprints.

use tracing_subscriber::EnvFilter;

/// Targets that stay silent whatever is asked for. The WebRTC stack logs candidates and descriptions; a certificate that is
/// refused is said in a sentence of our own.
const SILENT: [&str; 3] = ["rtc=off", "webrtc=off", "rustls_platform_verifier=off"];

/// The filter of `NEARHAND_LOG`; errors alone where it is not set or not understood.
pub fn filter() -> EnvFilter {
    silenced(EnvFilter::try_from_env("NEARHAND_LOG").unwrap_or_else(|_| EnvFilter::new("error")))
}

fn silenced(filter: EnvFilter) -> EnvFilter {
    SILENT.iter().filter_map(|silent| silent.parse().ok()).fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_stack_is_silent_and_we_are_not() {
        let subscriber = tracing_subscriber::registry().with(silenced(EnvFilter::new("trace")));
        tracing::subscriber::with_default(subscriber, || {
            assert!(!tracing::enabled!(target: "rtc_ice::agent", tracing::Level::ERROR));
            assert!(!tracing::enabled!(target: "rtc::peer_connection", tracing::Level::ERROR));
            assert!(!tracing::enabled!(target: "webrtc::data_channel", tracing::Level::ERROR));
            assert!(tracing::enabled!(target: "nearhand_host::rtc", tracing::Level::TRACE));
        });
    }
}
