//! Hostile bodies: every format answers with reports or a refusal, and never ends the process.

use super::{alertmanager, pagerduty};
use proptest::prelude::*;
use serde_json::{Value, json};
use types::Time;
use types::external::{AlertReport, DESCRIPTION_MAX, LABEL_MAX, LABELS_MAX, SUMMARY_MAX};

fn all(body: &[u8]) -> Vec<AlertReport> {
    let now: Time = "2026-12-03T12:00:00Z".parse().unwrap();
    let posted = alertmanager::posted(body, now).map(|read| read.reports);
    let event = pagerduty::read(body).map(|(_, report)| vec![report]);
    [posted, alertmanager::webhook(body), event].into_iter().flatten().flatten().collect()
}

/// What is recorded is bounded, and safe to show.
fn check(body: &[u8]) -> usize {
    let reports = all(body);
    for report in &reports {
        let texts = [&report.summary, &report.description, &report.runbook, &report.link, &report.severity];
        let texts = texts.into_iter().flatten().chain([&report.key, &report.name]);
        for text in texts.chain(report.labels.keys()).chain(report.labels.values()) {
            assert!(!text.chars().any(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
        }
        let length = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
        assert!(length(&report.summary) <= SUMMARY_MAX && length(&report.description) <= DESCRIPTION_MAX);
        assert!(report.labels.len() <= LABELS_MAX && !report.key.is_empty() && report.key.len() <= 1_100);
        assert!(report.labels.values().all(|value| value.chars().count() <= LABEL_MAX));
        assert!(report.link.iter().chain(&report.runbook).all(|link| link.starts_with("http")));
    }
    reports.len()
}

fn documented() -> Vec<Value> {
    let sent = json!({
        "status": "firing", "labels": { "alertname": "Down", "service": "shop", "severity": "critical" },
        "annotations": { "summary": "s", "description": "d", "runbook_url": "https://wiki/x" },
        "startsAt": "2026-12-03T11:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/g",
        "fingerprint": "57c6d9296de2ad39", "dashboardURL": "", "panelURL": "http://g/p", "values": null,
    });
    vec![
        json!([{
            "labels": { "alertname": "Down", "instance": "db1:9100" }, "annotations": { "summary": "s" },
            "startsAt": "2026-12-03T11:00:00Z", "endsAt": "2026-12-03T12:04:00Z", "generatorURL": "http://p/g",
        }]),
        json!({ "version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": [sent] }),
        json!({
            "routing_key": "R", "event_action": "trigger", "dedup_key": "a", "client_url": "https://c/",
            "payload": {
                "summary": "s", "source": "h", "severity": "error", "timestamp": "2026-12-03T11:00:00Z",
                "component": "c", "group": "g", "class": "k", "custom_details": { "service": "shop" },
            },
            "links": [{ "href": "https://c/1" }],
        }),
    ]
}

/// Replaces the n-th value of a document, counted in depth.
fn replace(value: &mut Value, n: &mut usize, with: &Value) {
    if *n == 0 {
        *value = with.clone();
    }
    *n = n.wrapping_sub(1);
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, n, with)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, n, with)),
        _ => {}
    }
}

#[test]
fn documented_bodies_are_alerts() {
    for body in documented() {
        assert_eq!(check(body.to_string().as_bytes()), 1, "{body}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(check(&body), 0);
    }

    #[test]
    fn documented_bodies_with_one_odd_value_never_panic(
        which in 0..3_usize,
        at in 0..40_usize,
        text in "\\PC{0,40}|[\\x00-\\x1f\u{202e}\u{ffff}]{0,9}|x{2000}",
        kind in 0..6_u8,
    ) {
        let with = match kind {
            0 => Value::Null,
            1 => json!(-1.5e300),
            2 => json!([[[text]]]),
            3 => json!({ "a": { "b": text }, "c": text }),
            4 => json!(u64::MAX),
            _ => json!(text),
        };
        let mut body = documented().remove(which);
        replace(&mut body, &mut at.clone(), &with);
        check(body.to_string().as_bytes());
    }

    #[test]
    fn cut_bodies_never_panic(which in 0..3_usize, end in 0..900_usize) {
        let body = documented().remove(which).to_string();
        check(body.as_bytes().get(..end).unwrap_or_default());
    }
}
