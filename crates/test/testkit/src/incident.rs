//! Alerts, diagnoses, incidents, and the events of an incident.

use crate::time::secs;
use std::collections::BTreeSet;
use types::incident::{Diagnosis, Stage};
use types::time::later;
use types::{Alert, AlertId, EventKind, Fault, Incident, IncidentId, Resource, SeenAt, Severity, Time};

/// A critical alert by a probe named after its resource.
#[must_use]
pub fn alert(id: u64, about: Resource, fault: Fault, since: Time) -> Alert {
    Alert {
        id: AlertId(id),
        probe: about.to_string().as_str().into(),
        about,
        fault,
        severity: Severity::Critical,
        since,
        evidence: String::new(),
        seen_at: SeenAt::default(),
    }
}

/// A failing cause that pages and affects these services.
#[must_use]
pub fn diagnosis(cause: Resource, affected: &[&str]) -> Diagnosis {
    Diagnosis {
        summary: format!("{} fails", cause.name),
        cause,
        alerts: BTreeSet::new(),
        affected: services(affected),
        unaffected: BTreeSet::new(),
        wakes: true,
        stage: Stage::Failing,
        ahead: None,
        calm: false,
        symptoms: BTreeSet::new(),
    }
}

/// Services as resources.
#[must_use]
pub fn services(ids: &[&str]) -> BTreeSet<Resource> {
    ids.iter().map(|id| Resource::service(*id)).collect()
}

/// An open incident that no person has responded to.
#[must_use]
pub fn incident(id: u64, since: Time, opened: Time, diagnosis: Diagnosis) -> Incident {
    Incident {
        id: IncidentId(id),
        since,
        opened,
        diagnosis,
        acknowledged: None,
        notes: Vec::new(),
        resolved: None,
        merged_into: None,
        likely_causes: Vec::new(),
    }
}

/// Ana acknowledges an incident by its link, for 30 minutes.
#[must_use]
pub fn acknowledged(id: u64, now: Time) -> EventKind {
    EventKind::IncidentAcknowledged {
        incident: IncidentId(id),
        by: types::Actor::person("ana", types::Via::Link),
        until: later(now, secs(1_800)),
    }
}
