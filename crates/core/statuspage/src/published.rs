//! When words appear: the minute, who publishes, and which status follows which.

use crate::world::{World, diagnosis};
use types::config::Publish;
use types::event::PostStatus;
use types::fault::Fault;
use types::incident::Stage;
use types::{EventKind, Resource, Severity};

fn api() -> Resource {
    Resource::host("api.acme.com")
}

/// A world that was well, with the API failing from now on.
fn failing(publish: Publish) -> World {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.config.status_page.publish = publish;
    world.look_everywhere();
    world.settle();
    world.pass(30);
    world.find(1, api(), Fault::Refused, Severity::Critical);
    world.open(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Failing));
    world.settle();
    world
}

fn recover(world: &mut World, resolved: bool) {
    world.close(1);
    world.look_everywhere();
    if resolved {
        world.resolve(1);
    } else {
        world.diagnose(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Recovering));
    }
    world.settle();
}

/// Status and second of each update, from the beginning of the outage on.
fn published(world: &World) -> Vec<(PostStatus, i64)> {
    let begun = crate::world::at("2026-11-22T12:00:30Z");
    let posts = world.journal.iter().filter_map(|event| match &event.kind {
        EventKind::PostPublished { status, .. } => Some((*status, event.at.duration_since(begun).as_secs())),
        _ => None,
    });
    posts.collect()
}

#[test]
fn outage_under_a_minute_has_no_update_not_even_its_end() {
    for secs in [5, 30, 59] {
        let mut world = failing(Publish::Automatic);
        world.pass(secs);
        recover(&mut world, true);
        world.pass(600);
        assert_eq!(published(&world), [], "{secs} s");
        assert_eq!(world.status_page().past[0].incidents, [], "{secs} s");
    }
}

#[test]
fn minute_goes_on_when_an_outage_gets_worse_and_through_a_restart() {
    let mut world = World::new("2026-11-22T12:00:00Z");
    world.look_everywhere();
    world.settle();
    world.pass(30);
    world.find(1, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    world.open(1, diagnosis(Resource::host("auth.acme.com"), &["auth"], &[], true, Stage::Failing));
    world.settle();
    world.pass(30);
    world.find(2, Resource::host("demo.acme.app"), Fault::Refused, Severity::Critical);
    world.settle();
    let before = world.now;
    world.pass(10);
    world.commit(vec![EventKind::Booted { unmonitored_since: Some(before) }]);
    world.settle();
    world.pass(60);
    assert_eq!(published(&world)[0], (PostStatus::Identified, 60));
}

#[test]
fn short_recovery_is_resolved_without_monitoring() {
    let mut world = failing(Publish::Automatic);
    world.pass(70);
    recover(&mut world, false);
    world.pass(100);
    world.resolve(1);
    world.settle();
    assert_eq!(published(&world), [(PostStatus::Identified, 60), (PostStatus::Resolved, 170)]);
}

#[test]
fn long_recovery_is_monitored_for_a_minute_at_least() {
    let mut world = failing(Publish::Automatic);
    world.pass(70);
    recover(&mut world, false);
    world.pass(125);
    world.resolve(1);
    world.settle();
    assert_eq!(world.status_page().open.len(), 1, "not both in one breath");
    world.pass(120);
    let wanted = [(PostStatus::Identified, 60), (PostStatus::Monitoring, 190), (PostStatus::Resolved, 250)];
    assert_eq!(published(&world), wanted);
}

#[test]
fn status_never_goes_back_to_investigating() {
    let mut world = failing(Publish::Automatic);
    world.pass(70);
    world.diagnose(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Investigating));
    world.settle();
    world.pass(300);
    assert_eq!(published(&world), [(PostStatus::Identified, 60)]);
    recover(&mut world, false);
    world.pass(130);
    world.find(2, api(), Fault::Refused, Severity::Critical);
    world.diagnose(1, diagnosis(api(), &["api"], &["shop"], true, Stage::Investigating));
    world.settle();
    world.pass(100);
    let told: Vec<PostStatus> = published(&world).into_iter().map(|(status, _)| status).collect();
    assert_eq!(told, [PostStatus::Identified, PostStatus::Monitoring, PostStatus::Identified]);
}

#[test]
fn resolved_by_hand_is_not_over_for_visitors_while_the_service_is_out() {
    let mut world = failing(Publish::Automatic);
    world.pass(70);
    world.resolve(1);
    world.settle();
    world.pass(300);
    assert_eq!(world.status_page().open.len(), 1);
    world.close(1);
    world.look_everywhere();
    world.settle();
    assert_eq!(world.status_page().open, []);
}

#[test]
fn incident_of_which_clients_notice_nothing_any_more_is_over_for_them() {
    let mut world = failing(Publish::Automatic);
    world.pass(70);
    let few = Fault::PoolBelowMinimum { healthy: 1, declared: 2, min_healthy: 2, out: Vec::new() };
    world.find(2, Resource::pool("api"), few, Severity::Critical);
    world.close(1);
    world.look_everywhere();
    world.diagnose(1, diagnosis(Resource::pool("api"), &["api"], &[], true, Stage::Failing));
    world.settle();
    world.pass(119);
    assert_eq!(world.status_page().open.len(), 1);
    world.pass(10);
    assert_eq!(world.status_page().open, []);
    world.find(3, api(), Fault::Refused, Severity::Critical);
    world.diagnose(1, diagnosis(Resource::pool("api"), &["api"], &[], true, Stage::Failing));
    world.settle();
    world.pass(59);
    assert_eq!(world.status_page().open, []);
    world.pass(10);
    assert_eq!(world.status_page().open[0].status, PostStatus::Identified);
}

#[test]
fn draft_waits_for_a_person() {
    let mut world = failing(Publish::Approve);
    world.pass(2_400);
    assert_eq!(published(&world), []);
    let drafts: Vec<_> = world.tell.drafts().collect();
    assert_eq!(drafts.len(), 1);
    assert!(!drafts[0].body.contains("Next update by"), "nothing can be promised: {}", drafts[0].body);
    assert_eq!(world.status_page().headline, "Major outage: API", "states do not wait");
    let post = world.tell.approved(drafts[0].incident, "Ana".to_owned()).unwrap();
    world.commit(vec![post]);
    world.settle();
    assert_eq!(world.tell.drafts().count(), 0);
    assert_eq!(world.status_page().open[0].next_post_by, None);
    recover(&mut world, true);
    assert_eq!(world.status_page().open.len(), 1, "the end waits too");
    let post = world.tell.approved(drafts[0].incident, "Ana".to_owned()).unwrap();
    world.commit(vec![post]);
    world.settle();
    assert_eq!(world.status_page().open, []);
    world.crash();
}

#[test]
fn draft_that_nobody_published_lapses_with_its_incident() {
    let mut world = failing(Publish::Approve);
    world.pass(90);
    assert_eq!(world.tell.drafts().count(), 1);
    recover(&mut world, true);
    world.pass(600);
    assert_eq!(world.tell.drafts().count(), 0);
    assert_eq!(published(&world), []);
}

#[test]
fn manual_publishes_nothing_by_itself() {
    let mut world = failing(Publish::Manual);
    world.pass(4_000);
    world.say(1, PostStatus::Identified, "We know.");
    world.settle();
    world.pass(4_000);
    recover(&mut world, true);
    world.pass(600);
    assert_eq!(published(&world).len(), 1);
    assert_eq!(world.tell.drafts().count(), 0);
}
