//! Parses SMTP servers and e-mail addresses.

use crate::parse::host::{Host, Name};
use crate::suggest::shown;
use crate::value_error::ValueError;
use types::config::{Mailbox, SmtpSecurity, SmtpServer};
use types::subscription::is_mail_address;

/// Port of submission with TLS from the first byte (RFC 8314, section 3.3).
const TLS_PORT: u16 = 465;
/// Port of submission with STARTTLS (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// Port of relaying, which a server on this machine listens on.
const RELAY_PORT: u16 = 25;
/// Maximum length of a sender's name, in characters.
const NAME_MAX: usize = 100;

/// Parses `smtps://[ACCOUNT@]HOST[:PORT]` or `smtp://...`.
pub(crate) fn server(text: &str) -> Result<SmtpServer, ValueError> {
    let given = text.trim();
    let (scheme, rest) = given.split_once("://").unwrap_or(("", given));
    // An account is often an e-mail address itself: the last @ is the one before the host.
    let (user, authority) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
    if user.is_some_and(|user| user.contains(':')) {
        return Err(ValueError::password_in_address());
    }
    let wrong = |why: &str| ValueError::new(format!("`{}` is not an SMTP server: {why}", shown(given)));
    if user.is_some_and(|user| user.is_empty() || user.chars().any(|c| c.is_control() || c == ' ')) {
        return Err(wrong("the account before the @ is empty or has spaces"));
    }
    if authority.contains(['?', '#']) || authority.trim_end_matches('/').contains('/') {
        return Err(wrong("it has a host and a port, and nothing after them"));
    }
    let host = Host::read(authority.trim_end_matches('/'))?;
    let is_here = match &host.name {
        Name::Dns(name) => name == "localhost",
        Name::Ip(ip) => ip.is_loopback(),
    };
    let (security, usual) = match scheme.to_ascii_lowercase().as_str() {
        "smtps" => (SmtpSecurity::Tls, TLS_PORT),
        "smtp" if is_here => (SmtpSecurity::Loopback, RELAY_PORT),
        "smtp" => (SmtpSecurity::StartTls, SUBMISSION_PORT),
        _ => return Err(wrong("it begins with smtps:// or smtp://")),
    };
    let port = host.port.unwrap_or(usual);
    Ok(SmtpServer { host: host.bare(), port, security, user: user.map(str::to_owned) })
}

/// Parses `NAME <ADDRESS>` or `ADDRESS`.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, ValueError> {
    let given = text.trim();
    let parts = given.strip_suffix('>').and_then(|given| given.split_once('<'));
    let (name, address) = parts.unwrap_or(("", given));
    let name = name.trim().trim_matches('"').trim();
    if !is_mail_address(address) {
        return Err(ValueError::new(format!("`{}` is not an e-mail address", shown(given))));
    }
    if name.chars().any(char::is_control) || name.chars().count() > NAME_MAX {
        return Err(ValueError::new("the name of the sender is too long, or has line breaks"));
    }
    Ok(Mailbox { name: name.to_owned(), address: address.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        use SmtpSecurity::{Loopback, StartTls, Tls};
        for (text, expected) in [
            ("smtps://relay.acme.net", Some(("relay.acme.net", 465, Tls, None))),
            ("smtp://relay.acme.net", Some(("relay.acme.net", 587, StartTls, None))),
            ("smtp://127.0.0.1", Some(("127.0.0.1", 25, Loopback, None))),
            ("smtp://localhost:2525/", Some(("localhost", 2525, Loopback, None))),
            ("smtp://10.0.0.1:25", Some(("10.0.0.1", 25, StartTls, None))),
            (
                "smtps://status@acme.net@relay.acme.net:465",
                Some(("relay.acme.net", 465, Tls, Some("status@acme.net"))),
            ),
            ("smtps://[::1]:465", Some(("::1", 465, Tls, None))),
            ("relay.acme.net", None),
            ("https://relay.acme.net", None),
            ("smtp://relay.acme.net/?tls=none", None),
            ("smtp://", None),
        ] {
            let expected = expected.map(|(host, port, security, user)| SmtpServer {
                host: host.to_owned(),
                port,
                security,
                user: user.map(str::to_owned),
            });
            assert_eq!(server(text).ok(), expected, "{text}");
        }
        let error = server("smtp://status:hunter2@relay.acme.net").unwrap_err();
        assert!(error.secret && !format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn mailboxes() {
        for (text, expected) in [
            ("status@acme.net", Some(("", "status@acme.net"))),
            ("Acme status <status@acme.net>", Some(("Acme status", "status@acme.net"))),
            ("\"Acme, Inc\" <status@acme.net>", Some(("Acme, Inc", "status@acme.net"))),
            ("Acme\r\nBcc: x <status@acme.net>", None),
            ("Acme status", None),
            ("<status@acme>", None),
        ] {
            let found = mailbox(text).ok().map(|mailbox| (mailbox.name, mailbox.address));
            let expected = expected.map(|(name, address)| (name.to_owned(), address.to_owned()));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
