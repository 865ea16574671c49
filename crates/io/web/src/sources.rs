//! The sources of the configuration that may report changes, with their secrets and their rates.

use crate::problem::Problem;
use crate::rates::Rates;
use arc_swap::ArcSwap;
use axum::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::sync::Arc;
use types::ServiceId;

/// Reports of one source in a burst. A pipeline that deploys hundreds of services at the same time fits.
const BURST: f64 = 300.0;
/// Reports of one source in a second, on average.
const PER_SECOND: f64 = 2.0;

/// A source that may report changes.
#[derive(Clone)]
pub struct ChangeSource {
    /// Its name in the configuration.
    pub name: String,
    /// Its token, or the key with which it signs.
    pub secret: SecretString,
    /// The services that its changes concern.
    pub service: SourceService,
}

impl ChangeSource {
    /// Whether this is its secret. Compares in constant time; nothing is an empty secret.
    pub(crate) fn has_secret(&self, given: &[u8]) -> bool {
        let secret = self.secret.expose_secret().as_bytes();
        !secret.is_empty() && tokens::constant_time_eq(given, secret)
    }
}

/// The services that the changes of a source concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceService {
    /// Always this one.
    Fixed(ServiceId),
    /// Those whose names are in its reports.
    ByName,
}

impl fmt::Debug for ChangeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, service, .. } = self;
        f.debug_struct("ChangeSource").field("name", name).field("service", service).finish_non_exhaustive()
    }
}

/// All sources. Replaced as a whole when the configuration changes.
#[derive(Debug)]
pub(crate) struct Sources {
    all: ArcSwap<Vec<ChangeSource>>,
    rates: Rates,
}

impl Default for Sources {
    fn default() -> Self {
        Self { all: ArcSwap::default(), rates: Rates::new(BURST, PER_SECOND) }
    }
}

impl Sources {
    pub(crate) fn replace(&self, sources: Vec<ChangeSource>) {
        self.rates.retain(|name| sources.iter().any(|source| source.name == *name));
        self.all.store(Arc::new(sources));
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<ChangeSource> {
        self.all.load().iter().find(|source| source.name == name).cloned()
    }

    /// The source with this secret. Compares with all of them in constant time.
    pub(crate) fn by_secret(&self, given: &[u8]) -> Option<ChangeSource> {
        let all = self.all.load();
        // Every secret is compared, also after a match.
        let mut found: Vec<&ChangeSource> = all.iter().filter(|source| source.has_secret(given)).collect();
        found.pop().cloned()
    }

    /// Counts a report against the rate of its source.
    pub(crate) fn count(&self, name: &str) -> Result<(), Problem> {
        if self.rates.take(name) {
            return Ok(());
        }
        let hint = "Send each change once, and again only after an error.";
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "this source reports too many changes", hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, secret: &str) -> ChangeSource {
        ChangeSource { name: name.to_owned(), secret: secret.into(), service: SourceService::ByName }
    }

    #[test]
    fn secret_identifies_its_source_and_an_empty_one_none() {
        let sources = Sources::default();
        sources.replace(vec![source("ci", "aaaa"), source("empty", ""), source("pager", "bbbb")]);
        let name = |secret: &str| sources.by_secret(secret.as_bytes()).map(|source| source.name);
        assert_eq!(name("bbbb").as_deref(), Some("pager"));
        for wrong in ["", "aaa", "aaaaa", "bbbB"] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        assert!(!format!("{:?}", sources.by_name("ci")).contains("aaaa"), "secrets are not printed");
    }

    #[test]
    fn rate_of_each_source_is_bounded() {
        let sources = Sources::default();
        sources.replace(vec![source("ci", "a"), source("other", "b")]);
        let taken = (0..1_000).filter(|_| sources.count("ci").is_ok()).count();
        assert!((300..=310).contains(&taken), "{taken}");
        assert!(sources.count("other").is_ok());
    }
}
