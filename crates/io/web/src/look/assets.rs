//! The files under `web/`, each under an address that changes with its content.

use crate::shelf::{Document, Kind};
use std::sync::Arc;

/// A file that browsers may keep for ever.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its address.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// All of them, compressed as well as can be. Done once: it takes a while.
#[must_use]
pub fn documents() -> Vec<(String, Arc<Document>)> {
    [(STATUS_PAGE_CSS, Kind::Css), (CONSOLE_CSS, Kind::Css), (LIVE_JS, Kind::Js)]
        .into_iter()
        .map(|(asset, kind)| (asset.path.to_owned(), Arc::new(Document::new(kind, asset.bytes))))
        .collect()
}
