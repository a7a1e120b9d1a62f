//! Who keeps the server's certificate up to date while it runs.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use crate::acme::Acme;
use crate::config::{Config, TlsSource};
use crate::tls::files::Files;
use crate::tls::{Shown, TlsError, self_signed, server_config};

/// Whoever it is.
pub enum Keeper {
    /// It stays as it is.
    Nobody,
    /// Another program, by its files.
    Files(Files),
    /// The server itself, with an authority's help.
    Acme(Box<Acme>),
}

impl Keeper {
    /// What connections are greeted with, and who keeps it so; `None`: plain HTTP.
    pub fn open(config: &Config) -> Result<Option<(Arc<ServerConfig>, Self)>, TlsError> {
        let Some(source) = &config.tls else { return Ok(None) };
        let shown = Arc::new(Shown::default());
        let state = config.state.as_deref();
        let keeper = match source {
            TlsSource::Files(files) => Self::Files(Files::open(files, Arc::clone(&shown))?),
            TlsSource::SelfSigned(given) => {
                shown.replace(self_signed::load_or_make(&self_signed::names(config, given), state)?);
                Self::Nobody
            }
            TlsSource::Acme(options) => {
                // The options are refused without a folder.
                let state = state.unwrap_or(Path::new("."));
                Self::Acme(Box::new(Acme::open(options, state, Arc::clone(&shown))?))
            }
        };
        Ok(Some((server_config(shown)?, keeper)))
    }

    /// Keeps it, until it is dropped.
    pub async fn keep(self) {
        match self {
            Self::Nobody => {}
            Self::Files(files) => files.keep().await,
            Self::Acme(acme) => acme.keep().await,
        }
    }
}
