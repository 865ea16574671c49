//! What holds whatever comes in.

use crate::fixture::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use types::fault::{DnsFault, DomainFault, Fault, TlsFault};
use types::{AlertId, EventKind, IncidentId, Kind, LastResult, Resource, Severity};

fn trouble(resource: &Resource, pick: u8) -> (Fault, Severity) {
    let domain = |domain| Fault::Domain { domain };
    match (resource.kind, pick % 3) {
        (Kind::Domain, 0) => (domain(DomainFault::Expired { at: None, parked_on: None }), Severity::Critical),
        (Kind::Domain, 1) => (domain(DomainFault::PendingTransfer), Severity::Warning),
        (Kind::Domain, _) => {
            (domain(DomainFault::Expires { at: at("2026-11-23T00:00:00Z"), days: 1 }), Severity::Critical)
        }
        (Kind::Dns, 0) => (Fault::Dns { dns: DnsFault::NoServer }, Severity::Critical),
        (Kind::Dns, 1) => {
            (Fault::Dns { dns: DnsFault::LameServers { servers: set(&["x"]) } }, Severity::Warning)
        }
        (Kind::Dns, _) => (Fault::Dns { dns: DnsFault::NotDelegated }, Severity::Info),
        (Kind::Tls, 0 | 1) => (Fault::Tls { tls: TlsFault::SelfSigned }, Severity::Critical),
        (_, 0) => (Fault::Slow { limit: secs(1) }, Severity::Warning),
        (_, 1) => (Fault::Refused, Severity::Critical),
        (_, _) => (Fault::Status { got: 500 }, Severity::Critical),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_in(steps in prop::collection::vec((0u8..16, 0usize..64, any::<u8>(), 0u64..5), 1..120)) {
        let mut w = Fixture::new();
        for (n, name) in NAMES.iter().chain(&["api.acme.io", "shop.acme.io"]).enumerate() {
            w.put(&format!("host.{name}"), ["192.0.2.1", "192.0.2.2", "192.0.2.1"][n % 3]);
            w.put(&format!("tls.{name}"), ["192.0.2.1", "192.0.2.2", "192.0.2.1"][n % 3]);
            if n % 2 == 0 {
                w.put(&format!("host.{name}"), "lb.acme.com");
            }
        }
        for id in ["one", "two", "three"] {
            w.serve(id, 443, "192.0.2.1");
        }
        let resources: Vec<Resource> = w.config.graph.resources().filter(|resource| resource.kind != Kind::Service).cloned().collect();
        for (what, place, pick, wait) in steps {
            w.pass(wait);
            let resource = resources[place % resources.len()].clone();
            let open: Vec<AlertId> = w.journal.alerts.keys().copied().collect();
            match what {
                0..=4 => {
                    let (fault, severity) = trouble(&resource, pick);
                    let twice = w.journal.alerts.values().any(|f| f.about == resource && f.fault.as_str() == fault.as_str());
                    if !twice {
                        w.open(&resource.to_string(), fault, severity);
                    }
                }
                5..=8 if !open.is_empty() => w.close(open[place % open.len()]),
                9 => w.look_at_all(),
                10 => _ = w.last_results.insert(resource, LastResult { at: w.now, healthy: pick % 2 == 0 }),
                11 => w.restart(),
                12 => _ = w.pass(u64::from(pick) * 10),
                13 => {
                    let incidents = w.diagnose.incidents().values();
                    let by_person = incidents.filter(|incident| incident.is_open()).map(|incident| incident.id).next();
                    if let Some(incident) = by_person {
                        w.record(EventKind::IncidentResolved { incident, summary: "over".into(), by: None });
                    }
                }
                _ => {}
            }
            let before = w.journal.events.len();
            w.react();
            w.sooner();

            // No incident ends by itself while one of its alerts is open.
            for event in &w.journal.events[before..] {
                if let EventKind::IncidentResolved { incident, .. } = &event.kind {
                    let alerts = &w.diagnose.incidents()[incident].diagnosis.alerts;
                    let left: Vec<_> = alerts.iter().filter(|id| w.journal.alerts.contains_key(id)).collect();
                    prop_assert!(left.is_empty(), "{incident} ended over {left:?}");
                }
            }
            // One incident a cause, and no open alert in two of them.
            let mut causes: BTreeMap<Resource, IncidentId> = BTreeMap::new();
            let mut homes: BTreeMap<AlertId, IncidentId> = BTreeMap::new();
            for incident in w.diagnose.incidents().values().filter(|incident| incident.is_open()) {
                prop_assert_eq!(causes.insert(incident.diagnosis.cause.clone(), incident.id), None);
                for alert in incident.diagnosis.alerts.iter().filter(|id| w.journal.alerts.contains_key(id)) {
                    prop_assert_eq!(homes.insert(*alert, incident.id), None, "alert in two incidents");
                }
            }
            // Nothing keeps the clock turning in one place.
            prop_assert!(w.diagnose.next_deadline(&types::Context::new(&w.config, w.now)).is_none_or(|next| next > w.now));
        }
        // Left alone, everything that warns or breaks is in some incident, unless a person set it aside.
        w.pass(20).look_at_all();
        w.react();
        // What only adds to an incident is written down a few seconds later, and so is what an incident left behind that ended then.
        for _ in 0..3 {
            w.pass(6).react();
        }
        w.restart();
        w.react();
        for (id, alert) in w.journal.alerts.clone() {
            let hurts = alert.severity == Severity::Critical
                && !matches!(alert.fault, Fault::Domain { domain: DomainFault::Expires { .. } });
            let known = w.diagnose.incidents().values().any(|incident| {
                // What hurts is in an open one, whatever a person said.
                incident.diagnosis.alerts.contains(&id) && (incident.is_open() || !hurts)
            });
            prop_assert!(known || alert.severity == Severity::Info, "nobody knows of {alert:?}");
        }
        // And when all is well again, everything ends.
        let open: Vec<AlertId> = w.journal.alerts.keys().copied().collect();
        for alert in open {
            w.pass(1).close(alert);
        }
        w.pass(1).look_at_all();
        w.react();
        // What came and went is watched for some minutes more.
        w.pass(200).react();
        for incident in w.diagnose.incidents().values() {
            prop_assert!(!incident.is_open(), "never ends: {incident:?}");
        }
    }
}
