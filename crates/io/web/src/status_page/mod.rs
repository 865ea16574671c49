//! The public documents: the same bytes for every client, rendered once per change.

pub mod api_v2;
mod api_v2_maintenance;
mod api_v2_update;
pub mod badge;
pub mod calendar;
pub mod feed;
pub mod pages;
pub mod uptime_bars;

use crate::cache::{Document, Documents, Kind};
use crate::design::Icon;
use crate::latency::public::PublicLatencies;
use engine::views::StatusPage;
use std::sync::Arc;

/// Renders every document of the status page. Documents with the same bytes as `before` are reused, so that only
/// changed ones are compressed again.
///
/// # Errors
/// When a template fails, which would be a bug; the cache then keeps its documents.
pub fn documents(
    status_page: &StatusPage,
    latencies: &PublicLatencies,
    before: &Documents,
) -> askama::Result<Documents> {
    let mut documents = Documents::new();
    let mut put = |path: String, kind: Kind, body: String| {
        let same = before.get(&path).filter(|old| old.kind == kind && old.body().as_ref() == body.as_bytes());
        let document = same.map_or_else(|| Arc::new(Document::new(kind, body)), Arc::clone);
        documents.insert(path, document);
    };
    put("/".to_owned(), Kind::Html, pages::status_page(status_page, latencies)?);
    put("/history".to_owned(), Kind::Html, pages::history(status_page)?);
    for incident in status_page.open.iter().chain(status_page.past.iter().flat_map(|day| &day.incidents)) {
        put(format!("/incidents/{}", incident.id), Kind::Html, pages::incident(status_page, incident)?);
    }
    for (path, body) in api_v2::documents(status_page) {
        put(path, Kind::Json, body);
    }
    // The paths of Statuspage, and the earlier ones.
    for path in ["/history.atom", "/feed.atom"] {
        put(path.to_owned(), Kind::Atom, feed::atom(status_page)?);
    }
    for path in ["/history.rss", "/feed.rss"] {
        put(path.to_owned(), Kind::Rss, feed::rss(status_page)?);
    }
    put("/maintenance.ics".to_owned(), Kind::Calendar, calendar::calendar(status_page));
    put("/badge.svg".to_owned(), Kind::Svg, badge::badge(status_page));
    put("/favicon.svg".to_owned(), Kind::Svg, Icon::from(status_page.state).favicon());
    Ok(documents)
}
