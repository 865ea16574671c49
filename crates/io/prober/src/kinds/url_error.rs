//! Reasons why the URL of a database node cannot be used.

use thiserror::Error;

/// The form of PostgreSQL's URLs.
pub(crate) const POSTGRES: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
/// The forms of Redis's URLs.
pub(crate) const REDIS: &str = "redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS";

/// A URL in the configuration that cannot be used. The text says how to write it, and never quotes it: it holds a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    /// No database that mainstay can measure.
    #[error("it must begin with postgres:// or redis://")]
    Scheme,
    /// Not a URL.
    #[error("it is not a URL ({why}); write {form}")]
    NotAUrl {
        /// The reason.
        why: url::ParseError,
        /// The form that is expected.
        form: &'static str,
    },
    /// No host.
    #[error("it has no host; write {0}")]
    NoHost(&'static str),
    /// Several hosts, or none.
    #[error("it must have one host; other nodes of the cluster are `replicas`, each with its own URL")]
    Hosts,
    /// No user.
    #[error("it has no user; write {POSTGRES}")]
    NoUser,
    /// User, password or database.
    #[error(
        "user, password or database cannot be read (characters such as @ : / must be written %40 %3A %2F)"
    )]
    Login,
    /// A value of `sslmode`.
    #[error("sslmode must be disable, prefer, require or verify-full")]
    Encryption,
    /// A file of root certificates.
    #[error("sslrootcert is not read: add the file to site.extra_ca_files")]
    RootCertificate,
    /// Another parameter.
    #[error("the parameter `{0}` is not supported (sslmode and options are)")]
    Parameter(String),
}
