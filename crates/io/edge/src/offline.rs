//! Files of the offline kit of a service: the script of pages, the service worker, and the page that opens where nothing is
//! kept. Compressed once for each configuration.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::HeaderValue;
use ring::digest::{SHA256, digest};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use types::config::Offline;

/// All paths of the edge's own on a site begin so.
pub(crate) const PREFIX: &str = "/.mainstay/";
/// The tag that a page has, or gets at its end.
pub(crate) const TAG: &[u8] = b"<script src=\"/.mainstay/offline.js\" defer></script>\n";
/// A worker waits for a response by this longer than the edge waits for its servers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Operators around which a script needs no spaces.
const OPERATORS: [&str; 6] = [" => ", " = ", " === ", " !== ", " && ", " || "];

const SCRIPT: &str = include_str!("offline/page.js");
const WORKER: &str = include_str!("offline/worker.js");
const PAGE: &str = include_str!("offline/page.html");

const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
/// Browsers ask each time whether it has changed.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The script of pages costs a visit no request: the next version comes beside the page, and is used by the one after it.
const BESIDE: HeaderValue = HeaderValue::from_static("max-age=600, stale-while-revalidate=86400");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) kind: HeaderValue,
    pub(crate) cache_control: HeaderValue,
    pub(crate) plain: Bytes,
    pub(crate) gzip: Bytes,
    /// The tags of both (RFC 9110 section 8.8.3).
    pub(crate) etags: [HeaderValue; 2],
    /// Whether it is a service worker, which acts on the whole site.
    pub(crate) is_worker: bool,
}

/// The files of one service.
#[derive(Debug)]
pub(crate) struct OfflineFiles {
    title: String,
    kit: Offline,
    timeout: Duration,
    script: File,
    worker: File,
    page: File,
}

impl OfflineFiles {
    /// `title` is the name of the site for its visitors, `timeout` that of a response of its servers.
    pub(crate) fn new(title: &str, kit: &Offline, timeout: Duration) -> Arc<Self> {
        let worker = format!("const CONFIG = {};\n{}", settings(kit, timeout), compact(WORKER));
        Arc::new(Self {
            title: title.to_owned(),
            kit: kit.clone(),
            timeout,
            script: File { cache_control: BESIDE, ..File::new(JAVASCRIPT, compact(SCRIPT), false) },
            worker: File::new(JAVASCRIPT, worker, true),
            page: File::new(HTML, PAGE.replace("{title}", &text::escape::html(title)), false),
        })
    }

    /// Whether these are the files of that configuration.
    pub(crate) fn is_of(&self, title: &str, kit: &Offline, timeout: Duration) -> bool {
        self.title == title && self.kit == *kit && self.timeout == timeout
    }

    /// Whether browsers keep writes.
    pub(crate) fn has_writes(&self) -> bool {
        !self.kit.writes.is_empty()
    }

    /// The file with this path below [`PREFIX`].
    pub(crate) fn get(&self, name: &str) -> Option<&File> {
        match name {
            "offline.js" => Some(&self.script),
            "offline-worker.js" => Some(&self.worker),
            "offline.html" => Some(&self.page),
            _ => None,
        }
    }
}

impl File {
    fn new(kind: HeaderValue, text: String, is_worker: bool) -> Self {
        let gzip = gzip(text.as_bytes());
        let digest = digest(&SHA256, text.as_bytes());
        let mut tag = String::new();
        for byte in digest.as_ref().iter().take(12) {
            let _ = write!(tag, "{byte:02x}");
        }
        let etag = |end: &str| {
            HeaderValue::try_from(format!("\"{tag}{end}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
        };
        Self {
            kind,
            cache_control: NO_CACHE,
            etags: [etag(""), etag("-gzip")],
            plain: text.into(),
            gzip: gzip.into(),
            is_worker,
        }
    }
}

/// The settings of the worker.
fn settings(kit: &Offline, timeout: Duration) -> serde_json::Value {
    let writes: Vec<_> = kit.writes.iter().map(|write| [&write.method, &write.path]).collect();
    json!({
        "off": !kit.enabled,
        "pages": kit.pages,
        "get": kit.get,
        "writes": writes,
        "headers": kit.headers,
        "keep": kit.keep.as_millis() as u64,
        "maxWrites": kit.max_writes,
        "maxBytes": kit.max_bytes,
        "maxBody": kit.max_body,
        "timeout": (timeout + PATIENCE).as_millis() as u64,
    })
}

/// Drops comments on lines of their own, indentation, empty lines, and spaces around operators. The files have no text over several
/// lines, and none with one of these operators.
fn compact(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let all = lines.fold(String::with_capacity(text.len()), |all, line| all + line + "\n");
    OPERATORS.iter().fold(all, |all, operator| all.replace(operator, operator.trim()))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(text);
    // A vector takes everything.
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::config::OfflineWrite;

    /// Bytes that the script and the worker may have together when they are sent.
    const WEIGHT_MAX: usize = 6 * 1024;

    fn kit() -> Offline {
        Offline {
            enabled: true,
            pages: vec!["/".into(), "/timer".into()],
            get: vec!["/api/me".into(), "/static/*".into()],
            writes: vec![OfflineWrite { method: "POST".into(), path: "/api/entries".into() }],
            headers: Vec::new(),
            keep: Offline::KEEP,
            max_writes: Offline::MAX_WRITES,
            max_bytes: Offline::MAX_BYTES,
            max_body: Offline::MAX_BODY,
            inject: false,
        }
    }

    #[test]
    fn script_and_worker_are_small() {
        let files = OfflineFiles::new("A <b>", &kit(), Duration::from_secs(10));
        let weights = [files.script.gzip.len(), files.worker.gzip.len()];
        assert!(weights.iter().sum::<usize>() <= WEIGHT_MAX, "{weights:?} bytes");
        let page = String::from_utf8(files.page.plain.to_vec()).unwrap();
        assert!(page.contains("A &lt;b&gt;") && !page.contains("{title}"));
    }

    #[test]
    fn worker_differs_by_its_settings() {
        let files = |kit: &Offline| OfflineFiles::new("A", kit, Duration::from_secs(10));
        let (one, other) = (files(&kit()), files(&Offline { enabled: false, ..kit() }));
        assert_ne!(one.worker.etags, other.worker.etags);
        assert_eq!(one.script.etags, other.script.etags);
        let is_of = |files: &OfflineFiles, title| files.is_of(title, &kit(), Duration::from_secs(10));
        assert!(is_of(&one, "A") && !is_of(&one, "B") && !is_of(&other, "A"));
        let text = String::from_utf8(other.worker.plain.to_vec()).unwrap();
        assert!(text.contains("\"off\":true") && !text.contains("\n//"), "{text}");
    }

    #[test]
    fn page_allows_its_style_and_its_script_only() {
        use base64::Engine as _;
        let style = PAGE.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let digest = digest(&SHA256, style.as_bytes());
        let expected = base64::engine::general_purpose::STANDARD.encode(digest);
        assert!(PAGE.contains(&format!("style-src 'sha256-{expected}'")), "{expected}");
    }
}
