//! Parsing of WHOIS answers in their common layouts (RFC 3912 defines none). Lenient. Pure.
//!
//! Two layouts cover most registries: `Key: value` lines, and `Header:` with indented lines below it.

use super::dates::instant;
use super::spelling::{bare_name, status};
use std::collections::BTreeSet;
use types::Time;

/// Lines parsed, and entries read of any list.
const LINES_MAX: usize = 2_000;
const KEPT_MAX: usize = 64;

/// A registration as a WHOIS server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registration {
    /// The earliest expiry date.
    pub(crate) expires: Option<Time>,
    /// Status codes, lower case with spaces.
    pub(crate) statuses: BTreeSet<String>,
    /// Name servers, lower case, no trailing dot.
    pub(crate) name_servers: BTreeSet<String>,
    /// The registrar's name.
    pub(crate) registrar: Option<String>,
    /// Time of the last update of the server's data.
    pub(crate) database_updated: Option<Time>,
}

const EXPIRES: &[&str] = &[
    "registry expiry date",
    "registrar registration expiration date",
    "expiry date",
    "expiration date",
    "expiration time",
    "expires",
    "expires on",
    "expire",
    "expire date",
    "expire-date",
    "expiry",
    "domain expires",
    "domain expiration date",
    "record expires on",
    "renewal date",
    "renewal",
    "paid-till",
    "paid till",
    "validity",
    "valid until",
    "valid-date",
    "expiry_date",
    "expiration",
    "expires at",
    "expire on",
    "expiry on",
    "exp date",
    "exp. date",
    "expiring",
    "expdate",
    "validity date",
    "valid to",
    "valid thru",
    "paid until",
    "registered until",
    "registration expires",
    "registration expiration date",
    "registration expiry date",
    "registrar expiration date",
    "domain expiry date",
    "domain expiry",
    "domain expiration",
    "domain_datebilleduntil",
    "renewal due",
    "renewal-date",
    "date d'expiration",
    "data de expiração",
    "data de expiracao",
    "fecha de expiración",
    "fecha de expiracion",
    "fecha de vencimiento",
    "data scadenza",
    "ablaufdatum",
    "有効期限",
    "到期时间",
    "到期日期",
    "有效期至",
    "사용 종료일",
];
/// Keys before a date without a colon.
const BARE_EXPIRES: [&str; 3] = ["record expires on", "expires on", "renewal date"];
const STATUS: [&str; 7] =
    ["domain status", "status", "state", "registration status", "eppstatus", "epp status", "状態"];
const SERVER: [&str; 10] = [
    "name server",
    "name servers",
    "nserver",
    "nameserver",
    "nameservers",
    "domain nameservers",
    "domain name servers",
    "name servers in listed order",
    "host name",
    "ネームサーバ",
];
const REGISTRAR: [&str; 5] =
    ["registrar", "registrar name", "sponsoring registrar", "registrar organization", "current registar"];
const ABSENT: [&str; 12] = [
    "no match for",
    "not found",
    "no entries found",
    "no data found",
    "no object found",
    "object does not exist",
    "domain not registered",
    "status: available",
    "status: free",
    "is available for",
    "no such domain",
    "nothing found",
];
/// Headers of sections about contacts, where `name:` is not the domain's.
const TOLD_ELSEWHERE: [&str; 8] = [
    "registrant",
    "admin",
    "administrative contact",
    "technical",
    "technical contact",
    "holder",
    "person",
    "onsite",
];

/// An answer of a WHOIS server that says nothing about the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WhoisError {
    /// The domain is free, or another server has it. A second look-up gives the same answer.
    #[error("it has no entry for the domain")]
    NoEntry,
    /// A refusal, a limit or an unknown layout. A later look-up may succeed.
    #[error("it answers with nothing that can be used")]
    Unusable,
}

/// Parses an answer about `domain`.
///
/// # Errors
/// See [`WhoisError`].
pub(crate) fn read(text: &str, domain: &str) -> Result<Registration, WhoisError> {
    let lower = text.to_ascii_lowercase();
    let mut registration = Registration::default();
    let mut header = String::new();
    for line in text.lines().take(LINES_MAX) {
        let comment = line.trim_start().starts_with(['%', '#']);
        if line.trim().is_empty() || comment {
            if comment || !line.starts_with(char::is_whitespace) {
                header.clear();
            }
            continue;
        }
        let indented = line.starts_with(char::is_whitespace);
        match split(line) {
            Some((key, "")) => header = key,
            Some((key, value)) if indented && key == "name" && header == "registrar" => {
                take(&mut registration, "registrar", value);
            }
            Some((key, value)) => {
                let other = indented && TOLD_ELSEWHERE.contains(&header.as_str());
                if !other {
                    take(&mut registration, &key, value);
                }
            }
            None if indented || !header.is_empty() => take(&mut registration, &header.clone(), line.trim()),
            None => {}
        }
    }
    let updated = text.lines().find_map(|line| line.split_once("Last update of whois database:"));
    registration.database_updated =
        updated.and_then(|(_, rest)| instant(rest.trim().trim_end_matches('<').trim()));

    let empty = registration.expires.is_none()
        && registration.statuses.is_empty()
        && registration.name_servers.is_empty();
    let free = registration.statuses.iter().any(|status| matches!(status.as_str(), "available" | "free"));
    if free || empty && ABSENT.iter().any(|words| lower.contains(words)) {
        return Err(WhoisError::NoEntry);
    }
    if empty || !lower.contains(&domain.to_ascii_lowercase()) {
        return Err(WhoisError::Unusable);
    }
    Ok(registration)
}

/// `Key: value`, `key.......: value`, `[Key] value`. The key in lower case.
fn split(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    // `a. [Domain Name]`: JPRS numbers its lines.
    let numbered = line.split_once(". [").filter(|(number, _)| number.len() <= 2);
    let line = numbered.map_or(line, |(number, _)| line.get(number.len() + 2..).unwrap_or(line));
    if let Some((key, value)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return Some((key.trim().to_ascii_lowercase(), value.trim()));
    }
    let lower = line.to_ascii_lowercase();
    if let Some(key) = BARE_EXPIRES.into_iter().find(|key| lower.starts_with(*key))
        && let Some(value) = line.get(key.len()..).filter(|rest| rest.starts_with([' ', '\t']))
        && value.trim_start().starts_with(|c: char| c.is_ascii_digit())
    {
        return Some((key.to_owned(), value.trim()));
    }
    let (key, value) = line.split_once(':')?;
    // `Expires (dd/mm/yyyy)`.
    let key = key.split('(').next().unwrap_or(key).trim().trim_end_matches('.').trim().to_ascii_lowercase();
    // A URL or a time is not a key.
    (!key.is_empty()
        && key.len() <= 48
        && !value.starts_with("//")
        && !key.ends_with(|c: char| c.is_ascii_digit()))
    .then_some((key, value.trim()))
}

fn take(registration: &mut Registration, key: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if EXPIRES.contains(&key) {
        if let Some(at) = instant(value) {
            registration.expires = Some(registration.expires.map_or(at, |known| known.min(at)));
        }
    } else if STATUS.contains(&key) && registration.statuses.len() < KEPT_MAX {
        // `[State] Connected (2027/03/31)`: the day until which it is paid for, where nothing else tells one.
        let dated = value.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        if let (None, Some(at)) = (registration.expires, dated.and_then(|(date, _)| instant(date))) {
            registration.expires = Some(at);
        }
        registration.statuses.extend(statuses(value));
    } else if SERVER.contains(&key) && registration.name_servers.len() < KEPT_MAX {
        // `ns1.acme.ru. 192.0.2.1`: the name, then its addresses.
        let name = bare_name(value.split([' ', '\t', ',', '(']).next().unwrap_or_default());
        if name.contains('.') && name.parse::<std::net::IpAddr>().is_err() {
            registration.name_servers.insert(name);
        }
    } else if REGISTRAR.contains(&key) && registration.registrar.is_none() {
        registration.registrar = Some(value.chars().take(200).collect());
    }
}

/// `clientHold https://icann.org/epp#clientHold`, `REGISTERED, DELEGATED, VERIFIED`, `Active`.
fn statuses(value: &str) -> Vec<String> {
    let bare = value.split(['(', '#']).next().unwrap_or_default();
    let bare = bare.split("http").next().unwrap_or_default();
    bare.split(',').map(status).filter(|status| !status.is_empty()).collect()
}

#[cfg(test)]
mod tests;
