//! Forms of subscriptions: address and components.

use crate::problem::Problem;
use crate::state::WebState;
use axum::http::{HeaderMap, StatusCode, header};
use engine::views::StatusPage;
use std::collections::BTreeSet;
use std::net::IpAddr;
use types::ServiceId;
use types::subscription::is_mail_address;

/// Fields of a form that are read.
const FIELDS_MAX: usize = 1_000;

/// The fields of a form.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn read(body: &[u8]) -> Self {
        let fields = url::form_urlencoded::parse(body).take(FIELDS_MAX);
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The e-mail address.
    pub(super) fn address(&self) -> Result<String, Problem> {
        let given = self.0.iter().find(|(name, _)| name == "address").map_or("", |(_, value)| value.trim());
        let given = with_ascii_domain(given);
        if is_mail_address(&given) {
            return Ok(given);
        }
        let hint = "Go back, and write it as name@example.com.";
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "This is not an e-mail address.", hint))
    }

    /// The selected components that the status page has. All of them selected is the same as none: later ones count too.
    pub(super) fn components(&self, page: &StatusPage) -> BTreeSet<ServiceId> {
        let all: BTreeSet<&ServiceId> = components(page).map(|(id, _)| id).collect();
        let selected = self.0.iter().filter(|(name, _)| name == "component");
        let selected: BTreeSet<ServiceId> =
            selected.map(|(_, value)| ServiceId(value.clone())).filter(|id| all.contains(id)).collect();
        if selected.len() == all.len() { BTreeSet::new() } else { selected }
    }

    /// Whether a person or a mail provider ends a subscription.
    pub(super) fn ends(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let is = |name: &str, value: &str| self.0.iter().any(|(n, v)| n == name && v == value);
        is("List-Unsubscribe", "One-Click")
            || is("unsubscribe", "yes")
            || is_one_click_multipart(headers, body)
    }
}

/// Whether a body is `multipart/form-data` with the field of RFC 8058, section 3.2, which allows both forms.
fn is_one_click_multipart(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    content_type.to_ascii_lowercase().starts_with("multipart/form-data")
        && text.contains("name=\"List-Unsubscribe\"")
        && text.lines().any(|line| line.trim() == "One-Click")
}

/// An address whose domain is written as the domain name system has it: `ana@münchen.de` as `ana@xn--mnchen-3ya.de`, which
/// every mail server takes.
pub(crate) fn with_ascii_domain(address: &str) -> String {
    let Some((local, domain)) = address.split_once('@').filter(|(_, domain)| !domain.is_ascii()) else {
        return address.to_owned();
    };
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(domain)) => format!("{local}@{domain}"),
        Ok(_) | Err(_) => address.to_owned(),
    }
}

/// Components of the status page with their titles.
pub(super) fn components(page: &StatusPage) -> impl Iterator<Item = (&ServiceId, &str)> {
    page.groups.iter().flat_map(|group| &group.components).map(|part| (&part.id, part.title.as_str()))
}

/// Address of a client. Behind a proxy on this machine it is the last entry of `X-Forwarded-For`, which that proxy wrote.
pub(super) fn client(state_peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
    let peer = state_peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    if !peer.to_canonical().is_loopback() {
        return peer;
    }
    let last = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = last.and_then(|value| value.rsplit(',').next()).and_then(|entry| entry.trim().parse().ok());
    last.unwrap_or(peer)
}

/// The status page, or 503 before the first one.
pub(super) fn page<T>(state: &WebState, read: impl FnOnce(&StatusPage) -> T) -> Result<T, Problem> {
    Ok(read(&state.views_or_problem()?.status_page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_a_form_is_an_address_or_refused() {
        let long = format!("ana@{}example.com", "a.".repeat(130));
        for (given, expected) in [
            ("ana@example.com", Some("ana@example.com")),
            (" ana+status@example.com\n", Some("ana+status@example.com")),
            ("ana@münchen.example", Some("ana@xn--mnchen-3ya.example")),
            ("ana@例え.テスト", Some("ana@xn--r8jz45g.xn--zckzah")),
            ("änä@example.com", None),
            ("ana@münchen.example\r\nBcc: ben@example.com", None),
            ("ana@example.com\r\nBcc: ben@example.com", None),
            ("ana@example.com\nRCPT TO:<ben@example.com>", None),
            ("ana@example.com,ben@example.com", None),
            ("ana@example.com>", None),
            ("ana\0@example.com", None),
            ("ana@\u{ff11}27.0.0.1", None),
            ("ana@mün\u{2028}chen.example", None),
            (long.as_str(), None),
            ("", None),
        ] {
            let body =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("address", given).finish();
            assert_eq!(Fields::read(body.as_bytes()).address().ok().as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn only_a_proxy_on_this_machine_names_the_client() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "203.0.113.9".parse().unwrap());
        headers.append("x-forwarded-for", "198.51.100.1, 192.0.2.7".parse().unwrap());
        for (peer, expected) in
            [("127.0.0.1", "192.0.2.7"), ("::1", "192.0.2.7"), ("192.0.2.200", "192.0.2.200")]
        {
            assert_eq!(client(peer.parse().ok(), &headers).to_string(), expected);
        }
    }
}
