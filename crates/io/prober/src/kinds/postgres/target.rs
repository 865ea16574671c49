//! The URL of a node: where it is, who asks, and how its certificate is checked.

use crate::kinds::database::encrypt::Encrypt;
use crate::kinds::database::url::{self, POSTGRES, UrlError};
use std::str::FromStr;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// A node and the login of mainstay. Has no `Debug`: it holds a password.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encrypt: Encrypt,
    /// User, password, database, options.
    pub(super) login: Config,
}

/// Reads the URL of a node. The error is a text without the URL, which holds a password.
pub(super) fn parse(url: &str) -> Result<Target, UrlError> {
    let mut url = url::read(url, POSTGRES)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    if host.contains(',') {
        return Err(UrlError::Hosts);
    }
    let port = url.port().unwrap_or(5432);
    let mut encrypt = Encrypt::IfOffered;
    let mut kept = Vec::new();
    for (key, value) in url.query_pairs() {
        match &*key {
            "sslmode" => encrypt = encrypt_of(&value)?,
            "options" => kept.push((key.into_owned(), value.into_owned())),
            "application_name" | "connect_timeout" => {}
            "sslrootcert" => return Err(UrlError::RootCertificate),
            _ => return Err(UrlError::Parameter("sslmode and options are")),
        }
    }
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(&kept);
    }
    let mut login = Config::from_str(url.as_str()).map_err(|_| UrlError::Login)?;
    if login.get_user().is_none() {
        return Err(UrlError::NoUser(POSTGRES));
    }
    if login.get_dbname().is_none() {
        login.dbname("postgres");
    }
    login.application_name("mainstay").ssl_mode(SslMode::Disable);
    Ok(Target { host, port, encrypt, login })
}

/// Reads the words of libpq.
fn encrypt_of(word: &str) -> Result<Encrypt, UrlError> {
    match word {
        "disable" => Ok(Encrypt::Never),
        "allow" | "prefer" => Ok(Encrypt::IfOffered),
        "require" => Ok(Encrypt::Always),
        "verify-ca" | "verify-full" => Ok(Encrypt::Verified),
        _ => Err(UrlError::Encryption { key: "sslmode", words: "disable, prefer, require or verify-full" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_read_or_refused_with_the_next_step() {
        let read = |url: &str| match parse(url) {
            Ok(target) => format!(
                "{} {} {:?} {:?} {:?}",
                target.host,
                target.port,
                target.encrypt,
                target.login.get_user(),
                target.login.get_dbname()
            ),
            Err(why) => why.to_string(),
        };
        for (url, expected) in [
            ("postgres://m:p%40ss@db1/shop", r#"db1 5432 IfOffered Some("m") Some("shop")"#),
            (
                "postgresql://m@[::1]:6432?sslmode=verify-full",
                r#"[::1] 6432 Verified Some("m") Some("postgres")"#,
            ),
            (
                "postgres://m@db1?sslmode=disable&options=-c%20a%3Db",
                r#"db1 5432 Never Some("m") Some("postgres")"#,
            ),
            ("postgres://db1/shop", "it has no user"),
            ("postgres://m@db1,db2/shop", "it must have one host"),
            ("postgres://m:secret@db1?sslmode=yes", "sslmode must be"),
            ("postgres://m:secret@db1?sslrootcert=x", "a file of root certificates is not read"),
            ("host=db1 password=secret", "it is not a URL"),
        ] {
            assert!(read(url).starts_with(expected), "{url}: {}", read(url));
            assert!(!read(url).contains("secret"));
        }
    }
}
