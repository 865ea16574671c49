//! Parsing of an RDAP answer (RFC 9083). Lenient: registries omit, repeat and misspell. Pure.

use super::dates::instant;
use super::spelling::{bare_name, status};
use serde_json::Value;
use std::collections::BTreeSet;
use types::Time;

/// Entries read of any list.
const KEPT_MAX: usize = 64;
/// Depth of nested entities.
const DEPTH_MAX: usize = 3;

/// A registration as one RDAP server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registration {
    /// The name of the domain, if given.
    pub(crate) name: Option<String>,
    /// `expiration`; the earliest when there are several.
    pub(crate) expires: Option<Time>,
    /// `registrar expiration`; the earliest when there are several.
    pub(crate) registrar_expires: Option<Time>,
    /// Status codes, lower case with spaces.
    pub(crate) statuses: BTreeSet<String>,
    /// Name servers, lower case, no trailing dot.
    pub(crate) name_servers: BTreeSet<String>,
    /// The registrar's name.
    pub(crate) registrar: Option<String>,
    /// Time of the last update of the server's data.
    pub(crate) database_updated: Option<Time>,
    /// URL of the registrar's answer.
    pub(crate) related: Option<String>,
}

/// Whether an answer with status 404 is an RDAP error object rather than a web page.
pub(crate) fn is_not_found(body: &[u8]) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return false };
    if members.contains_key("ldhName")
        || members.get("objectClassName").is_some_and(|class| class == "domain")
    {
        return false;
    }
    match members.get("errorCode") {
        Some(code) => code == 404 || code == "404",
        None => members.contains_key("rdapConformance"),
    }
}

/// An answer of an RDAP server that says nothing about the domain. The fault of the server; a later look-up may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RdapError {
    #[error("it answers with a web page instead of RDAP")]
    WebPage,
    #[error("it answers with something that is not JSON")]
    NotJson,
    #[error("it answers with the RDAP error {0}")]
    ErrorCode(u64),
    #[error("it answers about something other than a domain")]
    NotADomain,
    #[error("it answers with JSON that is not RDAP")]
    NotRdap,
}

/// Parses an answer.
///
/// # Errors
/// See [`RdapError`].
pub(crate) fn read(body: &[u8]) -> Result<Registration, RdapError> {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace());
    if start.and_then(|at| body.get(at)) == Some(&b'<') {
        return Err(RdapError::WebPage);
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| RdapError::NotJson)?;
    if let Some(code) = value.get("errorCode").and_then(Value::as_u64) {
        return Err(RdapError::ErrorCode(code));
    }
    let class = text(value.get("objectClassName"));
    if class.is_some_and(|class| !class.eq_ignore_ascii_case("domain")) {
        return Err(RdapError::NotADomain);
    }
    if class.is_none() && value.get("ldhName").is_none() && value.get("events").is_none() {
        return Err(RdapError::NotRdap);
    }
    let statuses = match value.get("status") {
        Some(Value::String(one)) => BTreeSet::from([status(one)]),
        many => list(many).iter().filter_map(Value::as_str).map(status).collect(),
    };
    let servers = list(value.get("nameservers")).iter();
    let servers =
        servers.filter_map(|server| text(server.get("ldhName")).or_else(|| text(server.get("unicodeName"))));
    Ok(Registration {
        name: text(value.get("ldhName")).or_else(|| text(value.get("unicodeName"))).map(bare_name),
        expires: earliest(&value, "expiration"),
        registrar_expires: earliest(&value, "registrar expiration"),
        statuses: statuses.into_iter().filter(|status: &String| !status.is_empty()).collect(),
        name_servers: servers.map(bare_name).filter(|name| !name.is_empty()).collect(),
        registrar: registrar(&value, 0),
        database_updated: earliest(&value, "last update of rdap database"),
        related: related(&value),
    })
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty() && text.len() <= 512)
}

fn list(value: Option<&Value>) -> &[Value] {
    let all = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.get(..KEPT_MAX).unwrap_or(all)
}

fn earliest(value: &Value, action: &str) -> Option<Time> {
    let events = list(value.get("events")).iter();
    let meant = events.filter(|event| {
        text(event.get("eventAction"))
            .is_some_and(|found| found.replace('_', " ").eq_ignore_ascii_case(action))
    });
    meant.filter_map(|event| instant(text(event.get("eventDate"))?)).min()
}

fn registrar(value: &Value, depth: usize) -> Option<String> {
    if depth >= DEPTH_MAX {
        return None;
    }
    for entity in list(value.get("entities")) {
        let roles = list(entity.get("roles")).iter().filter_map(Value::as_str);
        let alone = text(entity.get("roles")).into_iter();
        if roles.chain(alone).any(|role| role.eq_ignore_ascii_case("registrar")) {
            let card = entity.get("vcardArray").and_then(|card| card.get(1));
            let called = |field: &str| {
                let line = list(card).iter().find(|line| text(line.get(0)) == Some(field))?;
                text(line.get(3)).map(str::to_owned)
            };
            let handle = || text(entity.get("handle")).map(str::to_owned);
            if let Some(name) = called("fn").or_else(|| called("org")).or_else(handle) {
                return Some(name);
            }
        }
        if let Some(name) = registrar(entity, depth + 1) {
            return Some(name);
        }
    }
    None
}

/// The link to the registrar's answer. Some registries link their own terms with the same relation: only RDAP counts.
fn related(value: &Value) -> Option<String> {
    let links = list(value.get("links")).iter();
    let mut related =
        links.filter(|link| text(link.get("rel")).is_some_and(|rel| rel.eq_ignore_ascii_case("related")));
    related.find_map(|link| {
        let href = text(link.get("href"))?;
        let kind = text(link.get("type"));
        let rdap = kind.map_or_else(|| href.contains("/domain/"), |kind| kind.contains("rdap"));
        (rdap && (href.starts_with("https://") || href.starts_with("http://"))).then(|| href.to_owned())
    })
}

#[cfg(test)]
mod tests;
