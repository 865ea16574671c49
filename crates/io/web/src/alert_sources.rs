//! The sources of the configuration that hand their alerts in, with their secrets and their rates.

use crate::bearer::bearer;
use crate::problem::Problem;
use crate::rates::Rates;
use arc_swap::ArcSwap;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use types::config::AlertFormat;

/// Reports of one source in a burst: an outage of everything fits, one event in each report.
const BURST: f64 = 5_000.0;
/// Reports of one source in a second, on average.
const PER_SECOND: f64 = 100.0;

/// A source that hands its alerts in.
#[derive(Clone)]
pub struct AlertSource {
    /// Its name in the configuration.
    pub name: String,
    /// Its token, its signing key or its routing key, for each format that it may use.
    pub secrets: BTreeMap<AlertFormat, SecretString>,
}

impl fmt::Debug for AlertSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let formats: Vec<_> = self.secrets.keys().collect();
        f.debug_struct("AlertSource").field("name", &self.name).field("formats", &formats).finish()
    }
}

impl AlertSource {
    pub(crate) fn secret(&self, format: AlertFormat) -> Option<&SecretString> {
        self.secrets.get(&format)
    }

    /// Whether this is its secret for a format. Compares in constant time; nothing is an empty secret.
    pub(crate) fn has_secret(&self, format: AlertFormat, given: &[u8]) -> bool {
        let secret = self.secret(format).map_or("", |secret| secret.expose_secret());
        !secret.is_empty() && tokens::constant_time_eq(given, secret.as_bytes())
    }

    /// Whether a request has the secret: as a bearer token, or as the password of basic authentication.
    pub(crate) fn admits(&self, format: AlertFormat, headers: &HeaderMap) -> bool {
        let password = || {
            let given = headers.get(header::AUTHORIZATION)?.as_bytes();
            let (scheme, given) = given.split_at_checked(6)?;
            let given = scheme.eq_ignore_ascii_case(b"basic ").then(|| given.trim_ascii())?;
            let given = BASE64_STANDARD.decode(given).ok()?;
            let colon = given.iter().position(|byte| *byte == b':')?;
            given.get(colon + 1..).map(<[u8]>::to_vec)
        };
        bearer(headers).is_some_and(|given| self.has_secret(format, given))
            || password().is_some_and(|given| self.has_secret(format, &given))
    }
}

/// All of them. Replaced as a whole when the configuration changes.
#[derive(Debug)]
pub(crate) struct AlertSources {
    all: ArcSwap<Vec<AlertSource>>,
    rates: Rates,
}

impl Default for AlertSources {
    fn default() -> Self {
        Self { all: ArcSwap::default(), rates: Rates::new(BURST, PER_SECOND) }
    }
}

impl AlertSources {
    pub(crate) fn replace(&self, sources: Vec<AlertSource>) {
        self.rates.retain(|name| sources.iter().any(|source| source.name == *name));
        self.all.store(Arc::new(sources));
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<AlertSource> {
        self.all.load().iter().find(|source| source.name == name).cloned()
    }

    /// The source with this secret. Compares with all of them in constant time.
    pub(crate) fn by_secret(&self, format: AlertFormat, given: &[u8]) -> Option<AlertSource> {
        let all = self.all.load();
        // Every secret is compared, also after a match.
        let mut found: Vec<&AlertSource> =
            all.iter().filter(|source| source.has_secret(format, given)).collect();
        found.pop().cloned()
    }

    /// Counts a report against the rate of its source. Clients repeat after 503, and many give up after 429.
    pub(crate) fn count(&self, name: &str) -> Result<(), Problem> {
        if self.rates.take(name) {
            return Ok(());
        }
        let hint = "Group alerts, or report them less often.";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this source reports too often", hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn source(secret: &str) -> AlertSource {
        AlertSource { name: "am".into(), secrets: [(AlertFormat::Alertmanager, secret.into())].into() }
    }

    #[test]
    fn secret_comes_as_bearer_token_or_as_password() {
        let admits = |secret: &str, header: &str| {
            let headers =
                HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(header).unwrap())]);
            source(secret).admits(AlertFormat::Alertmanager, &headers)
        };
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(admits("s3cret", "Bearer s3cret"));
        assert!(admits("s3cret", "bearer s3cret"));
        assert!(admits("s3:cret", &basic("any:s3:cret")));
        for wrong in ["", "Bearer ", "Bearer s3cre", "s3cret", &basic("s3cret:"), &basic("s3cret"), "Basic ?"]
        {
            assert!(!admits("s3cret", wrong), "{wrong}");
        }
        assert!(!admits("", "Bearer ") && !admits("", &basic(":")), "nothing is an empty secret");
        assert!(!source("s3cret").admits(AlertFormat::Grafana, &HeaderMap::new()));
        assert!(!format!("{:?}", source("s3cret")).contains("s3cret"));
    }

    #[test]
    fn routing_key_identifies_its_source() {
        let sources = AlertSources::default();
        let of = |name: &str, secret: &str| AlertSource {
            name: name.into(),
            secrets: [(AlertFormat::Pagerduty, secret.into())].into(),
        };
        sources.replace(vec![of("a", "aaaa"), of("empty", ""), of("b", "bbbb"), source("cccc")]);
        let found =
            |key: &str| sources.by_secret(AlertFormat::Pagerduty, key.as_bytes()).map(|source| source.name);
        assert_eq!(found("bbbb").as_deref(), Some("b"));
        assert_eq!((found(""), found("cccc"), found("aaa")), (None, None, None));
    }
}
