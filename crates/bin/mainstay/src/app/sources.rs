//! Sources that may report changes: their secrets, read at the start and again with the configuration.

use notify::secret::{self, SecretError};
use types::Config;
use web::sources::{ChangeSource, SourceService};

/// The secret of a source cannot be read. It is read again when its file changes and at SIGHUP.
#[derive(Debug, thiserror::Error)]
#[error(
    "secret of source `{source_name}`: {why}; set it, or correct `changes.secret` of this source in the configuration"
)]
pub(crate) struct SourceError {
    source_name: String,
    why: SecretError,
}

/// Reads the secrets of all sources.
///
/// # Errors
/// See [`SourceError`].
pub(crate) fn read(config: &Config) -> Result<Vec<ChangeSource>, SourceError> {
    let sources = config.sources.iter().map(|(name, source)| {
        let secret = secret::read(&source.changes.secret)
            .map_err(|why| SourceError { source_name: name.clone(), why })?;
        let service = source.changes.service.clone();
        let service = service.map_or(SourceService::ByName, SourceService::Fixed);
        Ok(ChangeSource { name: name.clone(), secret, service })
    });
    sources.collect()
}
