//! Registrations: what a registry told, when its dates come close, and since when nobody has confirmed them.

use crate::detect::{Detect, EXPIRY_GRACE, Out, STEP_GRACE};
use crate::lane::Lane;
use crate::registration;
use crate::verdict::{Charge, Judged, Verdict};
use types::config::{Ask, Probe};
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::time::{between, later};
use types::{Config, EventKind, Fault, Time};

impl Detect {
    pub(crate) fn registered(
        &mut self,
        config: &Config,
        probe: &Probe,
        seen: &DomainSeen,
        now: Time,
        out: &mut Out,
    ) -> Verdict {
        self.looked_up(config, probe, now);
        let last = self.known.registrations.get(&seen.domain).map(|known| &known.seen);
        let seen = &registration::with_last_date(seen, last);
        let verdict = registration::judge(seen, &self.before(config, &seen.domain), now);
        if self
            .known
            .registrations
            .get(&seen.domain)
            .is_none_or(|was| registration::told_anew(&was.seen, seen))
        {
            out.events.push(EventKind::RegistrationLearned { seen: seen.clone() });
        }
        self.config_dates(config, probe, seen, now);
        verdict
    }

    pub(crate) fn looked_up(&mut self, config: &Config, probe: &Probe, now: Time) {
        self.fresh.lookups.entry(probe.id.clone()).or_default().succeeded(now);
        self.fresh.pressing.remove(&probe.id);
        let nothing = registration::declared_only(&probe.about.name);
        self.config_dates(config, probe, &nothing, now);
    }

    /// Notes when the dates of a registration must be looked at next without an answer.
    fn config_dates(&mut self, config: &Config, probe: &Probe, seen: &DomainSeen, now: Time) {
        let step = registration::next_step(seen, &self.before(config, &seen.domain), now);
        let stale = registration::stale_at(self.confirmed(probe).unwrap_or(now), probe.interval);
        self.fresh.due.retain(|(_, id)| *id != probe.id);
        // A stale date is told once; asking again each tick would only turn in a circle.
        let stale = if stale > now { stale } else { later(now, probe.interval.max(STEP_GRACE)) };
        self.fresh.due.insert((step.map_or(stale, |step| step.min(stale)), probe.id.clone()));
    }

    /// When the registration was last confirmed: by an answer since boot, else by what is noted of a mute registry, else
    /// when we began to look, as answers without news leave no line.
    #[must_use]
    pub fn confirmed(&self, probe: &Probe) -> Option<Time> {
        if let Some(confirmed) = self.fresh.lookups.get(&probe.id).and_then(|lookup| lookup.confirmed) {
            return Some(confirmed);
        }
        let noted = self.open.about(&self.known, &probe.about).find_map(|alert| match &alert.fault {
            Fault::Domain { domain: DomainFault::Stale { since } } => Some(*since),
            Fault::Lookup { .. } => Some(alert.since),
            _ => None,
        });
        let learned = self.known.registrations.get(&probe.about.name).map(|known| known.at);
        noted.or_else(|| learned.max(self.known.begun))
    }

    /// What there is to say when the registration was not confirmed for too long.
    pub(crate) fn stale(&self, probe: &Probe, now: Time) -> Option<Charge> {
        let confirmed = self.confirmed(probe)?;
        let last_known = self.known.registrations.get(&probe.about.name).map(|known| &known.seen);
        (registration::stale_at(confirmed, probe.interval) <= now)
            .then(|| registration::stale(confirmed, last_known))
    }

    /// Judges the dates of a registration without a new answer.
    pub(crate) fn dates(&mut self, config: &Config, probe: &Probe, now: Time, out: &mut Out) {
        let Ask::Domain { name } = &probe.ask else { return };
        let seen = match self.known.registrations.get(name) {
            Some(known) => known.seen.clone(),
            None => registration::declared_only(name),
        };
        let mut verdict = Verdict::default();
        if let Judged::Bad(charge) = self.worst_date(config, name, &seen, now) {
            let grace = match &charge.fault {
                Fault::Domain { domain: DomainFault::Expired { .. } } => Some(EXPIRY_GRACE),
                Fault::Domain { domain: DomainFault::Expires { .. } } => Some(STEP_GRACE),
                _ => None,
            };
            let lookup = self.fresh.lookups.entry(probe.id.clone()).or_default();
            if let Some(grace) = grace {
                // Perhaps it was renewed since we last asked: ask, and wait a moment for the answer.
                let asked_at = *lookup.confirm.get_or_insert(now);
                self.fresh.pressing.insert(probe.id.clone());
                if between(asked_at, now) >= grace {
                    verdict = verdict.bad(charge);
                } else {
                    self.fresh.due.insert((later(asked_at, grace), probe.id.clone()));
                    return;
                }
            }
        }
        if let Some(charge) = self.stale(probe, now) {
            verdict = verdict.bad(charge);
        }
        verdict.well = self.fresh.probes.get(&probe.id).is_none_or(|asked| asked.well);
        self.count(probe, verdict.lanes, false, now, out);
        self.config_dates(config, probe, &seen, now);
    }

    fn worst_date(&self, config: &Config, name: &str, seen: &DomainSeen, now: Time) -> Judged {
        let mut verdict = registration::judge(seen, &self.before(config, name), now);
        // What is not known is said when a registry answered, not by the passing of time.
        match verdict.lanes.remove(&Lane::Registration) {
            Some(Judged::Bad(charge))
                if !matches!(charge.fault, Fault::Domain { domain: DomainFault::Undated }) =>
            {
                Judged::Bad(charge)
            }
            _ => Judged::Well,
        }
    }
}
