//! Reports of all formats: texts cut and made safe, labels limited, the key of an alert.

use crate::intake::{link, time};
use crate::problem::Problem;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use text::truncate;
use types::external::{AlertReport, DESCRIPTION_MAX, LABEL_MAX, LABELS_MAX, ReportState, SUMMARY_MAX};

/// Maximum length of the name of an alert or of a label, in characters.
const NAME_MAX: usize = 100;
/// Maximum length of the key of an alert at its source, in characters: that of PagerDuty.
pub(super) const KEY_MAX: usize = 255;

/// Parses a JSON body.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| wrong(format!("invalid body: {error}")))
}

/// A body that is not of its format. 400 is final: clients do not repeat it.
pub(super) fn wrong(detail: impl Into<String>) -> Problem {
    let hint = "The guide on alerts of other systems shows how each format is sent.";
    Problem::new(StatusCode::BAD_REQUEST, detail, hint)
}

/// Labels or annotations, as most formats have them.
pub(super) type Texts = BTreeMap<String, String>;

/// Reads texts of which some may be numbers or missing.
pub(super) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Texts, D::Error> {
    let values = Option::<BTreeMap<String, serde_json::Value>>::deserialize(from)?.unwrap_or_default();
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(is) => Some(is.to_string()),
        _ => None,
    };
    Ok(values.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

/// One line, safe to show, cut; `None` when nothing is left.
pub(super) fn line(text: &str, max: usize) -> Option<String> {
    let safe = text::escape::replace_unsafe(&truncate::chars(text, max.saturating_mul(4)));
    let words: Vec<&str> = safe.split_whitespace().collect();
    let line = truncate::chars(&words.join(" "), max);
    (!line.is_empty()).then_some(line)
}

/// The key of an alert that is identified by its labels. Empty values count as missing.
pub(super) fn key_of(labels: &Texts) -> String {
    let mut hash = Sha256::new();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        for part in [name, value] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    text::hex::encode(hash.finalize().get(..16).unwrap_or_default())
}

/// The report about an alert with labels and annotations, as Prometheus, Alertmanager and Grafana have them.
pub(super) fn of_labels(labels: &Texts, annotations: &Texts, links: &[Option<&str>]) -> AlertReport {
    let annotation =
        |names: &[&str], max: usize| names.iter().find_map(|name| line(annotations.get(*name)?, max));
    let name = labels.get("alertname").or_else(|| labels.get("rulename"));
    let runbook = ["runbook_url", "runbook"].iter().find_map(|name| link(annotations.get(*name)?));
    let summary = annotation(&["summary", "title", "message"], SUMMARY_MAX);
    let description = annotation(&["description"], DESCRIPTION_MAX);
    AlertReport {
        key: key_of(labels),
        name: name.and_then(|name| line(name, NAME_MAX)).unwrap_or_else(|| "alert".to_owned()),
        severity: labels
            .get("severity")
            .or_else(|| labels.get("priority"))
            .and_then(|word| line(word, NAME_MAX)),
        summary: summary.or_else(|| annotation(&["description"], SUMMARY_MAX)),
        description,
        runbook,
        link: links.iter().flatten().find_map(|text| link(text)),
        labels: limited(labels),
        since: None,
        state: ReportState::Firing,
    }
}

/// Labels as they are kept: those that say what an alert is about come first.
pub(super) fn limited(labels: &Texts) -> Texts {
    const FIRST: [&str; 8] =
        ["alertname", "service", "severity", "instance", "job", "database", "pool", "host"];
    let is_first = |name: &str| FIRST.contains(&name);
    let mut all: Vec<(&String, &String)> = labels.iter().filter(|(_, value)| !value.is_empty()).collect();
    all.sort_by_key(|(name, _)| !is_first(name));
    let short = |(name, value): (&String, &String)| Some((line(name, NAME_MAX)?, line(value, LABEL_MAX)?));
    all.into_iter().filter_map(short).take(LABELS_MAX).collect()
}

/// A time; `None` for none, and for the year 1, which some write for none.
pub(super) fn known_time(text: Option<&str>) -> Option<types::Time> {
    time(text?).filter(|at| at.as_second() > 0)
}

/// The key that a source gave.
pub(super) fn given_key(text: &str) -> Option<String> {
    line(text, KEY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn key_is_the_set_of_labels() {
        let key = |pairs: &[(&str, &str)]| key_of(&texts_of(pairs));
        assert_eq!(key(&[("a", "1"), ("b", "2")]), key(&[("b", "2"), ("a", "1"), ("c", "")]));
        assert_ne!(key(&[("a", "1b")]), key(&[("a", "1"), ("b", "")]));
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_eq!(key(&[]).len(), 32);
    }

    #[test]
    fn texts_are_cut_and_safe() {
        let annotations = texts_of(&[
            ("summary", &format!("a\n\u{1b}[31m\u{202e}{}", "x".repeat(900))),
            ("runbook_url", "javascript:alert(1)"),
        ]);
        let labels: Texts = (0..90).map(|n| (format!("l{n}"), "v".repeat(5_000))).collect();
        let labels = labels.into_iter().chain(texts_of(&[("service", "shop"), ("rack", "")])).collect();
        let report = of_labels(&labels, &annotations, &[None, Some("http://prom/graph?x")]);
        let summary = report.summary.unwrap();
        assert!(
            summary.chars().count() <= SUMMARY_MAX && !summary.chars().any(char::is_control),
            "{summary:?}"
        );
        assert!(!summary.contains('\u{202e}'), "{summary:?}");
        assert_eq!((report.runbook, report.link.as_deref()), (None, Some("http://prom/graph?x")));
        assert_eq!(
            (report.labels.len(), report.labels.get("service").unwrap().as_str()),
            (LABELS_MAX, "shop")
        );
        assert!(report.labels.values().all(|value| value.chars().count() <= LABEL_MAX));
        assert_eq!(report.name, "alert");
    }

    #[test]
    fn year_one_is_no_time() {
        assert_eq!(known_time(Some("0001-01-01T00:00:00Z")), None);
        assert!(known_time(Some("2026-12-03T12:00:00.123Z")).is_some());
        assert_eq!(known_time(Some("soon")), None);
    }
}
