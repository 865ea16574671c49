//! What visitors read, as finished documents: the same bytes for everybody, made once per change.

pub mod badge;
pub mod feed;
pub mod page;
pub mod statuspage;
pub mod strip;

use crate::look::Icon;
use crate::shelf::{Document, Documents, Kind};
use engine::views::StatusPage;
use std::sync::Arc;

/// Makes every document of the status page. Those whose bytes are as `before` are taken over, so that only what changed is
/// compressed again.
///
/// # Errors
/// When a template fails, which is a fault of ours; the shelf then keeps what it has.
pub fn documents(status_page: &StatusPage, before: &Documents) -> askama::Result<Documents> {
    let mut documents = Documents::new();
    let mut put = |path: String, kind: Kind, body: String| {
        let same = before.get(&path).filter(|old| old.kind == kind && old.body().as_ref() == body.as_bytes());
        let document = same.map_or_else(|| Arc::new(Document::new(kind, body)), Arc::clone);
        documents.insert(path, document);
    };
    put("/".to_owned(), Kind::Html, page::status_page(status_page)?);
    put("/history".to_owned(), Kind::Html, page::history(status_page)?);
    for incident in status_page.open.iter().chain(status_page.past.iter().flat_map(|day| &day.incidents)) {
        put(format!("/incidents/{}", incident.id), Kind::Html, page::incident(status_page, incident)?);
    }
    for (path, body) in statuspage::documents(status_page) {
        put(path, Kind::Json, body);
    }
    // Where hosted status pages have them, and where they were before.
    for path in ["/history.atom", "/feed.atom"] {
        put(path.to_owned(), Kind::Atom, feed::atom(status_page)?);
    }
    for path in ["/history.rss", "/feed.rss"] {
        put(path.to_owned(), Kind::Rss, feed::rss(status_page)?);
    }
    put("/badge.svg".to_owned(), Kind::Svg, badge::badge(status_page));
    put("/favicon.svg".to_owned(), Kind::Svg, Icon::from(status_page.state).favicon());
    Ok(documents)
}
