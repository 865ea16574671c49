//! Alerts, audit criteria and gaps in the monitoring of the last days: what notices to the team are about besides incidents.
//! A fold of the journal, bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use text::truncate;
use types::audit::Criterion;
use types::incident::Diagnosis;
use types::time::{between, earlier};
use types::{Alert, AlertId, Event, EventKind, Fault, Resource, Severity, Time};

/// Alerts that are kept: the newest.
const ALERTS_MAX: usize = 1_000;
/// Lost criteria that are kept.
const LOST_MAX: usize = 1_000;
/// Gaps that are kept: the newest.
const GAPS_MAX: usize = 20;
/// A shorter gap is a restart, which says nothing.
const GAP_MIN: Duration = Duration::from_secs(60);
/// A day, and what a digest may be late, with a margin.
const KEPT_FOR: Duration = Duration::from_secs(48 * 3_600);
/// Maximum length of the text of an alert in bytes.
const TEXT_MAX: usize = 160;

/// What happened besides incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    /// Time of the first event: nothing is known about the time before.
    pub(crate) began: Option<Time>,
    /// Open and ended alerts.
    pub(crate) alerts: BTreeMap<AlertId, AlertRecord>,
    /// Criteria of the audit that a resource lost and does not meet again.
    pub(crate) lost: BTreeMap<(Criterion, Resource), Lost>,
    /// Periods in which nothing was monitored, oldest first.
    pub(crate) gaps: VecDeque<(Time, Time)>,
    /// When the team was last notified of an alert of this resource and fault.
    notified: BTreeMap<(Resource, &'static str), Time>,
}

/// An alert, open or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlertRecord {
    pub(crate) about: Resource,
    /// The code of its fault.
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) opened: Time,
    pub(crate) closed: Option<Time>,
    /// Resource and fault, for people.
    pub(crate) text: String,
    /// Whether it is about slowness.
    pub(crate) slow: bool,
    /// Whether it is, or was, part of an incident or a symptom of one.
    pub(crate) in_incident: bool,
    /// Whether the team was notified of it.
    pub(crate) notified: bool,
}

/// A criterion that a resource lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) at: Time,
    /// What was seen.
    pub(crate) evidence: Option<String>,
}

impl Recent {
    pub(crate) fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.began.get_or_insert(at);
        match &event.kind {
            EventKind::AlertOpened { alert } => self.opened(alert, at),
            EventKind::AlertChanged { alert, fault, severity, .. } => {
                if let Some(known) = self.alerts.get_mut(alert) {
                    known.text = text_of(&known.about, fault);
                    known.severity = *severity;
                }
            }
            EventKind::AlertClosed { alert } => {
                if let Some(known) = self.alerts.get_mut(alert) {
                    known.closed = Some(at);
                }
            }
            EventKind::IncidentOpened { diagnosis, .. } | EventKind::IncidentDiagnosed { diagnosis, .. } => {
                self.diagnosed(diagnosis);
            }
            EventKind::TeamNoticeQueued { alerts, .. } => self.notified(alerts, at),
            EventKind::CriterionChanged { criterion, resource, is_met, evidence } => {
                let pair = (*criterion, resource.clone());
                if *is_met {
                    self.lost.remove(&pair);
                } else {
                    self.lost(pair, evidence.as_deref(), at);
                }
            }
            EventKind::Booted { unmonitored_since: Some(since) } | EventKind::Unmonitored { since }
                if between(*since, at) >= GAP_MIN =>
            {
                self.gaps.push_back((*since, at));
                self.gaps.drain(..self.gaps.len().saturating_sub(GAPS_MAX));
            }
            _ => {}
        }
    }

    /// When the team was last notified of such an alert.
    pub(crate) fn last_notified(&self, record: &AlertRecord) -> Option<Time> {
        self.notified.get(&(record.about.clone(), record.code)).copied()
    }

    fn opened(&mut self, alert: &Alert, at: Time) {
        let record = AlertRecord {
            about: alert.about.clone(),
            code: alert.fault.as_str(),
            severity: alert.severity,
            opened: at,
            closed: None,
            text: text_of(&alert.about, &alert.fault),
            slow: is_slow(&alert.fault),
            in_incident: false,
            notified: false,
        };
        self.alerts.insert(alert.id, record);
        while self.alerts.len() > ALERTS_MAX {
            self.alerts.pop_first();
        }
    }

    fn diagnosed(&mut self, diagnosis: &Diagnosis) {
        for id in diagnosis.alerts.iter().chain(&diagnosis.symptoms) {
            if let Some(known) = self.alerts.get_mut(id) {
                known.in_incident = true;
            }
        }
    }

    fn notified(&mut self, alerts: &BTreeSet<AlertId>, at: Time) {
        let oldest = earlier(at, KEPT_FOR);
        self.notified.retain(|_, last| *last >= oldest);
        for id in alerts {
            if let Some(known) = self.alerts.get_mut(id) {
                known.notified = true;
                self.notified.insert((known.about.clone(), known.code), at);
            }
        }
    }

    fn lost(&mut self, pair: (Criterion, Resource), evidence: Option<&str>, at: Time) {
        let oldest = earlier(at, KEPT_FOR);
        self.lost.retain(|_, lost| lost.at >= oldest);
        if self.lost.len() < LOST_MAX {
            let evidence = evidence.map(|text| truncate::bytes(text, TEXT_MAX));
            self.lost.insert(pair, Lost { at, evidence });
        }
    }
}

fn text_of(about: &Resource, fault: &Fault) -> String {
    truncate::bytes(&format!("{} {fault}", about.name).replace('\n', " "), TEXT_MAX)
}

fn is_slow(fault: &Fault) -> bool {
    matches!(fault, Fault::SlowerThanUsual { .. } | Fault::Slow { .. } | Fault::Creeping { .. })
}
