//! What visitors read, as finished documents: the same bytes for everybody, made once per change.

pub mod badge;
pub mod feed;
pub mod page;
pub mod statuspage;
pub mod strip;

use crate::look::Icon;
use crate::shelf::{Document, Documents, Kind};
use engine::views::Board;
use std::sync::Arc;

/// Makes every document of the board. Those whose bytes are as `before` are taken over, so that only what changed is
/// compressed again.
///
/// # Errors
/// When a template fails, which is a fault of ours; the shelf then keeps what it has.
pub fn documents(board: &Board, before: &Documents) -> askama::Result<Documents> {
    let mut documents = Documents::new();
    let mut put = |path: String, kind: Kind, body: String| {
        let same = before.get(&path).filter(|old| old.kind == kind && old.body().as_ref() == body.as_bytes());
        let document = same.map_or_else(|| Arc::new(Document::new(kind, body)), Arc::clone);
        documents.insert(path, document);
    };
    put("/".to_owned(), Kind::Html, page::board(board)?);
    put("/history".to_owned(), Kind::Html, page::history(board)?);
    for incident in board.open.iter().chain(board.past.iter().flat_map(|day| &day.incidents)) {
        put(format!("/incidents/{}", incident.id), Kind::Html, page::incident(board, incident)?);
    }
    for (path, body) in statuspage::documents(board) {
        put(path, Kind::Json, body);
    }
    // Where hosted status pages have them, and where they were before.
    for path in ["/history.atom", "/feed.atom"] {
        put(path.to_owned(), Kind::Atom, feed::atom(board)?);
    }
    for path in ["/history.rss", "/feed.rss"] {
        put(path.to_owned(), Kind::Rss, feed::rss(board)?);
    }
    put("/badge.svg".to_owned(), Kind::Svg, badge::badge(board));
    put("/favicon.svg".to_owned(), Kind::Svg, Icon::from(board.state).favicon());
    Ok(documents)
}
