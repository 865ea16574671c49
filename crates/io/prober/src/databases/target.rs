//! A database as it is watched: its name, and URLs that are secrets.

use crate::setup::{self, SetupError};
use secrecy::{ExposeSecret, SecretString};
use types::config::{self, BackupSource, SecretRef};

/// A database to watch: URLs of its nodes, which hold passwords and are never shown, and where its backups are.
#[derive(Clone, Debug)]
pub struct DatabaseTarget {
    /// Name in the configuration.
    pub name: String,
    /// URL of each node, the declared primary first: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`,
    /// `mysql://USER:PASSWORD@HOST:PORT?ssl-mode=VERIFY_IDENTITY`, `rediss://USER:PASSWORD@HOST:PORT`.
    pub urls: Vec<SecretString>,
    /// Where its backups are.
    pub backups: Option<BackupSource>,
}

impl DatabaseTarget {
    /// Reads the URLs from where the configuration keeps them.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn read(name: &str, database: &config::Database) -> Result<Self, SetupError> {
        let read = |(place, source): (usize, &SecretRef)| {
            setup::secret(source).map_err(|why| unusable_url(name, place, &why))
        };
        let sources = std::iter::once(&database.url).chain(&database.replicas);
        Ok(Self {
            name: name.to_owned(),
            urls: sources.enumerate().map(read).collect::<Result<_, _>>()?,
            backups: database.backups.clone(),
        })
    }

    /// Whether another target is the same in every part.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let urls = self.urls.iter().map(ExposeSecret::expose_secret);
        self.name == other.name
            && self.backups == other.backups
            && urls.eq(other.urls.iter().map(ExposeSecret::expose_secret))
    }
}

/// The error about a URL; places are counted from 0.
pub(super) fn unusable_url(database: &str, place: usize, why: &dyn std::fmt::Display) -> SetupError {
    SetupError::DatabaseUrl { database: database.to_owned(), place: place + 1, why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_not_shown() {
        let target = |url: &str| DatabaseTarget {
            name: "main".to_owned(),
            urls: vec![SecretString::from(url)],
            backups: None,
        };
        let url = "mysql://mainstay:hunter2@db1.acme.net:3306";
        let shown = format!("{0:?} {0:#?}", target(url));
        assert!(shown.contains("main") && !shown.contains("hunter2") && !shown.contains("db1"), "{shown}");
        assert!(target(url).is_same(&target(url)) && !target(url).is_same(&target("mysql://m@db1")));
    }
}
