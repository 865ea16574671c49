//! The files under `web/`. Their paths have a hash of their content.

use crate::cache::{Document, Kind};
use std::sync::Arc;

/// File that browsers may cache for a year.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path.
    pub path: &'static str,
    /// Content.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Returns all files as documents. Slow, because of maximum compression: call it once.
#[must_use]
pub fn documents() -> Vec<(String, Arc<Document>)> {
    [(STATUS_PAGE_CSS, Kind::Css), (CONSOLE_CSS, Kind::Css), (REFRESH_JS, Kind::Js)]
        .into_iter()
        .map(|(asset, kind)| (asset.path.to_owned(), Arc::new(Document::new(kind, asset.bytes))))
        .collect()
}
