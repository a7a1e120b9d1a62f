//! What is logged, and what never is.

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, FilterFn, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

/// Writes what `filter` lets through to `writer`, one line for each event.
///
/// Libraries are held to `info` whatever the filter says: below it they log frames and headers, and with them codes,
/// keys and descriptions of connections. Those that read what strangers send to the relay are silent: each packet of
/// garbage would be a warning.
pub fn subscriber<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)?;
    let quiet = FilterFn::new(|metadata| {
        let target = metadata.target();
        let of_strangers =
            ["stun_types", "turn_types", "stun_proto"].iter().any(|name| target.starts_with(name));
        (*metadata.level() <= Level::INFO && !of_strangers) || target.starts_with("nearhand")
    });
    let lines =
        tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false).with_filter(filter.and(quiet));
    Ok(tracing_subscriber::registry().with(lines))
}
