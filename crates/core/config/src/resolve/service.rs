//! Resolves one service: its host names, with wildcards replaced by samples, and its references.

use crate::diagnostics::Diagnostics;
use crate::kind::value::At;
use crate::parse::host::{self, Host};
use crate::parse::url::Url;
use crate::raw::service::RawService;
use crate::raw::{RawConfig, title_of};
use crate::resolve::team::DEFAULT;
use crate::suggest::shown;
use std::collections::{BTreeMap, BTreeSet};
use types::config::Service;
use types::{EscalationId, Kind, ScheduleId, ServiceId};

/// Derivation stops at this many hosts, which are too many anyway: a few wildcards with ports and a few samples could make millions.
const MAX_HOSTS: usize = 100_000;

/// Resolves a service, and adds its hosts to those of all services.
pub(crate) fn resolve(
    raw: &RawConfig,
    name: &str,
    service: &RawService,
    hosts: &mut BTreeMap<String, Host>,
    diagnostics: &mut Diagnostics,
) -> Service {
    let concrete = concrete_hosts(service, hosts, diagnostics);
    check_references(raw, service, diagnostics);
    Service {
        id: ServiceId::from(name),
        title: service.title.clone().unwrap_or_else(|| title_of(name)),
        group: service.group.clone(),
        hosts: concrete,
        declared_hosts: service
            .hosts
            .named
            .iter()
            .map(|at| at.value.text())
            .chain(service.hosts.all.iter().map(|_| "*".to_owned()))
            .collect(),
        depends_on: service.depends_on.iter().map(|need| need.value.clone()).collect(),
        schedule: service.schedule.as_ref().map(|at| ScheduleId(at.value.clone())),
        escalation: EscalationId(
            service.escalation.as_ref().map_or_else(|| DEFAULT.to_owned(), |at| at.value.clone()),
        ),
        public: service.public,
        traffic: service.traffic.as_ref().map(|traffic| traffic.policy(service.offline.as_ref())),
        runbook: service.runbook.as_ref().map(Url::text),
    }
}

/// The host names to probe, with wildcards replaced by their samples.
fn concrete_hosts(
    service: &RawService,
    hosts: &mut BTreeMap<String, Host>,
    diagnostics: &mut Diagnostics,
) -> Vec<String> {
    let mut concrete: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut used = vec![false; service.wildcard_samples.len()];
    // The samples below each name, so that wildcards and samples are not compared pairwise.
    let mut below: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, sample) in service.wildcard_samples.iter().enumerate() {
        for above in sample.value.dns().into_iter().flat_map(host::above) {
            below.entry(above).or_default().push(index);
        }
    }
    let mut add = |host: Host| {
        let text = host.text(443);
        if seen.insert(text.clone()) {
            concrete.push(text.clone());
            hosts.insert(text, host);
        }
        hosts.len() < MAX_HOSTS
    };
    for at in &service.hosts.named {
        let pattern = &at.value;
        if !pattern.is_wildcard {
            add(pattern.host.clone());
            continue;
        }
        let mut is_covered = false;
        for index in pattern.host.dns().and_then(|base| below.get(base)).into_iter().flatten() {
            let Some((sample, used)) = service.wildcard_samples.get(*index).zip(used.get_mut(*index)) else {
                continue;
            };
            if pattern.covers(&sample.value) {
                (*used, is_covered) = (true, true);
                if !add(Host { name: sample.value.name.clone(), port: pattern.host.port }) {
                    break;
                }
            }
        }
        let are_samples_wrong =
            service.written.is_filled("wildcard_samples") && service.wildcard_samples.is_empty();
        if !is_covered && !are_samples_wrong {
            let text = pattern.text();
            let base = pattern.host.text(443);
            diagnostics.missing(
                at.place.clone(),
                format!("`{}` has no sample: a wildcard cannot be probed", shown(&text)),
                format!("add existing names: wildcard_samples = [\"demo.{}\"]", shown(&base)),
            );
        }
    }
    // After MAX_HOSTS not all samples were matched.
    if hosts.len() < MAX_HOSTS {
        report_unused_samples(service, &used, diagnostics);
    }
    concrete
}

fn report_unused_samples(service: &RawService, used: &[bool], diagnostics: &mut Diagnostics) {
    for (sample, _) in service.wildcard_samples.iter().zip(used).filter(|(_, used)| !**used) {
        let text = sample.value.text(443);
        diagnostics.missing(
            sample.place.clone(),
            format!("the sample `{}` is below no wildcard of this service", shown(&text)),
            format!("declare it as a host: hosts = [\"{}\"]", shown(&text)),
        );
    }
}

/// Checks that dependencies, schedule and escalation are declared.
fn check_references(raw: &RawConfig, service: &RawService, diagnostics: &mut Diagnostics) {
    for At { value, place } in &service.depends_on {
        let declared: Vec<&str> = match value.kind {
            Kind::Pool => raw.pools.keys().map(String::as_str).collect(),
            Kind::Database => raw.databases.keys().map(String::as_str).collect(),
            Kind::Heartbeat => raw.heartbeats.keys().map(String::as_str).collect(),
            _ => raw.services.keys().map(String::as_str).collect(),
        };
        if !declared.contains(&value.name.as_str()) {
            diagnostics.unknown(place.clone(), value.kind.as_str(), &value.name, declared.into_iter());
        }
    }
    for schedule in service.schedule.iter().filter(|schedule| !raw.schedules.contains_key(&schedule.value)) {
        diagnostics.unknown(
            schedule.place.clone(),
            "schedule",
            &schedule.value,
            raw.schedules.keys().map(String::as_str),
        );
    }
    let is_escalation = |name: &str| name == DEFAULT || raw.escalations.contains_key(name);
    for escalation in service.escalation.iter().filter(|escalation| !is_escalation(&escalation.value)) {
        let known = raw.escalations.keys().map(String::as_str).chain([DEFAULT]);
        diagnostics.unknown(escalation.place.clone(), "escalation", &escalation.value, known);
    }
}
