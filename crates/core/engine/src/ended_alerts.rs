//! Alerts that have closed, for the console: a fold of the journal, bounded.

use crate::views::EndedAlert;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use types::event::Event;
use types::{Alert, AlertId, EventKind};

/// Maximum of alerts in memory; the journal has all of them.
const ALERTS_MAX: usize = 500;

/// The last alerts that closed, newest first.
#[derive(Debug, Default)]
pub(crate) struct EndedAlerts(VecDeque<Arc<EndedAlert>>);

impl EndedAlerts {
    /// Folds one event. `open` are the alerts before it.
    pub(crate) fn apply(&mut self, open: &BTreeMap<AlertId, Alert>, event: &Event) {
        let EventKind::AlertClosed { alert } = &event.kind else { return };
        let Some(alert) = open.get(alert).cloned() else { return };
        self.0.truncate(ALERTS_MAX - 1);
        self.0.push_front(Arc::new(EndedAlert { alert, closed: event.at }));
    }

    /// All of them, newest first.
    pub(crate) fn rows(&self) -> Vec<Arc<EndedAlert>> {
        self.0.iter().cloned().collect()
    }
}
