//! Alerts that are about to open, and the events of one call.

use types::{Alert, AlertId, EventKind, Fault, ProbeId, Resource, SeenAt, Severity, Time};

/// An alert without its number, its resource and its probe.
#[derive(Debug, PartialEq)]
pub(crate) struct NewAlert {
    pub(crate) fault: Fault,
    pub(crate) severity: Severity,
    /// Time of the first bad answer.
    pub(crate) since: Time,
    /// Measurements behind the alert, for a reader who doubts it.
    pub(crate) evidence: String,
}

/// Effect of a new measurement on the alert about one resource and one fault.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// Opens the alert, or updates the open one.
    Raise(NewAlert),
    /// Closes the open alert.
    Resolve,
    /// Leaves everything as it is.
    Keep,
}

/// Events of one call. Alert numbers continue within it.
pub(crate) struct AlertEvents {
    last_alert: u64,
    pub(crate) kinds: Vec<EventKind>,
}

impl AlertEvents {
    pub(crate) fn new(last_alert: u64) -> Self {
        Self { last_alert, kinds: Vec::new() }
    }

    pub(crate) fn push(&mut self, kind: EventKind) {
        self.kinds.push(kind);
    }

    pub(crate) fn open(&mut self, about: &Resource, probe: &ProbeId, new_alert: NewAlert) {
        self.last_alert += 1;
        let NewAlert { fault, severity, since, evidence } = new_alert;
        let (id, about, probe) = (AlertId(self.last_alert), about.clone(), probe.clone());
        let seen_at = SeenAt::default();
        let alert = Alert { id, about, fault, severity, probe, since, evidence, seen_at };
        self.push(EventKind::AlertOpened { alert });
    }

    /// Updates an open alert with the content of a new one.
    pub(crate) fn change(&mut self, alert: AlertId, new: NewAlert) {
        let NewAlert { fault, severity, evidence, .. } = new;
        self.push(EventKind::AlertChanged { alert, fault, severity, evidence });
    }

    pub(crate) fn close(&mut self, alert: AlertId) {
        self.push(EventKind::AlertClosed { alert });
    }
}
