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
        if is_mail_address(given) {
            return Ok(given.to_owned());
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
