//! The URL of a node: where it is, who asks, and how its certificate is checked.

use crate::kinds::database::encrypt::Encrypt;
use crate::kinds::database::url::{self, MYSQL, UrlError};
use secrecy::SecretString;

/// A node and the login of mainstay.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encrypt: Encrypt,
    pub(super) user: String,
    pub(super) password: SecretString,
}

/// Reads `mysql://USER:PASSWORD@HOST:PORT?ssl-mode=VERIFY_IDENTITY`. A database in it is not used: what is measured is in
/// none, and a role of least privilege may enter none.
pub(super) fn parse(url: &str) -> Result<Target, UrlError> {
    let url = url::read(url, MYSQL)?;
    let mut encrypt = Encrypt::IfOffered;
    for (key, value) in url.query_pairs() {
        match &*key {
            "ssl-mode" | "sslmode" | "sslMode" => encrypt = encrypt_of(&value)?,
            "ssl-ca" => return Err(UrlError::RootCertificate),
            _ => return Err(UrlError::Parameter("ssl-mode is")),
        }
    }
    let (user, password) = url::login(&url);
    Ok(Target {
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port().unwrap_or(3306),
        encrypt,
        user: user.ok_or(UrlError::NoUser(MYSQL))?,
        password: password.unwrap_or_default(),
    })
}

/// Reads the words of MySQL, and those of MariaDB's connectors.
fn encrypt_of(word: &str) -> Result<Encrypt, UrlError> {
    match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "disabled" | "disable" => Ok(Encrypt::Never),
        "preferred" | "prefer" => Ok(Encrypt::IfOffered),
        "required" | "require" | "trust" => Ok(Encrypt::Always),
        "verify-ca" | "verify-identity" | "verify-full" => Ok(Encrypt::Verified),
        _ => Err(UrlError::Encryption {
            key: "ssl-mode",
            words: "DISABLED, PREFERRED, REQUIRED or VERIFY_IDENTITY",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn url_is_read_or_refused_with_the_next_step() {
        let read = |url: &str| match parse(url) {
            Ok(Target { host, port, encrypt, user, password }) => {
                format!("{host} {port} {encrypt:?} {user} {}", password.expose_secret())
            }
            Err(why) => why.to_string(),
        };
        for (url, expected) in [
            ("mysql://m:p%40ss@db1/shop", "db1 3306 IfOffered m p@ss"),
            ("mariadb://m@[::1]:3307?ssl-mode=VERIFY_IDENTITY", "[::1] 3307 Verified m "),
            ("mysql://m@db1?sslMode=verify-full", "db1 3306 Verified m "),
            ("mysql://m@db1?ssl-mode=DISABLED", "db1 3306 Never m "),
            ("mysql://db1", "it has no user"),
            ("mysql://m:secret@db1?ssl-mode=yes", "ssl-mode must be"),
            ("mysql://m:secret@db1?ssl-ca=x", "a file of root certificates is not read"),
            ("mysql://m:secret@db1?charset=x", "it has a parameter that is not supported"),
        ] {
            assert!(read(url).starts_with(expected), "{url}: {}", read(url));
            assert!(!read(url).contains("secret"));
        }
    }
}
