//! Registrations over time: answers of the registry, dates that come close, dates without confirmation.

use super::Detect;
use crate::alert::Events;
use crate::aspect::Aspect;
use crate::aspects::registration::{self, Before};
use crate::violation::{Judgement, Verdict, Violation};
use crate::volatile::{EXPIRY_GRACE, STEP_GRACE};
use types::config::{Probe, ProbeKind};
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::time::{between, later};
use types::{Config, EventKind, Fault, Time};

impl Detect {
    /// Judges an answer of the registry.
    pub(super) fn judge_registration(
        &mut self,
        config: &Config,
        probe: &Probe,
        seen: &DomainSeen,
        now: Time,
        events: &mut Events,
    ) -> Verdict {
        self.note_lookup(config, probe, now);
        let last = self.state.registrations.get(&seen.domain).map(|known| &known.seen);
        let seen = &registration::with_last_date(seen, last);
        let verdict = registration::judge(seen, &self.before(config, &seen.domain), now);
        if self
            .state
            .registrations
            .get(&seen.domain)
            .is_none_or(|was| registration::has_news(&was.seen, seen))
        {
            events.push(EventKind::RegistrationLearned { seen: seen.clone() });
        }
        self.schedule_dates(config, probe, seen, now);
        verdict
    }

    /// Records a successful lookup.
    pub(super) fn note_lookup(&mut self, config: &Config, probe: &Probe, now: Time) {
        self.volatile.lookups.entry(probe.id.clone()).or_default().succeeded(now);
        self.volatile.urgent_lookups.remove(&probe.id);
        let nothing = registration::declared_only(&probe.about.name);
        self.schedule_dates(config, probe, &nothing, now);
    }

    /// Schedules the next judgement of the dates without an answer.
    fn schedule_dates(&mut self, config: &Config, probe: &Probe, seen: &DomainSeen, now: Time) {
        let step = registration::next_step(seen, &self.before(config, &seen.domain), now);
        let stale = registration::stale_at(self.confirmed(probe).unwrap_or(now), probe.interval);
        self.volatile.dates_due.retain(|(_, id)| *id != probe.id);
        // A date that is stale already is judged once per interval, not at each tick.
        let stale = if stale > now { stale } else { later(now, probe.interval.max(STEP_GRACE)) };
        self.volatile.dates_due.insert((step.map_or(stale, |step| step.min(stale)), probe.id.clone()));
    }

    /// Last confirmation of the registration: by an answer since boot, else the start of failed lookups by an open
    /// alert, else the start of monitoring, as answers without news write no event.
    #[must_use]
    pub fn confirmed(&self, probe: &Probe) -> Option<Time> {
        if let Some(confirmed) = self.volatile.lookups.get(&probe.id).and_then(|lookup| lookup.confirmed) {
            return Some(confirmed);
        }
        let failing_since = self.open.about(&self.state, &probe.about).find_map(|alert| match &alert.fault {
            Fault::Domain { domain: DomainFault::Stale { since } } => Some(*since),
            Fault::Lookup { .. } => Some(alert.since),
            _ => None,
        });
        let learned = self.state.registrations.get(&probe.about.name).map(|known| known.at);
        failing_since.or_else(|| learned.max(self.state.monitored_since))
    }

    /// The violation when the registration was not confirmed for too long.
    pub(super) fn stale(&self, probe: &Probe, now: Time) -> Option<Violation> {
        let confirmed = self.confirmed(probe)?;
        let last_known = self.state.registrations.get(&probe.about.name).map(|known| &known.seen);
        (registration::stale_at(confirmed, probe.interval) <= now)
            .then(|| registration::stale(confirmed, last_known))
    }

    /// Judges the dates of a registration without a new answer.
    pub(super) fn judge_dates(&mut self, config: &Config, probe: &Probe, now: Time, events: &mut Events) {
        let ProbeKind::Domain { name } = &probe.kind else { return };
        let seen = match self.state.registrations.get(name) {
            Some(known) => known.seen.clone(),
            None => registration::declared_only(name),
        };
        let mut verdict = Verdict::default();
        if let Judgement::Bad(violation) = self.worst_date(config, name, &seen, now) {
            let grace = match &violation.fault {
                Fault::Domain { domain: DomainFault::Expired { .. } } => Some(EXPIRY_GRACE),
                Fault::Domain { domain: DomainFault::Expires { .. } } => Some(STEP_GRACE),
                _ => None,
            };
            let lookup = self.volatile.lookups.entry(probe.id.clone()).or_default();
            if let Some(grace) = grace {
                // It may have been renewed since the last lookup: ask first, and wait for the answer.
                let asked_at = *lookup.confirm.get_or_insert(now);
                self.volatile.urgent_lookups.insert(probe.id.clone());
                if between(asked_at, now) >= grace {
                    verdict = verdict.bad(violation);
                } else {
                    self.volatile.dates_due.insert((later(asked_at, grace), probe.id.clone()));
                    return;
                }
            }
        }
        if let Some(violation) = self.stale(probe, now) {
            verdict = verdict.bad(violation);
        }
        verdict.healthy = self.volatile.is_healthy(&probe.id);
        self.count(probe, verdict.aspects, false, now, events);
        self.schedule_dates(config, probe, &seen, now);
    }

    fn worst_date(&self, config: &Config, name: &str, seen: &DomainSeen, now: Time) -> Judgement {
        let mut verdict = registration::judge(seen, &self.before(config, name), now);
        // An unknown date is reported by an answer of the registry, not by the passing of time.
        match verdict.aspects.remove(&Aspect::Registration) {
            Some(Judgement::Bad(violation))
                if !matches!(violation.fault, Fault::Domain { domain: DomainFault::Undated }) =>
            {
                Judgement::Bad(violation)
            }
            _ => Judgement::Good,
        }
    }

    /// Knowledge about a domain from before an answer.
    fn before<'a>(&'a self, config: &Config, domain: &str) -> Before<'a> {
        Before {
            declared: config.domains.get(domain).and_then(|domain| domain.expires),
            servers: self.state.delegations.get(domain).map(|known| &known.servers),
            moved_to: self.volatile.zones.get(domain).and_then(|zone| zone.moved_to.as_ref()),
            settled: self.state.settled.get(domain),
            expired: self.open.expired(&self.state, domain),
        }
    }
}
