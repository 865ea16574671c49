//! `[source.NAME]` as written: other systems that report to this one.

use crate::diagnostics::Diagnostics;
use crate::formats::{DAY, MINUTE, SECRET};
use crate::keys::keys;
use crate::kind::scalar::{Span, duration};
use crate::kind::string::{Choice, NameOf, Text};
use crate::kind::table::table;
use crate::kind::value::At;
use crate::suggest::shown;
use std::collections::BTreeMap;
use std::time::Duration;
use types::config::{AlertFormat, AlertSource, ChangeSource, SecretRef, Source};
use types::{ServiceId, Severity};

/// Silence of a source: it reports at least every few minutes, or once a day.
const SILENCE: Span = duration(MINUTE, DAY.saturating_mul(7));
const SEVERITY: Choice<Severity> =
    Choice(&[("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)]);

keys! {
    /// Another system that reports to this one: a deploy pipeline, a code host, Prometheus, Grafana.
    [source.NAME]
    struct RawSource {
        /// Lets it report changes: to `/api/v1/changes`, to `/v2/change/enqueue` in the format of PagerDuty, or to
        /// `/api/v1/sources/NAME/github` and `/gitlab` as a webhook for deployments.
        changes: Option<RawChangeSource> = table::<RawChangeSource>(), otherwise "none",
            example r#"{ secret = "env:DEPLOY_TOKEN" }"#;
        /// Lets Prometheus use this mainstay as its Alertmanager, with the path prefix `/api/v1/sources/NAME`, and an Alertmanager
        /// send its webhooks to `/api/v1/sources/NAME/alertmanager`.
        alertmanager: Option<RawAlertSource> = table::<RawAlertSource>(), otherwise "none",
            example r#"{ secret = "env:AM_TOKEN" }"#;
        /// Lets Grafana send its webhooks to `/api/v1/sources/NAME/grafana`.
        grafana: Option<RawAlertSource> = table::<RawAlertSource>(), otherwise "none",
            example r#"{ secret = "env:GRAFANA_TOKEN" }"#;
        /// Lets it send events to `/v2/enqueue` in the format of PagerDuty's Events API v2. The secret is the routing key.
        pagerduty: Option<RawAlertSource> = table::<RawAlertSource>(), otherwise "none",
            example r#"{ secret = "env:PD_ROUTING_KEY" }"#;
        /// The label of its alerts that names a service. Without one that is known, other labels say what an alert is about.
        service_label: String = Text, default "service".to_owned(), example r#""app""#;
        /// Severity of its alerts that say none, or one that is not known. Critical alerts page.
        severity: Severity = SEVERITY, default Severity::Critical, example r#""warning""#;
        /// A source that reports something at least this often, such as an alert that always fires: when it is silent for longer,
        /// a critical alert opens. Without it, a source that is silent about an open alert is a warning.
        silent_after: Option<Duration> = SILENCE, otherwise "only its open alerts must be confirmed", example r#""5m""#;
    }
    unsupported {
        webhook: "alerts in any JSON";
    }
}

keys! {
    /// How a source hands its alerts in.
    struct RawAlertSource {
        /// Token that it sends, or key with which it signs: the name of an environment variable or a file, never the secret
        /// itself.
        secret: Option<At<SecretRef>> = SECRET, required, example r#""env:AM_TOKEN""#;
    }
}

keys! {
    /// How a source reports changes.
    struct RawChangeSource {
        /// Token that it sends, or key with which it signs: the name of an environment variable or a file, never the secret
        /// itself.
        secret: Option<At<SecretRef>> = SECRET, required, example r#""env:DEPLOY_TOKEN""#;
        /// The service that its changes concern, if it is always the same.
        service: Option<At<String>> = NameOf("service"), otherwise "by the names in its reports", example r#""api""#;
    }
}

/// What a source may report, each with its key.
const REPORTS: [&str; 4] = ["changes", "alertmanager", "grafana", "pagerduty"];

impl RawSource {
    /// Checks that it reports something.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        if !REPORTS.iter().any(|key| self.written.has(key)) {
            diagnostics.missing(
                self.written.place.clone(),
                format!("{} reports nothing", shown(&self.written.path)),
                "add changes = { secret = \"env:DEPLOY_TOKEN\" } or alertmanager = { secret = \"env:AM_TOKEN\" }",
            );
        }
        let hands_in_alerts = REPORTS.iter().skip(1).any(|key| self.written.has(key));
        for key in ["service_label", "severity", "silent_after"] {
            if !hands_in_alerts && self.written.has(key) {
                let place = self.written.key_place(key);
                diagnostics.warn(place, format!("`{key}` is of alerts, and it hands none in"), "remove it");
            }
        }
        self
    }

    /// The source; `None` when it is invalid, which was reported already.
    pub(crate) fn resolve(self) -> Option<Source> {
        let change_source = |raw: RawChangeSource| {
            let service = raw.service.map(|at| ServiceId(at.value));
            Some(ChangeSource { secret: raw.secret?.value, service })
        };
        let changes = self.changes.and_then(change_source);
        let declared = [
            (AlertFormat::Alertmanager, self.alertmanager),
            (AlertFormat::Grafana, self.grafana),
            (AlertFormat::Pagerduty, self.pagerduty),
        ];
        let secrets = declared.into_iter().filter_map(|(format, raw)| Some((format, raw?.secret?.value)));
        let formats: BTreeMap<AlertFormat, SecretRef> = secrets.collect();
        let alerts = (!formats.is_empty()).then_some(AlertSource {
            formats,
            service_label: self.service_label,
            severity: self.severity,
            silent_after: self.silent_after,
        });
        (changes.is_some() || alerts.is_some()).then_some(Source { changes, alerts })
    }
}
