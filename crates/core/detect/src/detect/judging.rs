//! One answer: from the verdict to the counters, in the order in which it happens.

use super::Detect;
use crate::alert::AlertEvents;
use crate::aspect::Aspect;
use crate::aspects::baseline::baseline;
use crate::aspects::{registration, response, restarts, ups};
use crate::lookup::{Lookup, Trouble};
use crate::violation::{Judgement, Reachability, Verdict, hurts_now};
use std::collections::BTreeMap;
use types::config::{Probe, ProbeKind};
use types::fault::{DnsFault, TlsFault};
use types::probe_result::Answer;
use types::{Config, EventKind, Fault, Kind, ProbeResult, Resource, Time};

impl Detect {
    /// The verdict on one answer. Learns from it what is to be learned.
    pub(super) fn verdict(
        &mut self,
        config: &Config,
        probe: &Probe,
        result: &ProbeResult,
        now: Time,
        events: &mut AlertEvents,
    ) -> Verdict {
        match (&probe.kind, &result.answer) {
            (_, Answer::Database(seen)) => self.judge_database(config, probe, seen, now, events),
            (ProbeKind::Pool { name }, answer) => self.judge_pool(config, probe, name, answer, now, events),
            (ProbeKind::Nut { .. }, answer) => ups::judge(answer),
            (ProbeKind::Dns { names, .. }, Answer::Dns(seen)) => self.judge_zone(seen, names, now, events),
            (ProbeKind::Domain { .. }, Answer::Domain(seen)) => {
                self.judge_registration(config, probe, seen, now, events)
            }
            (ProbeKind::Domain { .. }, Answer::Failed(Fault::Domain { domain })) => {
                self.note_lookup(config, probe, now);
                registration::unregistered(domain)
            }
            // The lookup failed for another reason: the last known date stays valid (P12).
            (ProbeKind::Domain { .. }, Answer::Failed(fault)) => self.lookup_failed(probe, fault, now),
            (
                ProbeKind::Domain { .. } | ProbeKind::Dns { .. } | ProbeKind::Database { .. },
                Answer::Http(_) | Answer::Tcp { .. } | Answer::Tls(_),
            )
            | (_, Answer::Pool(_) | Answer::Ups(_)) => Verdict::default(),
            _ => {
                let host = Resource::host(probe.about.name.clone());
                let host_too = probe.about.kind == Kind::Tls
                    && self.volatile.index.as_ref().is_some_and(|index| index.about.contains_key(&host));
                let usual = baseline(&self.state, probe, result);
                if let (true, Some(status)) = (usual.is_new, usual.status) {
                    events.push(EventKind::BaselineLearned { probe: probe.id.clone(), status });
                }
                let verdict = response::judge(probe, result, host_too, usual.status, now);
                let known = self.volatile.restarts.entry(probe.id.clone()).or_default();
                restarts::of_host(verdict, &result.answer, known, now)
            }
        }
    }

    fn lookup_failed(&mut self, probe: &Probe, fault: &Fault, now: Time) -> Verdict {
        let retry_after = match fault {
            Fault::Lookup { retry_after, .. } => *retry_after,
            _ => None,
        };
        self.volatile.lookups.entry(probe.id.clone()).or_default().failed(retry_after, now);
        self.volatile.urgent_lookups.insert(probe.id.clone());
        let verdict = Verdict { healthy: self.volatile.is_healthy(&probe.id), ..Verdict::default() };
        // While mainstay is isolated, the failure is not the registry's.
        if self.isolated().is_some() {
            return verdict;
        }
        verdict.bad(self.stale(probe, now).unwrap_or_else(|| registration::lookup_failed(fault.clone())))
    }

    /// Records a verdict: connectivity first, then the counters, then the trouble of domains.
    pub(super) fn record(
        &mut self,
        config: &Config,
        probe: &Probe,
        verdict: Verdict,
        now: Time,
        events: &mut AlertEvents,
    ) {
        // What users see is as bad as it is; how loudly it is said, the probe declares.
        let Verdict { aspects, reachability, healthy } = verdict.at_most(probe.severity);
        let quiet = self.isolated().is_some()
            || self.open.about(&self.state, &probe.about).any(|alert| alert.probe == probe.id);
        if let (Some(index), false) = (&self.volatile.index, matches!(probe.kind, ProbeKind::Domain { .. })) {
            self.volatile.connectivity.note(&probe.id, reachability, index, quiet, now);
        }
        // This answer replaces the one that was held back.
        self.volatile.held_back.remove(&probe.id);
        let isolated = self.check_connectivity(now, events);
        let unreached = reachability != Reachability::Answered;
        let aspects = if isolated && unreached { BTreeMap::new() } else { aspects };
        let hold = unreached && self.volatile.connectivity.holds_back(now);
        let troubled = suggests_domain_loss(probe, &aspects);
        let history = self.volatile.history(&probe.id, now, healthy);
        history.last = now;
        history.healthy = healthy;
        self.count(probe, aspects, hold, now, events);
        self.note_trouble(config, probe, troubled, now);
    }

    /// Follows which domains are in trouble.
    fn note_trouble(&mut self, config: &Config, probe: &Probe, troubled: bool, now: Time) {
        let Some(zone) = self.zone_of(config, &probe.id) else { return };
        if troubled {
            let trouble = self.volatile.troubles.entry(zone).or_insert_with(|| Trouble::new(now));
            trouble.seen_by.insert(probe.id.clone());
        } else if let Some(trouble) = self.volatile.troubles.get_mut(&zone) {
            // A failed lookup gives no information and ends no trouble.
            let failing = self.volatile.lookups.get(&probe.id).is_some_and(Lookup::is_failing);
            if !failing {
                trouble.seen_by.remove(&probe.id);
            }
            if trouble.seen_by.is_empty() {
                self.volatile.troubles.remove(&zone);
            }
        }
    }
}

/// Whether an answer suggests that the domain itself may be lost.
fn suggests_domain_loss(probe: &Probe, aspects: &BTreeMap<Aspect, Judgement>) -> bool {
    aspects.values().any(|judgement| match judgement {
        Judgement::Good => false,
        Judgement::Bad(violation) => match &violation.fault {
            Fault::Dns { dns } => {
                matches!(dns, DnsFault::DelegationMoved { .. } | DnsFault::NotDelegated | DnsFault::NoServer)
            }
            Fault::Domain { .. } => hurts_now(&violation.fault, violation.severity),
            Fault::Tls { tls } => matches!(tls, TlsFault::WrongName { .. } | TlsFault::SelfSigned),
            Fault::NameNotFound => probe.about.kind == Kind::Host,
            _ => false,
        },
    })
}
