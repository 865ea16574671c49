//! Time, author and status of updates.

use crate::fixture::{Fixture, diagnosis};
use types::config::Publish;
use types::event::{ServiceState, UpdateStatus};
use types::fault::Fault;
use types::incident::Stage;
use types::{EventKind, Resource, Severity};

fn api() -> Resource {
    Resource::host("api.acme.com")
}

/// Fixture in which everything works, except that the API fails from now on.
fn failing(publish: Publish) -> Fixture {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.config.status_page.publish = publish;
    fixture.succeed_everywhere();
    fixture.react();
    fixture.advance(30);
    fixture.fire(1, api(), Fault::Refused, Severity::Critical);
    fixture.open(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Failing));
    fixture.react();
    fixture
}

fn recover(fixture: &mut Fixture, resolved: bool) {
    fixture.clear(1);
    fixture.succeed_everywhere();
    if resolved {
        fixture.resolve(1);
    } else {
        fixture.diagnose(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Recovering));
    }
    fixture.react();
}

/// Status and second of each update, from the beginning of the outage on.
fn published(fixture: &Fixture) -> Vec<(UpdateStatus, i64)> {
    let begun = crate::fixture::at("2026-11-22T12:00:30Z");
    let updates = fixture.journal.events.iter().filter_map(|event| match &event.kind {
        EventKind::UpdatePublished { status, .. } => {
            Some((*status, event.at.duration_since(begun).as_secs()))
        }
        _ => None,
    });
    updates.collect()
}

#[test]
fn outage_under_a_minute_publishes_nothing() {
    for secs in [5, 30, 59] {
        let mut fixture = failing(Publish::Automatic);
        fixture.advance(secs);
        recover(&mut fixture, true);
        fixture.advance(600);
        assert_eq!(published(&fixture), [], "{secs} s");
        assert_eq!(fixture.status_page().past[0].incidents, [], "{secs} s");
    }
}

#[test]
fn first_update_delay_continues_through_changes_and_restart() {
    let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
    fixture.succeed_everywhere();
    fixture.react();
    fixture.advance(30);
    fixture.fire(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    fixture.open(1, diagnosis(Resource::host("auth.acme.com"), &["auth"], &[], true, Stage::Failing));
    fixture.react();
    fixture.advance(30);
    fixture.fire(2, Resource::host("demo.acme.app"), Fault::Refused, Severity::Critical);
    fixture.react();
    let before = fixture.now;
    fixture.advance(10);
    fixture.commit(vec![EventKind::Booted { unmonitored_since: Some(before) }]);
    fixture.react();
    fixture.advance(60);
    assert_eq!(published(&fixture)[0], (UpdateStatus::Identified, 60));
}

#[test]
fn short_recovery_is_resolved_without_monitoring() {
    let mut fixture = failing(Publish::Automatic);
    fixture.advance(70);
    recover(&mut fixture, false);
    fixture.advance(100);
    fixture.resolve(1);
    fixture.react();
    assert_eq!(published(&fixture), [(UpdateStatus::Identified, 60), (UpdateStatus::Resolved, 170)]);
}

#[test]
fn long_recovery_is_monitored_for_at_least_a_minute() {
    let mut fixture = failing(Publish::Automatic);
    fixture.advance(70);
    recover(&mut fixture, false);
    fixture.advance(125);
    fixture.resolve(1);
    fixture.react();
    assert_eq!(fixture.status_page().open.len(), 1, "Monitoring and Resolved are a minute apart");
    fixture.advance(120);
    let wanted =
        [(UpdateStatus::Identified, 60), (UpdateStatus::Monitoring, 190), (UpdateStatus::Resolved, 250)];
    assert_eq!(published(&fixture), wanted);
}

#[test]
fn status_never_goes_back_to_investigating() {
    let mut fixture = failing(Publish::Automatic);
    fixture.advance(70);
    fixture.diagnose(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Investigating));
    fixture.react();
    fixture.advance(300);
    assert_eq!(published(&fixture), [(UpdateStatus::Identified, 60)]);
    recover(&mut fixture, false);
    fixture.advance(130);
    fixture.fire(2, api(), Fault::Refused, Severity::Critical);
    fixture.diagnose(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Investigating));
    fixture.react();
    fixture.advance(100);
    let statuses: Vec<UpdateStatus> = published(&fixture).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [UpdateStatus::Identified, UpdateStatus::Monitoring, UpdateStatus::Identified]);
}

#[test]
fn manual_resolve_stays_open_publicly_while_the_service_is_out() {
    let mut fixture = failing(Publish::Automatic);
    fixture.advance(70);
    fixture.resolve(1);
    fixture.react();
    fixture.advance(300);
    assert_eq!(fixture.status_page().open.len(), 1);
    fixture.clear(1);
    fixture.succeed_everywhere();
    fixture.react();
    assert_eq!(fixture.status_page().open, []);
}

#[test]
fn incident_without_remaining_impact_is_resolved_publicly() {
    let mut fixture = failing(Publish::Automatic);
    fixture.advance(70);
    let few = Fault::PoolBelowMinimum {
        healthy: 1,
        declared: 2,
        min_healthy: 2,
        out: Vec::new(),
        serving: Vec::new(),
        backups: 0,
        balancer: None,
        refuses: false,
    };
    fixture.fire(2, Resource::pool("api"), few, Severity::Critical);
    fixture.clear(1);
    fixture.succeed_everywhere();
    fixture.diagnose(1, diagnosis(Resource::pool("api"), &["api"], &[], true, Stage::Failing));
    fixture.react();
    fixture.advance(119);
    assert_eq!(fixture.status_page().open.len(), 1);
    fixture.advance(10);
    assert_eq!(fixture.status_page().open, []);
    fixture.fire(3, api(), Fault::Refused, Severity::Critical);
    fixture.diagnose(1, diagnosis(Resource::pool("api"), &["api"], &[], true, Stage::Failing));
    fixture.react();
    fixture.advance(59);
    assert_eq!(fixture.status_page().open, []);
    fixture.advance(10);
    assert_eq!(fixture.status_page().open[0].status, UpdateStatus::Identified);
}

#[test]
fn draft_is_published_on_approval() {
    let mut fixture = failing(Publish::Approve);
    fixture.advance(2_400);
    assert_eq!(published(&fixture), []);
    let drafts: Vec<_> = fixture.publisher.drafts().collect();
    assert_eq!(drafts.len(), 1);
    assert!(!drafts[0].body.contains("Next update by"), "no update is promised: {}", drafts[0].body);
    assert_eq!(fixture.worst(), (ServiceState::MajorOutage, vec!["API".into()]), "states need no approval");
    let update = fixture
        .publisher
        .approved(drafts[0].incident, types::Actor::person("Ana", types::Via::Console))
        .unwrap();
    fixture.commit(vec![update]);
    fixture.react();
    assert_eq!(fixture.publisher.drafts().count(), 0);
    assert_eq!(fixture.status_page().open[0].next_update_by, None);
    recover(&mut fixture, true);
    assert_eq!(fixture.status_page().open.len(), 1, "the end needs approval too");
    let update = fixture
        .publisher
        .approved(drafts[0].incident, types::Actor::person("Ana", types::Via::Console))
        .unwrap();
    fixture.commit(vec![update]);
    fixture.react();
    assert_eq!(fixture.status_page().open, []);
    fixture.restart();
}

#[test]
fn unpublished_draft_lapses_with_its_incident() {
    let mut fixture = failing(Publish::Approve);
    fixture.advance(90);
    assert_eq!(fixture.publisher.drafts().count(), 1);
    recover(&mut fixture, true);
    fixture.advance(600);
    assert_eq!(fixture.publisher.drafts().count(), 0);
    assert_eq!(published(&fixture), []);
}

#[test]
fn manual_mode_publishes_nothing_automatically() {
    let mut fixture = failing(Publish::Manual);
    fixture.advance(4_000);
    fixture.write(1, UpdateStatus::Identified, "We know.");
    fixture.react();
    fixture.advance(4_000);
    recover(&mut fixture, true);
    fixture.advance(600);
    assert_eq!(published(&fixture).len(), 1);
    assert_eq!(fixture.publisher.drafts().count(), 0);
}

#[test]
fn update_for_subscribers_carries_what_the_incident_said_before() {
    let mut fixture = failing(Publish::Manual);
    for n in 1..=13 {
        fixture.advance(1);
        fixture.write(1, UpdateStatus::Investigating, &format!("text {n}"));
    }
    fixture.react();
    let page = fixture.status_page();
    let updates = page.updates_after(types::UpdateId(0));
    let texts = |update: &types::PublicUpdate| {
        update.earlier.iter().map(|earlier| earlier.body.clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&updates[0]), [""; 0]);
    assert_eq!(texts(&updates[2]), ["text 2", "text 1"], "newest first");
    let last = updates.last().unwrap();
    assert_eq!((last.body.as_str(), last.earlier.len()), ("text 13", 10));
    assert_eq!(page.updates_after(updates[11].id), std::slice::from_ref(last));
    assert_eq!(page.newest_update(), last.id);
}
