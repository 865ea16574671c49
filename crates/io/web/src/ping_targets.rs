//! The jobs of the configuration that may report by pings, with their keys and their rates.

use crate::rates::Rates;
use arc_swap::ArcSwap;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::sync::Arc;

/// Pings of one job in a burst, and in a second on average.
const RATE: (f64, f64) = (60.0, 1.0);

/// A job that may report.
#[derive(Clone)]
pub struct PingTarget {
    /// Its name in the configuration.
    pub name: String,
    /// The secret in its URL; `None` when its name is enough.
    pub key: Option<SecretString>,
}

impl PingTarget {
    /// Whether this is its key. Compares in constant time; nothing is an empty key.
    fn has_key(&self, given: &str) -> bool {
        let key = self.key.as_ref().map_or(self.name.as_str(), |key| key.expose_secret());
        !key.is_empty() && tokens::constant_time_eq(given.as_bytes(), key.as_bytes())
    }
}

impl fmt::Debug for PingTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PingTarget").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All jobs that may report. Replaced as a whole when the configuration changes.
#[derive(Debug)]
pub(crate) struct PingTargets {
    all: ArcSwap<Vec<PingTarget>>,
    rates: Rates,
}

impl Default for PingTargets {
    fn default() -> Self {
        Self { all: ArcSwap::default(), rates: Rates::new(RATE.0, RATE.1) }
    }
}

impl PingTargets {
    pub(crate) fn replace(&self, targets: Vec<PingTarget>) {
        self.rates.retain(|name| targets.iter().any(|target| target.name == *name));
        self.all.store(Arc::new(targets));
    }

    /// Whether a job may report now, by its rate.
    pub(crate) fn admits(&self, name: &str) -> bool {
        self.rates.take(name)
    }

    /// The name of the job with this key. Every key is compared, also after a match.
    pub(crate) fn by_key(&self, given: &str) -> Option<String> {
        let all = self.all.load();
        let mut found: Vec<&PingTarget> = all.iter().filter(|target| target.has_key(given)).collect();
        found.pop().map(|target| target.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_identifies_its_job_and_a_name_only_one_without_a_key() {
        let targets = PingTargets::default();
        let target = |name: &str, key: Option<&str>| PingTarget {
            name: name.to_owned(),
            key: key.map(SecretString::from),
        };
        targets.replace(vec![
            target("backup", Some("5c2d")),
            target("report", None),
            target("empty", Some("")),
        ]);
        let cases = [
            ("5c2d", Some("backup")),
            ("report", Some("report")),
            ("backup", None),
            ("", None),
            ("empty", None),
        ];
        for (key, name) in cases {
            assert_eq!(targets.by_key(key).as_deref(), name, "{key}");
        }
        assert!(!format!("{targets:?}").contains("5c2d"), "keys are not printed");
    }
}
