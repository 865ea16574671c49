//! `[service.NAME.offline]` as written: what browsers keep of a site.

use crate::diagnostics::{Diagnostics, Place};
use crate::formats::{HOUR, PATH_PATTERN, SIZE, WEEK};
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::{Boolean, Span, duration, integer};
use crate::kind::string::{Format, format};
use crate::kind::value::At;
use crate::parse::path;
use crate::raw::cache::field;
use crate::raw::traffic::method;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::config::{Offline, OfflineWrite};

/// Entries of one list: the worker compares each request of a page with all of them.
const ENTRIES_MAX: usize = 64;
/// Bytes that one browser may keep; browsers refuse more than a share of the disk.
const BYTES_MAX: u64 = 100_000_000;
/// Bytes of one write: the edge holds a body in memory while it compares it.
const BODY_MAX: u64 = 1_000_000;

const WRITE: Format<OfflineWrite> = format(
    "a method and a path: \"POST /api/entries\"",
    Some("^(POST|PUT|PATCH|DELETE|post|put|patch|delete) /"),
    |text, _| write(text),
);
const HEADER: Format<String> = format("a request header: \"x-client-version\"", None, |text, _| header(text));
const KEEP: Span = duration(HOUR, Duration::from_secs(5 * WEEK.as_secs()));

keys! {
    for Offline {
        /// `false` removes the kit: browsers that have it deliver what they keep, and delete it. Leave it so until every
        /// browser has been here once.
        enabled: bool = Boolean, default true, example "false";
        /// Paths of pages that open without a connection, with their scripts, styles, fonts and images.
        pages: Vec<String> = list(PATH_PATTERN), otherwise "none", example r#"["/", "/timer"]"#;
        /// Paths of other GET requests that are answered from the browser's cache while the network fails.
        get: Vec<String> = list(PATH_PATTERN), otherwise "none", example r#"["/api/me", "/static/*"]"#;
        /// Writes that are kept in the browser while the network fails, and delivered in order, each once.
        writes: Vec<OfflineWrite> = list(WRITE), otherwise "none", example r#"["POST /api/entries"]"#;
        /// Request headers that are kept with a write besides `content-type`, `accept` and `x-requested-with`. Never
        /// `cookie` or `authorization`: the browser adds its cookies when it delivers.
        headers: Vec<String> = list(HEADER), otherwise "none", example r#"["x-client-version"]"#;
        /// Time for which the edge remembers an idempotency key with its answer. A write that was sent before and whose
        /// answer is older is not sent again: the page gets it back.
        keep: Duration = KEEP, default Offline::KEEP, example r#""7d""#;
        /// Writes that one browser keeps. Beyond that a page gets 507 while the network fails.
        max_writes: u32 = integer::<u32>(1, 10_000), default Offline::MAX_WRITES, example "1000";
        /// Bytes of all writes that one browser keeps; at most 100 MB.
        max_bytes: u64 = SIZE, default Offline::MAX_BYTES => "10MB", example r#""10MB""#;
        /// Maximum size of the body of one write; at most 1 MB. Larger ones are sent and not kept.
        max_body: u64 = SIZE, default Offline::MAX_BODY => "256KB", example r#""256KB""#;
        /// The edge adds the script to pages that a server sends uncompressed. Without it a page has the tag itself:
        /// `<script src="/.mainstay/offline.js" defer></script>`.
        inject: bool = Boolean, default false, example "true";
    }
}

/// The kit with its position.
pub(crate) fn placed(offline: Offline, place: Place) -> At<Offline> {
    At { value: offline, place }
}

/// Reports lists that are too long, and sizes beyond what a browser or the edge holds.
pub(crate) fn check(At { value, place }: &At<Offline>, diagnostics: &mut Diagnostics) {
    let lists = [("pages", value.pages.len()), ("get", value.get.len()), ("writes", value.writes.len())];
    for (name, length) in lists.into_iter().filter(|(_, length)| *length > ENTRIES_MAX) {
        let message = format!("`{name}` has {length} entries; the maximum is {ENTRIES_MAX}");
        diagnostics.error(place.clone(), message, "use patterns: \"/static/*\"");
    }
    let sizes = [("max_bytes", value.max_bytes, BYTES_MAX), ("max_body", value.max_body, BODY_MAX)];
    for (name, bytes, most) in sizes.into_iter().filter(|(_, bytes, most)| bytes > most) {
        let message = format!("`{name}` is {bytes} bytes; the maximum is {most}");
        diagnostics.error(place.clone(), message, "use a smaller size");
    }
}

/// Parses the name of a header that is kept with a write.
fn header(text: &str) -> Result<String, ValueError> {
    let name = text.trim();
    if ["cookie", "authorization", "proxy-authorization"].iter().any(|no| name.eq_ignore_ascii_case(no)) {
        return Err(ValueError::new(format!(
            "`{}` has credentials, which a browser must not keep",
            shown(name)
        ))
        .hint("remove it; the browser adds its cookies when it delivers"));
    }
    field(text)
}

/// Parses `POST /api/entries`.
fn write(text: &str) -> Result<OfflineWrite, ValueError> {
    let error = |why: &str| {
        ValueError::new(format!("`{}` {why}", shown(text))).hint("a method and a path: \"POST /api/entries\"")
    };
    let (verb, rest) = text.trim().split_once(' ').ok_or_else(|| error("is not a method and a path"))?;
    let verb = method(verb)?;
    if !matches!(verb.as_str(), "POST" | "PUT" | "PATCH" | "DELETE") {
        return Err(error("is not a write: its method is none of POST, PUT, PATCH and DELETE"));
    }
    Ok(OfflineWrite { method: verb, path: path::pattern(rest)? })
}
