//! Fields that the formats have in common, checked.

use crate::params::cleaned;
use crate::problem::Problem;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use types::Time;
use types::change::{ChangeKind, LINK_MAX, TITLE_MAX};

/// Maximum length of the name of a change at its source, in bytes.
const KEY_MAX: usize = 200;

/// Parses a JSON body.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| wrong(format!("invalid body: {error}")))
}

pub(super) fn wrong(detail: impl Into<String>) -> Problem {
    let hint = "The guide on changes shows a body for each format.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, hint)
}

/// A title on one line, cut at its maximum; `None` when nothing is left.
pub(crate) fn title(text: &str) -> Option<String> {
    let line = cleaned(&text.replace(['\n', '\t'], " "), usize::MAX)?;
    Some(text::truncate::chars(&line, TITLE_MAX))
}

/// The kind of a deployment: a deploy, unless its title says otherwise.
pub(super) fn kind(title: &str) -> ChangeKind {
    match ChangeKind::of_title(title) {
        ChangeKind::Other => ChangeKind::Deploy,
        kind => kind,
    }
}

/// An https or http link; `None` when it is none.
pub(crate) fn link(text: &str) -> Option<String> {
    let is_link = text.starts_with("https://") || text.starts_with("http://");
    let is_plain = text.len() <= LINK_MAX && text.chars().all(|c| c.is_ascii_graphic());
    (is_link && is_plain).then(|| text.to_owned())
}

/// The name of a change at its source; an overlong one is cut at its front, because what differs is at its end.
pub(super) fn key(text: &str) -> Option<String> {
    let key = cleaned(text, usize::MAX)?;
    let from = key.len().saturating_sub(KEY_MAX);
    let from = (from..key.len()).find(|at| key.is_char_boundary(*at))?;
    key.get(from..).map(str::to_owned)
}

/// A time as other systems write it: `2026-11-22T04:16:00Z`, `...+0000`, `2021-04-28 21:50:00 +0200`, `... UTC`.
pub(crate) fn time(text: &str) -> Option<Time> {
    let text = text.trim();
    let with_offset = |text: &str| {
        ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z"]
            .iter()
            .find_map(|format| Time::strptime(format, text).ok())
    };
    text.parse().ok().or_else(|| with_offset(text)).or_else(|| {
        let utc = text.strip_suffix(" UTC")?;
        with_offset(&format!("{utc} +0000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_other_systems_are_read() {
        for (text, utc) in [
            ("2026-11-22T04:16:00Z", "2026-11-22T04:16:00Z"),
            ("2026-11-22T04:16:00.5+02:00", "2026-11-22T02:16:00.5Z"),
            ("2015-07-17T08:42:58.315+0000", "2015-07-17T08:42:58.315Z"),
            ("2021-04-28 21:50:00 +0200", "2021-04-28T19:50:00Z"),
            ("2020-11-02 12:55:12 UTC", "2020-11-02T12:55:12Z"),
        ] {
            assert_eq!(time(text).map(|at| at.to_string()).as_deref(), Some(utc), "{text}");
        }
        for text in ["", "yesterday", "2026-11-22", "2026-13-22T04:16:00Z", "1\u{661}"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn texts_are_bounded_and_links_are_links() {
        assert_eq!(title(" a\nb\u{7}\tc ").as_deref(), Some("a b c"));
        assert_eq!(title("\u{0}\n"), None);
        assert_eq!(title(&"ä".repeat(999)).map(|text| text.chars().count()), Some(TITLE_MAX));
        assert_eq!(key(&format!("{}end", "ä".repeat(999))).map(|key| key.ends_with("end")), Some(true));
        assert!(link("https://ci.acme.net/7").is_some());
        for text in ["javascript:alert(1)", "https://a b", "ftp://x", "", "https://\u{202e}"] {
            assert_eq!(link(text), None, "{text}");
        }
    }
}
