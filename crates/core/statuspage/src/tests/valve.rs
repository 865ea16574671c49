//! A valve that is not fully open: what the public reads, also once the incident itself is over.

use super::state;
use crate::fixture::{Fixture, diagnosis};
use crate::status_page::Access;
use types::event::{ServiceState, UpdateStatus};
use types::fault::Fault;
use types::incident::Stage;
use types::{Actor, EventKind, IncidentId, Resource, Severity, Valve, ValveReason, Via};

fn set(fixture: &mut Fixture, percent: u8) {
    let at = fixture.now;
    let valve = Valve {
        number: 1,
        service: "auth".into(),
        percent,
        limited: false,
        ramp_from: Some(percent),
        since: at,
        changed: at,
        by: "ana".to_owned(),
        usual: None,
    };
    fixture.commit(vec![EventKind::ValveSet { valve, by: Actor::person("ana", Via::Console) }]);
    fixture.react();
}

fn last_update(fixture: &mut Fixture) -> Option<UpdateStatus> {
    let page = fixture.status_page();
    let past = page.past.iter().flat_map(|day| &day.incidents);
    let found = page.open.iter().chain(past).find(|incident| incident.id == IncidentId(1));
    found.map(|incident| incident.status)
}

#[test]
fn incident_stays_public_until_the_valve_is_open() {
    let mut fixture = Fixture::new("2026-11-22T15:28:00Z");
    fixture.succeed_everywhere();
    fixture.react();
    let host = || Resource::host("auth.acme.com");
    let affects = |stage| diagnosis(host(), &["auth"], &["api", "shop", "inner"], true, stage);
    fixture.probe("auth.acme.com", false);
    fixture.fire(1, host(), Fault::Refused, Severity::Critical);
    fixture.open(1, affects(Stage::Failing));
    fixture.react();
    fixture.advance(120);
    set(&mut fixture, 20);
    fixture.clear(1);
    fixture.probe("auth.acme.com", true);
    fixture.diagnose(1, affects(Stage::Recovering));
    fixture.react();
    fixture.resolve(1);
    fixture.react();
    fixture.advance(600);
    assert_eq!(state(&fixture, "auth"), ServiceState::PartialOutage, "{}", fixture.transcript());
    assert_ne!(last_update(&mut fixture), Some(UpdateStatus::Resolved), "{}", fixture.transcript());
    let page = fixture.status_page();
    let auth = page.groups.iter().flat_map(|group| &group.components).find(|part| part.id.0 == "auth");
    assert_eq!(auth.and_then(|part| part.access), Some(Access::SomeWait));

    fixture.restart();
    fixture.succeed_everywhere();
    let why = ValveReason::Healthy { secs: 30 };
    fixture.commit(vec![EventKind::ValveMoved { service: "auth".into(), percent: 100, why }]);
    fixture.react();
    fixture.advance(600);
    assert_eq!(state(&fixture, "auth"), ServiceState::Operational, "{}", fixture.transcript());
    assert_eq!(last_update(&mut fixture), Some(UpdateStatus::Resolved), "{}", fixture.transcript());
}
