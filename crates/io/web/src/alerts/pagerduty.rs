//! Events in the format of PagerDuty's Events API v2: `POST /v2/enqueue`.

use super::report::{Texts, given_key, json, known_time, limited, line, texts, wrong};
use crate::intake::link;
use crate::problem::Problem;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use types::external::{AlertReport, DESCRIPTION_MAX, ReportState, SUMMARY_MAX};

/// Maximum length of the name of an alert, in characters.
const NAME_MAX: usize = 60;

#[derive(Deserialize)]
struct Event {
    routing_key: String,
    event_action: String,
    dedup_key: Option<String>,
    payload: Option<Payload>,
    #[serde(default)]
    links: Option<Vec<Link>>,
    client_url: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    summary: String,
    source: Option<String>,
    severity: Option<String>,
    timestamp: Option<String>,
    component: Option<String>,
    group: Option<String>,
    class: Option<String>,
    #[serde(default)]
    custom_details: serde_json::Value,
}

#[derive(Deserialize)]
struct Link {
    href: Option<String>,
}

/// Reads an event. Returns its routing key too, which identifies the source.
///
/// Without a key a trigger is identified by its content, so that one that is repeated after an error is the same alert.
pub(super) fn read(body: &[u8]) -> Result<(String, AlertReport), Problem> {
    let event: Event = json(body)?;
    let state = match event.event_action.as_str() {
        "trigger" => ReportState::Firing,
        "acknowledge" => ReportState::Acknowledged,
        "resolve" => ReportState::Resolved,
        _ => return Err(wrong("`event_action` must be \"trigger\", \"acknowledge\" or \"resolve\"")),
    };
    let given = event.dedup_key.as_deref().and_then(given_key);
    if state != ReportState::Firing {
        let key = given.ok_or_else(|| wrong("`dedup_key` is missing: it says which alert is meant"))?;
        return Ok((event.routing_key, AlertReport { key, state, ..AlertReport::default() }));
    }
    let payload = event.payload.ok_or_else(|| wrong("`payload` is missing"))?;
    let key = given.unwrap_or_else(|| text::hex::encode(Sha256::digest(body).get(..16).unwrap_or_default()));
    let summary = line(&payload.summary, SUMMARY_MAX).ok_or_else(|| wrong("`payload.summary` is empty"))?;
    let named =
        [&payload.class, &payload.component].into_iter().flatten().find_map(|text| line(text, NAME_MAX));
    let links = event.links.iter().flatten().filter_map(|given| given.href.as_deref());
    let report = AlertReport {
        key,
        name: named.or_else(|| line(&summary, NAME_MAX)).unwrap_or_default(),
        severity: payload.severity.as_deref().and_then(|word| line(word, NAME_MAX)),
        description: line(&payload.summary, DESCRIPTION_MAX).filter(|long| *long != summary),
        summary: Some(summary),
        runbook: None,
        link: links.chain(event.client_url.as_deref()).find_map(link),
        since: known_time(payload.timestamp.as_deref()),
        state,
        labels: labels(&payload),
    };
    Ok((event.routing_key, report))
}

/// What an event says about its resource, as labels.
fn labels(payload: &Payload) -> Texts {
    let details: Texts = texts(&payload.custom_details).unwrap_or_default();
    let own = [
        ("source", &payload.source),
        ("component", &payload.component),
        ("group", &payload.group),
        ("class", &payload.class),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    limited(&details.into_iter().chain(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigger_is_an_alert_with_its_key() {
        let body = br#"{"routing_key":"R","event_action":"trigger","dedup_key":"disk/db1","client_url":"https://mon/1",
            "payload":{"summary":"db1: disk full","source":"db1.acme.net","severity":"critical",
            "timestamp":"2026-12-03T11:58:00.000+0000","component":"main","class":"disk",
            "custom_details":{"service":"shop","free":3,"more":{"a":1}}},"links":[{"text":"x"}]}"#;
        let (key, report) = read(body).unwrap();
        assert_eq!((key.as_str(), report.key.as_str(), report.name.as_str()), ("R", "disk/db1", "disk"));
        assert_eq!(report.labels.get("service").map(String::as_str), Some("shop"));
        assert_eq!(report.labels.get("free").map(String::as_str), Some("3"));
        assert_eq!(report.link.as_deref(), Some("https://mon/1"));
        assert!(report.since.is_some());
    }

    #[test]
    fn other_events_need_a_key_and_nothing_else() {
        let event = |more: &str| read(format!(r#"{{"routing_key":"R",{more}}}"#).as_bytes());
        let resolved = event(r#""event_action":"resolve","dedup_key":"a""#).unwrap().1;
        assert_eq!((resolved.key.as_str(), resolved.state), ("a", ReportState::Resolved));
        let acknowledged = event(r#""event_action":"acknowledge","dedup_key":"a""#).unwrap().1;
        assert_eq!(acknowledged.state, ReportState::Acknowledged);
        for wrong in [
            r#""event_action":"resolve""#,
            r#""event_action":"trigger""#,
            r#""event_action":"trigger","payload":{"summary":" "}"#,
            r#""event_action":"odd","dedup_key":"a""#,
        ] {
            assert!(event(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn repeated_trigger_without_a_key_is_the_same_alert() {
        let body = br#"{"routing_key":"R","event_action":"trigger","payload":{"summary":"a"}}"#;
        assert_eq!(read(body).unwrap(), read(body).unwrap());
    }
}
