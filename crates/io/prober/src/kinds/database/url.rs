//! The URL of a database node, and the reasons why it cannot be used.

use secrecy::SecretString;
use thiserror::Error;
use url::Url;

/// The form of PostgreSQL's URLs.
pub(crate) const POSTGRES: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
/// The form of MariaDB's and MySQL's URLs.
pub(crate) const MYSQL: &str = "mysql://USER:PASSWORD@HOST:PORT";
/// The forms of Redis's URLs.
pub(crate) const REDIS: &str = "redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS";

/// A URL in the configuration that cannot be used. The text says how to write it, and never quotes a part of it: it holds
/// a password, whose unescaped characters may have made it anything.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    /// No database that mainstay can measure.
    #[error("it must begin with postgres://, mysql://, mariadb:// or redis://")]
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
    #[error("it has no user; write {0}")]
    NoUser(&'static str),
    /// User, password or database.
    #[error(
        "user, password or database cannot be read (characters such as @ : / ? # must be written %40 %3A %2F %3F %23)"
    )]
    Login,
    /// A value of `sslmode` or `ssl-mode`.
    #[error("{key} must be {words}")]
    Encryption {
        /// The parameter.
        key: &'static str,
        /// Its values.
        words: &'static str,
    },
    /// A file of root certificates.
    #[error("a file of root certificates is not read: add it to site.extra_ca_files")]
    RootCertificate,
    /// Another parameter.
    #[error("it has a parameter that is not supported (only {0})")]
    Parameter(&'static str),
}

/// Reads a URL of this form.
///
/// # Errors
/// It is no URL with a host, or a character of its password is not escaped.
pub(crate) fn read(text: &str, form: &'static str) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|why| UrlError::NotAUrl { why, form })?;
    // An unescaped character of the password ends the host too early: what follows has the @.
    let after = [Some(url.path()), url.query(), url.fragment()];
    if after.into_iter().flatten().any(|part| part.contains('@')) {
        return Err(UrlError::Login);
    }
    url.host_str().filter(|host| !host.is_empty()).ok_or(UrlError::NoHost(form))?;
    Ok(url)
}

/// User and password of a URL, decoded.
pub(crate) fn login(url: &Url) -> (Option<String>, Option<SecretString>) {
    // In a form + is a space and & the end of a value, in a login neither is.
    let decoded = |text: &str| {
        let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    let user = Some(url.username()).filter(|user| !user.is_empty()).and_then(decoded);
    (user, url.password().and_then(decoded).map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn login_is_decoded() {
        let url = read("rediss://mainstay:p%40s+s&x=1@cache1:6380", REDIS).unwrap();
        let (user, password) = login(&url);
        assert_eq!(user.as_deref(), Some("mainstay"));
        assert_eq!(password.unwrap().expose_secret(), "p@s+s&x=1");
    }

    #[test]
    fn password_with_unescaped_characters_is_refused_without_it() {
        for text in [
            "redis://mainstay:12/secret@cache1",
            "mysql://mainstay:12?secret@db1",
            "mysql://mainstay:12#secret@db1",
            "mysql://mainstay:se/cret@db1",
            "redis://:secret@",
        ] {
            let said = read(text, MYSQL).unwrap_err().to_string();
            assert!(!said.contains("secret") && !said.contains("12"), "{said}");
        }
    }
}
