//! The alert that mainstay itself is isolated, and alerts that are held back for a connectivity check.

use super::Detect;
use crate::alert::{AlertEvents, NewAlert};
use crate::connectivity::Conclusion;
use std::collections::BTreeSet;
use types::{Fault, ProbeId, Resource, Severity, Time};

impl Detect {
    /// Evaluates the connectivity check. Returns whether mainstay is isolated. Opens the alerts that were held back as
    /// soon as they need not wait.
    pub(super) fn check_connectivity(&mut self, now: Time, events: &mut AlertEvents) -> bool {
        let isolated = self.update_isolation(now, events);
        if !isolated && !self.volatile.connectivity.holds_back(now) {
            // Two probes may have found the same fault of one resource.
            let mut opened = BTreeSet::new();
            for (id, about) in std::mem::take(&mut self.volatile.held_back) {
                let Some(history) = self.volatile.probes.get_mut(&id) else { continue };
                for new in history.streaks.values_mut().filter_map(|streak| streak.release(now)) {
                    let code = new.fault.as_str();
                    if self.open.with_fault(&about, code).is_none() && opened.insert((about.clone(), code)) {
                        events.open(&about, &id, new);
                    }
                }
            }
        }
        isolated
    }

    fn update_isolation(&mut self, now: Time, events: &mut AlertEvents) -> bool {
        let open = self.open.with_fault(&Resource::here(), "isolated");
        let Some(index) = &self.volatile.index else { return open.is_some() };
        match (self.volatile.connectivity.conclude(index, open.is_some(), now), open) {
            (Conclusion::Isolated(why), None) => {
                let evidence = format!("{why}; their domains have nothing else in common");
                let severity = Severity::Warning;
                let new = NewAlert { fault: Fault::Isolated { why }, severity, since: now, evidence };
                events.open(&Resource::here(), &ProbeId("mainstay.here".to_owned()), new);
                self.forget_undecided();
                true
            }
            (Conclusion::Connected, Some(alert)) => {
                events.close(alert);
                false
            }
            (_, open) => open.is_some(),
        }
    }

    /// Forgets undecided counts: answers during isolation do not count.
    fn forget_undecided(&mut self) {
        self.volatile.held_back.clear();
        for id in &std::mem::take(&mut self.volatile.undecided) {
            if let Some(history) = self.volatile.probes.get_mut(id) {
                history.streaks.clear();
                history.window.clear();
            }
        }
    }
}
