//! The offline kit of a service: which requests are pages, and which are writes that are delivered once.

use crate::path_pattern::PathPattern;
use std::time::Duration;
use types::config::Offline;

/// The paths of an offline kit, compiled.
#[derive(Clone, Debug)]
pub struct OfflinePaths {
    is_enabled: bool,
    injects: bool,
    pages: Vec<PathPattern>,
    writes: Vec<(Box<str>, PathPattern)>,
    /// Time for which a key is remembered.
    pub keep: Duration,
    /// Maximum size of the body of a write.
    pub max_body: u64,
}

impl OfflinePaths {
    pub(crate) fn new(kit: &Offline) -> Self {
        Self {
            is_enabled: kit.enabled,
            injects: kit.inject,
            pages: kit.pages.iter().map(|path| PathPattern::new(path)).collect(),
            writes: kit
                .writes
                .iter()
                .map(|write| (write.method.as_str().into(), PathPattern::new(&write.path)))
                .collect(),
            keep: kit.keep,
            max_body: kit.max_body,
        }
    }

    /// Whether the edge adds the script to this page, given without its query.
    #[must_use]
    pub fn is_injected(&self, path: &str) -> bool {
        self.is_enabled && self.injects && self.pages.iter().any(|page| page.matches(path))
    }

    /// Whether a request is a write that is delivered once. Also while the kit is being removed: browsers still deliver.
    #[must_use]
    pub fn is_write(&self, method: &str, path: &str) -> bool {
        self.writes.iter().any(|(of, pattern)| **of == *method && pattern.matches(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::config::OfflineWrite;

    #[test]
    fn writes_and_pages_match_by_method_and_path() {
        let write = |method: &str, path: &str| OfflineWrite { method: method.into(), path: path.into() };
        let mut kit = Offline {
            enabled: true,
            pages: vec!["/".into(), "/app/*".into()],
            get: Vec::new(),
            writes: vec![write("POST", "/api/entries"), write("PUT", "/api/entries/*")],
            headers: Vec::new(),
            keep: Offline::KEEP,
            max_writes: Offline::MAX_WRITES,
            max_bytes: Offline::MAX_BYTES,
            max_body: Offline::MAX_BODY,
            inject: true,
        };
        let paths = OfflinePaths::new(&kit);
        for (method, path, expected) in [
            ("POST", "/api/entries", true),
            ("PUT", "/api/entries", false),
            ("PUT", "/api/entries/7", true),
            ("POST", "/api/entries/7", false),
            ("PUT", "/api/entries/../login", false),
            ("GET", "/api/entries", false),
        ] {
            assert_eq!(paths.is_write(method, path), expected, "{method} {path}");
        }
        assert!(paths.is_injected("/") && paths.is_injected("/app/a") && !paths.is_injected("/login"));
        kit.enabled = false;
        let removed = OfflinePaths::new(&kit);
        assert!(!removed.is_injected("/") && removed.is_write("POST", "/api/entries"));
    }
}
