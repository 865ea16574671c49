//! Name servers: learned delegations, and when a moved delegation counts as intended.

use super::Detect;
use crate::alert::AlertEvents;
use crate::aspect::Aspect;
use crate::aspects::delegation::{self, Zone};
use crate::violation::{Judgement, Verdict, hurts_now};
use std::collections::BTreeSet;
use std::time::Duration;
use types::fault::DomainFault;
use types::probe_result::DnsSeen;
use types::time::between;
use types::{EventKind, Fault, Kind, Resource, Severity, Time};

/// New name servers with the same answers as the old ones count as intended after this long,
const ACCEPT_ALIKE: Duration = Duration::from_secs(3600);
/// and those with other answers after this long, unless a dependent resource fails.
const ACCEPT_UNLIKE: Duration = Duration::from_secs(24 * 3600);

impl Detect {
    /// Judges an answer about a zone.
    pub(super) fn judge_zone(
        &mut self,
        seen: &DnsSeen,
        asked: &[String],
        now: Time,
        events: &mut AlertEvents,
    ) -> Verdict {
        let intended = self.state.delegations.get(&seen.zone).map(|known| &known.servers);
        let lost = self.lost(&seen.zone);
        let zone = self.volatile.zones.entry(seen.zone.clone()).or_default();
        let verdict = delegation::judge(seen, asked, intended, zone, lost.clone());
        let Ok(named) = &seen.delegation else { return verdict };
        if named.is_empty() {
            return verdict;
        }
        let Some(intended) = intended else {
            zone.remember(seen, asked);
            events.push(EventKind::DelegationLearned { zone: seen.zone.clone(), servers: named.clone() });
            return verdict;
        };
        if named == intended {
            zone.remember(seen, asked);
            zone.moved_to = None;
            self.volatile.moved_healthy_since.remove(&seen.zone);
            return verdict;
        }
        zone.moved_to = Some(named.clone());
        self.accept(seen, named, lost.is_some(), verdict, now, events)
    }

    /// Accepts moved name servers once they have answered correctly for long enough.
    fn accept(
        &mut self,
        seen: &DnsSeen,
        named: &BTreeSet<String>,
        lost: bool,
        verdict: Verdict,
        now: Time,
        events: &mut AlertEvents,
    ) -> Verdict {
        let serves = matches!(verdict.aspects.get(&Aspect::Servers), Some(Judgement::Good));
        let unlike = matches!(
            verdict.aspects.get(&Aspect::Delegation),
            Some(Judgement::Bad(violation)) if violation.severity == Severity::Critical
        );
        let broken = self.state.alerts.values().any(|alert| {
            matches!(alert.about.kind, Kind::Host | Kind::Tls)
                && hurts_now(&alert.fault, alert.severity)
                && self.volatile.index.as_ref().and_then(|index| index.zone.get(&alert.about))
                    == Some(&seen.zone)
        });
        if lost || !serves || broken {
            self.volatile.moved_healthy_since.remove(&seen.zone);
            return verdict;
        }
        let since = *self.volatile.moved_healthy_since.entry(seen.zone.clone()).or_insert(now);
        if between(since, now) < if unlike { ACCEPT_UNLIKE } else { ACCEPT_ALIKE } {
            return verdict;
        }
        self.volatile.moved_healthy_since.remove(&seen.zone);
        events.push(EventKind::DelegationLearned { zone: seen.zone.clone(), servers: named.clone() });
        if let Some(zone) = self.volatile.zones.get_mut(&seen.zone) {
            // The answers of the old servers no longer apply.
            *zone = Zone::default();
        }
        for alert in self.open.about(&self.state, &Resource::dns(seen.zone.clone())) {
            if Aspect::of(&alert.fault) == Aspect::Delegation {
                events.close(alert.id);
            }
        }
        let mut verdict = verdict;
        verdict.aspects.remove(&Aspect::Delegation);
        verdict.healthy = true;
        verdict
    }

    /// Trouble of the registration of a zone, if any.
    fn lost(&self, zone: &str) -> Option<String> {
        let alert = self.open.about(&self.state, &Resource::domain(zone)).find(|alert| {
            matches!(Aspect::of(&alert.fault), Aspect::Registration | Aspect::Hold)
                && !matches!(alert.fault, Fault::Domain { domain: DomainFault::Expires { .. } })
        })?;
        Some(format!("{zone} {}", alert.fault))
    }
}
