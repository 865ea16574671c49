//! Alerts in the formats of Alertmanager: `POST /api/v2/alerts` as Prometheus sends it, and webhooks of version 4, which Grafana's
//! resemble.

use super::report::{Texts, given_key, json, known_time, of_labels, texts, wrong};
use crate::problem::Problem;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use types::Time;
use types::external::{AlertReport, ReportState};
use types::time::later;

/// Most alerts of one request. Prometheus sends 256.
const ALERTS_MAX: usize = 10_000;
/// An alert without an end is over after this time, unless it is sent again: `resolve_timeout` of Alertmanager.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);

/// An alert of the API v2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: Texts,
    #[serde(default, deserialize_with = "texts")]
    annotations: Texts,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
}

/// Alerts of one request: those that are valid, and what is wrong with the first of the others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) reports: Vec<AlertReport>,
    pub(super) wrong: Option<String>,
}

/// Reads what Prometheus posts. Valid alerts count even when others are not.
pub(super) fn posted(body: &[u8], now: Time) -> Result<Read, Problem> {
    let alerts: Vec<Value> = json(body)?;
    limit(alerts.len())?;
    let mut read = Read { reports: Vec::new(), wrong: None };
    for (at, alert) in alerts.into_iter().enumerate() {
        match one(alert, now) {
            Ok(report) => read.reports.push(report),
            Err(why) => _ = read.wrong.get_or_insert_with(|| format!("alert {at}: {why}")),
        }
    }
    Ok(read)
}

fn one(alert: Value, now: Time) -> Result<AlertReport, String> {
    let alert: Posted = serde_json::from_value(alert).map_err(|error| error.to_string())?;
    if alert.labels.values().all(String::is_empty) {
        return Err("it has no labels".to_owned());
    }
    let is_time =
        |text: &Option<String>| text.as_deref().is_none_or(|text| crate::intake::time(text).is_some());
    if !is_time(&alert.starts_at) || !is_time(&alert.ends_at) {
        return Err("`startsAt` and `endsAt` must be times in RFC 3339".to_owned());
    }
    let end = known_time(alert.ends_at.as_deref()).unwrap_or_else(|| later(now, RESOLVE_TIMEOUT));
    Ok(AlertReport {
        since: known_time(alert.starts_at.as_deref()),
        state: ReportState::Until(end),
        ..of_labels(&alert.labels, &alert.annotations, &[alert.generator_url.as_deref()])
    })
}

/// A webhook of Alertmanager or of Grafana.
#[derive(Deserialize)]
struct Webhook {
    alerts: Vec<Sent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    status: String,
    #[serde(default, deserialize_with = "texts")]
    labels: Texts,
    #[serde(default, deserialize_with = "texts")]
    annotations: Texts,
    starts_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
    #[serde(rename = "dashboardURL")]
    dashboard_url: Option<String>,
    #[serde(rename = "panelURL")]
    panel_url: Option<String>,
    fingerprint: Option<String>,
}

/// Reads a webhook. A firing alert stays until it is reported as resolved.
pub(super) fn webhook(body: &[u8]) -> Result<Vec<AlertReport>, Problem> {
    let webhook: Webhook = json(body)?;
    limit(webhook.alerts.len())?;
    webhook.alerts.into_iter().map(sent).collect()
}

fn sent(alert: Sent) -> Result<AlertReport, Problem> {
    let state = match alert.status.as_str() {
        "firing" => ReportState::Firing,
        "resolved" => ReportState::Resolved,
        _ => return Err(wrong("`alerts[].status` must be \"firing\" or \"resolved\"")),
    };
    let links = [&alert.panel_url, &alert.dashboard_url, &alert.generator_url];
    let links = links.map(|link| link.as_deref().filter(|link| !link.is_empty()));
    let report = of_labels(&alert.labels, &alert.annotations, &links);
    // Without labels the fingerprint is all that tells alerts apart.
    let key = match alert.fingerprint.as_deref().and_then(given_key) {
        Some(fingerprint) if alert.labels.is_empty() => fingerprint,
        _ => report.key.clone(),
    };
    Ok(AlertReport { key, since: known_time(alert.starts_at.as_deref()), state, ..report })
}

fn limit(alerts: usize) -> Result<(), Problem> {
    if alerts > ALERTS_MAX {
        return Err(wrong(format!("one request has at most {ALERTS_MAX} alerts")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-12-03T12:00:00Z";

    fn now() -> Time {
        NOW.parse().unwrap()
    }

    #[test]
    fn alert_of_prometheus_fires_until_its_end() {
        let body = br#"[{"labels":{"alertname":"Down","instance":"db1:9100","severity":"page"},
            "annotations":{"summary":"db1 is down","runbook_url":"https://wiki/db"},
            "startsAt":"2026-12-03T11:58:00Z","endsAt":"2026-12-03T12:04:00Z","generatorURL":"http://prom/graph"}]"#;
        let read = posted(body, now()).unwrap();
        assert_eq!(read.wrong, None);
        let report = &read.reports[0];
        assert_eq!(report.state, ReportState::Until("2026-12-03T12:04:00Z".parse().unwrap()));
        assert_eq!(report.since, Some("2026-12-03T11:58:00Z".parse().unwrap()));
        assert_eq!((report.name.as_str(), report.severity.as_deref()), ("Down", Some("page")));
        assert_eq!(report.summary.as_deref(), Some("db1 is down"));
        assert_eq!(report.runbook.as_deref(), Some("https://wiki/db"));
    }

    #[test]
    fn valid_alerts_count_beside_invalid_ones() {
        let body = br#"[{"labels":{}},{"labels":{"alertname":"A"}},7,{"labels":{"a":"b"},"endsAt":"never"}]"#;
        let read = posted(body, now()).unwrap();
        assert_eq!(read.wrong.as_deref(), Some("alert 0: it has no labels"));
        assert_eq!(read.reports.len(), 1);
        let end = later(now(), RESOLVE_TIMEOUT);
        assert_eq!(read.reports[0].state, ReportState::Until(end), "as Alertmanager: for 5 minutes");
        assert!(posted(b"{}", now()).is_err());
    }

    #[test]
    fn webhook_says_what_fires_and_what_is_resolved() {
        let body = br#"{"version":"4","groupKey":"{}:{}","status":"firing","receiver":"m","truncatedAlerts":0,"alerts":[
            {"status":"firing","labels":{"alertname":"A"},"annotations":{"summary":"s"},"startsAt":"2026-12-03T11:00:00Z",
             "endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"ab"},
            {"status":"resolved","labels":{"alertname":"B"},"annotations":{},"startsAt":"2026-12-03T11:00:00Z",
             "endsAt":"2026-12-03T11:30:00Z","generatorURL":"http://p/","fingerprint":"cd"}]}"#;
        let reports = webhook(body).unwrap();
        let states: Vec<ReportState> = reports.iter().map(|report| report.state).collect();
        assert_eq!(states, [ReportState::Firing, ReportState::Resolved]);
        let same = posted(br#"[{"labels":{"alertname":"A"}}]"#, now()).unwrap();
        assert_eq!(reports[0].key, same.reports[0].key, "the API and the webhook mean the same alert");
        assert!(webhook(br#"{"alerts":[{"status":"odd"}]}"#).is_err());
    }

    #[test]
    fn webhook_of_grafana_is_read() {
        let body = br#"{"receiver":"m","status":"firing","orgId":1,"version":"1","title":"[FIRING:1]","state":"alerting",
            "message":"m","alerts":[{"status":"firing","labels":{"alertname":"High","grafana_folder":"f"},
            "annotations":{"summary":"cpu"},"startsAt":"2026-12-03T11:00:00Z","endsAt":"0001-01-01T00:00:00Z",
            "generatorURL":"http://g/a","fingerprint":"57c6d9296de2ad39","silenceURL":"http://g/s",
            "dashboardURL":"","panelURL":"http://g/p","values":null,"valueString":"[ var='A' ]"}]}"#;
        let reports = webhook(body).unwrap();
        assert_eq!(reports[0].link.as_deref(), Some("http://g/p"));
        assert_eq!(reports[0].name, "High");
    }
}
