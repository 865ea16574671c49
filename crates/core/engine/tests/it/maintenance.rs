//! Maintenance: what it holds, what it does not, its start and end, through restarts and changed clocks.

use crate::{Bench, person};
use engine::Engine;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use testkit::config::read;
use types::event::ServiceState;
use types::input::Refused;
use types::maintenance::{MaintenanceState, NewMaintenance};
use types::notification::{Delivered, Delivery};
use types::{
    Answer, Command, Config, EventKind, Fault, MaintenanceId, Resource, System, Time, Urgency, time,
};

mod updates;

const CONFIG: &str = r#"
[site]
name = "Acme"
timezone = "Europe/Tallinn"

[service.shop]
title = "Shop"
depends_on = ["service.api"]

[service.api]
title = "API"

[service.blog]
title = "Blog"

[probe.front]
http = "http://192.0.2.7/"
interval = "5s"
service = "shop"

[probe.queue]
http = "http://192.0.2.8/"
interval = "5s"
service = "api"

[probe.pages]
http = "http://192.0.2.9/"
interval = "5s"
service = "blog"

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

const PROBES: [&str; 3] = ["front", "queue", "pages"];
const MINUTE: u64 = 60;

/// What fails, by the minutes during which it does.
type Failures = &'static [(&'static str, std::ops::Range<u64>)];

impl Bench {
    fn maintained(more: &str) -> Self {
        Self::with(read(&format!("{CONFIG}{more}")))
    }

    fn add(&mut self, services: &[&str], minutes: u64) -> MaintenanceId {
        self.add_at(services, None, minutes).unwrap()
    }

    fn add_at(
        &mut self,
        services: &[&str],
        from: Option<Time>,
        minutes: u64,
    ) -> Result<MaintenanceId, Refused> {
        let maintenance = NewMaintenance {
            title: "Database upgrade".to_owned(),
            text: None,
            services: services.iter().map(|service| (*service).into()).collect(),
            resources: BTreeSet::new(),
            from,
            lasting: Duration::from_secs(minutes * MINUTE),
        };
        let events = self.input((person("ana"), Command::AddMaintenance { maintenance }))?;
        let added = events.iter().find_map(|event| match &event.kind {
            EventKind::MaintenanceScheduled { maintenance, .. } => Some(maintenance.id),
            _ => None,
        });
        Ok(added.unwrap())
    }

    fn end(&mut self, id: u64) -> Result<(), Refused> {
        let command = Command::EndMaintenance { maintenance: MaintenanceId(id) };
        self.input((person("ana"), command)).map(drop)
    }

    /// Probes answer every five seconds for some minutes, counted from `begun`.
    fn minutes(&mut self, begun: Time, minutes: u64, failures: Failures) {
        let end = time::later(self.now, Duration::from_secs(minutes * MINUTE));
        while self.now < end {
            let minute = time::between(begun, self.now).as_secs() / MINUTE;
            for probe in PROBES {
                let fails =
                    failures.iter().any(|(other, during)| *other == probe && during.contains(&minute));
                if fails {
                    self.sample_of(probe, Answer::Failed(Fault::Refused));
                } else {
                    self.well_at(probe);
                }
            }
            self.later(5);
        }
    }

    /// The pages that were opened, by minutes after `begun`.
    fn paged(&self, begun: Time) -> Vec<u64> {
        let opened = self.events.iter().filter(|event| matches!(event.kind, EventKind::PageOpened { .. }));
        opened.map(|event| time::between(begun, event.at).as_secs() / MINUTE).collect()
    }

    fn state_of(&self, service: &str) -> ServiceState {
        let page = self.engine.views().status_page;
        let mut components = page.groups.iter().flat_map(|group| &group.components);
        components.find(|component| component.id.0 == service).unwrap().state
    }

    fn states_of_maintenances(&self) -> Vec<MaintenanceState> {
        self.engine.maintenances().values().map(types::ScheduledMaintenance::state).collect()
    }

    fn reboot(&mut self) {
        let mut engine = Engine::new(self.config.clone());
        for event in &self.events {
            let json = serde_json::to_string(event).unwrap();
            engine.apply(&serde_json::from_str(&json).unwrap());
        }
        assert_eq!(engine.state_text(), self.engine.state_text(), "a fold equals the live state");
        self.engine = engine;
        self.input(System::Booted { unmonitored_since: None }).unwrap();
        self.input(System::Config(self.config.clone())).unwrap();
    }
}

#[test]
fn pages_are_held_for_what_a_maintenance_explains_and_for_nothing_else() {
    // From minute 10 on, each maintenance takes 20 minutes; pages are held for 5 more.
    type Case = (&'static [&'static str], Failures, &'static [u64], usize, &'static str);
    let cases: [Case; 11] = [
        (&["api"], &[("queue", 12..18)], &[], 0, "it fails within"),
        (&["api"], &[("queue", 12..18), ("front", 12..18)], &[], 0, "its dependant fails with it"),
        (&["api"], &[("queue", 12..17), ("front", 12..18)], &[], 0, "its dependant recovers later"),
        (&["api"], &[("queue", 12..17), ("front", 12..29)], &[22], 1, "its dependant does not recover"),
        (&["api"], &[("front", 12..18)], &[12], 1, "the dependant alone is another fault"),
        (&["api"], &[("queue", 12..18), ("pages", 14..18)], &[14], 1, "an unrelated service"),
        (&["api"], &[("queue", 8..18)], &[8], 1, "it failed before"),
        (&["api"], &[("queue", 12..40)], &[35], 1, "it still fails afterwards"),
        (&["api"], &[("queue", 12..32)], &[], 0, "it recovers within the grace"),
        (&["api"], &[("queue", 31..36)], &[31], 1, "it fails right after the end"),
        (&["api", "shop", "blog"], &[("queue", 12..18), ("front", 13..19), ("pages", 11..15)], &[], 0, "all"),
    ];
    for (services, failures, pages, updates, why) in cases {
        let mut bench = Bench::maintained("");
        let begun = bench.now;
        bench.minutes(begun, 10, failures);
        bench.add(services, 20);
        bench.minutes(begun, 40, failures);
        assert_eq!(bench.paged(begun), pages, "{why}");
        let published = bench.count(|it| matches!(it, EventKind::UpdatePublished { .. }));
        assert_eq!(published.min(1), updates, "{why}");
        assert!(
            bench.count(|it| matches!(it, EventKind::AlertOpened { .. })) > 0,
            "detection goes on: {why}"
        );
        bench.same_after_replay();
    }
}

#[test]
fn held_incident_notifies_no_one_in_any_way() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    bench.add(&["api"], 120);
    let failing: Failures = &[("queue", 2..90), ("front", 2..90)];
    let mut sent = Vec::new();
    for _ in 0..110 {
        bench.minutes(begun, 1, failing);
        sent.extend(bench.engine.due(bench.now).into_iter().filter(|it| it.urgency == Urgency::Page));
    }
    assert!(sent.is_empty(), "{sent:?}");
    assert!(bench.count(|it| matches!(it, EventKind::IncidentOpened { .. })) > 0);
    let about_incidents = bench.count(|it| matches!(it, EventKind::NoticeQueued { .. }));
    assert_eq!(about_incidents, 0);
}

#[test]
fn page_after_the_end_says_that_a_maintenance_explained_the_failure() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    bench.add(&["api"], 20);
    let failing: Failures = &[("queue", 2..60)];
    bench.minutes(begun, 24, failing);
    assert_eq!(bench.engine.due(bench.now).iter().filter(|it| it.urgency == Urgency::Page).count(), 0);
    bench.minutes(begun, 2, failing);
    let due = bench.engine.due(bench.now);
    let page = due.iter().find(|it| it.urgency == Urgency::Page).unwrap();
    let expected =
        "It began during the maintenance `Database upgrade`, which ended at 05:20 EET, and still fails.";
    assert!(page.body.contains(expected), "{}", page.body);
}

#[test]
fn services_are_under_maintenance_while_it_goes_on() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    let failing: Failures = &[("queue", 5..10), ("front", 5..10), ("pages", 7..10)];
    bench.minutes(begun, 2, failing);
    bench.add(&["api"], 20);
    bench.minutes(begun, 1, failing);
    use ServiceState::{MajorOutage, Operational, UnderMaintenance};
    let states = |bench: &Bench| ["api", "shop", "blog"].map(|service| bench.state_of(service));
    assert_eq!(states(&bench), [UnderMaintenance, Operational, Operational]);
    bench.minutes(begun, 3, failing);
    assert_eq!(states(&bench), [UnderMaintenance, UnderMaintenance, Operational], "it fails because of it");
    bench.minutes(begun, 2, failing);
    assert_eq!(states(&bench), [UnderMaintenance, UnderMaintenance, MajorOutage]);
    bench.minutes(begun, 8, failing);
    assert_eq!(states(&bench), [UnderMaintenance, Operational, Operational]);
    bench.minutes(begun, 8, failing);
    assert_eq!(states(&bench), [Operational; 3]);
}

#[test]
fn maintenance_starts_ends_and_overruns_by_the_clock() {
    type Case = (Failures, &'static [(u64, &'static str)], &'static str);
    let cases: [Case; 5] = [
        (&[], &[(10, "started"), (30, "ended")], "nothing fails"),
        (&[("queue", 12..20)], &[(10, "started"), (30, "ended")], "it is well at the end"),
        (&[("queue", 12..32)], &[(10, "started"), (30, "overran"), (32, "ended")], "well within the grace"),
        (&[("queue", 12..50)], &[(10, "started"), (30, "overran"), (35, "ended")], "it still fails"),
        (&[("pages", 12..50)], &[(10, "started"), (30, "ended")], "an unrelated service fails"),
    ];
    for (failures, expected, why) in cases {
        let mut bench = Bench::maintained("");
        let begun = bench.now;
        let from = time::later(begun, Duration::from_secs(10 * MINUTE));
        bench.add_at(&["api"], Some(from), 20).unwrap();
        bench.minutes(begun, 60, failures);
        let found: Vec<(u64, &str)> = bench
            .events
            .iter()
            .filter_map(|event| {
                let what = match &event.kind {
                    EventKind::MaintenanceStarted { .. } => "started",
                    EventKind::MaintenanceOverran { .. } => "overran",
                    EventKind::MaintenanceEnded { .. } => "ended",
                    _ => return None,
                };
                Some((time::between(begun, event.at).as_secs() / MINUTE, what))
            })
            .collect();
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn early_end_and_cancellation_bring_the_pages_back() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    let soon = time::later(begun, Duration::from_secs(5 * MINUTE));
    bench.add_at(&["api"], Some(soon), 60).unwrap();
    bench.end(1).unwrap();
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::Cancelled]);
    assert_eq!(bench.end(1), Err(Refused::MaintenanceOver(MaintenanceId(1))));
    assert_eq!(bench.end(7), Err(Refused::NoSuchMaintenance(MaintenanceId(7))));
    let failing: Failures = &[("queue", 6..9), ("front", 30..60)];
    bench.minutes(begun, 10, failing);
    assert_eq!(bench.paged(begun), [6], "a cancelled one holds nothing");
    bench.add(&["shop"], 60);
    bench.minutes(begun, 22, failing);
    assert_eq!(bench.paged(begun), [6]);
    bench.end(2).unwrap();
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::Cancelled, MaintenanceState::Completed]);
    bench.minutes(begun, 10, failing);
    assert_eq!(bench.paged(begun), [6, 37], "five minutes after the early end at minute 32");
}

#[test]
fn maintenances_that_overlap_hold_until_each_has_ended() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    bench.add(&["api"], 20);
    bench.add(&["api"], 40);
    bench.add(&["blog"], 30);
    let failing: Failures = &[("queue", 5..90), ("pages", 5..90)];
    bench.minutes(begun, 60, failing);
    assert_eq!(bench.paged(begun), [35, 45], "blog after its one, api after the longer one");
}

#[test]
fn what_cannot_be_scheduled_is_refused_with_a_reason() {
    let mut bench = Bench::maintained("");
    let days = |days: u64| Some(time::later(bench.now, Duration::from_secs(days * 86_400)));
    let (far, past) = (days(500), Some(time::earlier(bench.now, Duration::from_secs(7_200))));
    for (services, from, minutes, expected) in [
        (&["nothing"][..], None, 60, Refused::UnknownService("nothing".into())),
        (&[], None, 60, Refused::MaintenanceOfNothing),
        (&["api"], None, 0, Refused::MaintenanceLength),
        (&["api"], None, 8 * 1_440, Refused::MaintenanceLength),
        (&["api"], far, 60, Refused::MaintenanceDate(400)),
        (&["api"], past, 60, Refused::MaintenanceDate(400)),
    ] {
        assert_eq!(bench.add_at(services, from, minutes), Err(expected));
    }
    for _ in 0..200 {
        bench.add(&["api"], 60);
    }
    assert_eq!(bench.add_at(&["api"], None, 60), Err(Refused::TooManyMaintenances(200)));
}

#[test]
fn restart_forgets_none_and_makes_up_for_what_it_missed() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    bench.add(&["api"], 20);
    let failing: Failures = &[("queue", 5..18)];
    bench.minutes(begun, 6, failing);
    bench.reboot();
    bench.minutes(begun, 6, failing);
    assert_eq!(bench.paged(begun), [] as [u64; 0], "it still holds");
    // The process is away while it ends, and while another one starts and ends.
    bench.minutes(begun, 8, failing);
    let soon = time::later(bench.now, Duration::from_secs(30 * MINUTE));
    bench.add_at(&["blog"], Some(soon), 10).unwrap();
    bench.now = time::later(bench.now, Duration::from_secs(120 * MINUTE));
    bench.reboot();
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::Completed; 2]);
    bench.minutes(begun, 1, &[("queue", 0..1_000)]);
    bench.minutes(begun, 1, &[("queue", 0..1_000)]);
    assert_eq!(bench.paged(begun).len(), 1, "one that ended holds nothing");
    bench.same_after_replay();
}

#[test]
fn recurring_maintenance_follows_the_wall_clock_over_daylight_saving() {
    // Tallinn: EEST (+3) until 25 October 2026, 04:00; EET (+2) afterwards.
    let section = r#"
[maintenance.weekly]
title = "Weekly upgrade"
services = ["api"]
start = 2026-10-18T02:00:00
duration = "2h"
repeat = "1 week"
until = 2026-11-15T00:00:00
"#;
    let config = Arc::new(read(&format!("{CONFIG}{section}")));
    let mut bench = Bench {
        engine: Engine::new(config.clone()),
        config: config.clone(),
        now: "2026-10-16T00:00:00Z".parse().unwrap(),
        events: Vec::new(),
    };
    bench.input(System::Booted { unmonitored_since: None }).unwrap();
    bench.input(System::Config(config)).unwrap();
    let end: Time = "2026-11-20T00:00:00Z".parse().unwrap();
    while bench.now < end {
        let next = bench.engine.next_deadline().unwrap_or(end);
        bench.now = next
            .max(time::later(bench.now, Duration::from_secs(1)))
            .min(time::later(bench.now, Duration::from_secs(3_600)));
        bench.input(System::Tick).unwrap();
    }
    let found: Vec<String> = bench
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::MaintenanceStarted { .. } => Some(format!("from {}", event.at)),
            EventKind::MaintenanceEnded { by, .. } => {
                assert_eq!(*by, None);
                Some(format!("to {}", event.at))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        found,
        [
            "from 2026-10-17T23:00:00Z",
            "to 2026-10-18T01:00:00Z",
            "from 2026-10-24T23:00:00Z",
            "to 2026-10-25T01:00:00Z",
            "from 2026-11-01T00:00:00Z",
            "to 2026-11-01T02:00:00Z",
            "from 2026-11-08T00:00:00Z",
            "to 2026-11-08T02:00:00Z",
        ]
    );
}

#[test]
fn two_starts_in_one_gap_of_the_wall_clock_are_one_maintenance() {
    // Tallinn: 03:00 to 04:00 does not exist on 28 March 2027.
    let section = "[maintenance.often]\nservices = [\"api\"]\nstart = 2027-03-28T02:00:00\nduration = \"50m\"\n\
                   repeat = \"1 hour\"\nuntil = 2027-03-28T06:00:00\n";
    let config = Arc::new(read(&format!("{CONFIG}{section}")));
    let now = "2027-03-27T22:00:00Z".parse().unwrap();
    let mut bench =
        Bench { engine: Engine::new(config.clone()), config: config.clone(), now, events: Vec::new() };
    bench.input(System::Booted { unmonitored_since: None }).unwrap();
    bench.input(System::Config(config)).unwrap();
    let all = bench.engine.maintenances().values();
    let found: Vec<(String, MaintenanceState)> =
        all.map(|one| (one.planned.from.strftime("%H:%M").to_string(), one.state())).collect();
    let expected = ["00:00", "01:00", "02:00"].map(|at| (at.to_owned(), MaintenanceState::Scheduled));
    assert_eq!(found, expected);
}

/// Sets the clock of the engine, as the event loop does.
fn set_clock(bench: &mut Bench, to: &str) {
    let to: Time = to.parse().unwrap();
    let events = bench.events.clone();
    let read = |after: u64, limit: usize| {
        let rest = events.iter().filter(|event| event.seq > after);
        Ok::<_, std::convert::Infallible>(rest.take(limit).cloned().collect())
    };
    let (engine, set) = bench.engine.set_clock(to, read).unwrap();
    bench.engine = engine;
    bench.events.push(set);
    bench.now = to;
    bench.input(System::Config(bench.config.clone())).unwrap();
}

#[test]
fn maintenance_that_began_on_a_clock_ahead_begins_again_at_its_time() {
    let section =
        "[maintenance.upgrade]\nservices = [\"blog\"]\nstart = 2026-11-22T06:00:00\nduration = \"1h\"\n";
    let mut bench = Bench::maintained(section);
    let from: Time = "2026-11-22T04:00:00Z".parse().unwrap();
    bench.add_at(&["shop"], Some(from), 60).unwrap();
    // The clock is 70 minutes ahead from here on.
    bench.later(70 * MINUTE);
    bench.add(&["api"], 20);
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::InProgress; 3]);
    bench.later(5 * MINUTE);
    set_clock(&mut bench, "2026-11-22T03:05:00Z");
    let expected = [MaintenanceState::Scheduled, MaintenanceState::Scheduled, MaintenanceState::InProgress];
    assert_eq!(bench.states_of_maintenances(), expected, "what began when it was added goes on");
    let added = bench.engine.maintenances()[&MaintenanceId(3)].planned.clone();
    assert_eq!(time::between(added.from, added.to), Duration::from_secs(20 * MINUTE));
    assert_eq!(time::between(bench.now, added.to), Duration::from_secs(15 * MINUTE), "the rest of its time");
    let begun = bench.now;
    bench.minutes(begun, 14, &[("queue", 0..30)]);
    assert_eq!(bench.paged(begun), [] as [u64; 0]);
    bench.minutes(begun, 16, &[("queue", 0..30)]);
    assert_eq!(bench.paged(begun), [20], "five minutes after its end");
    bench.minutes(begun, 26, &[]);
    let expected = [MaintenanceState::InProgress, MaintenanceState::InProgress, MaintenanceState::Completed];
    assert_eq!(bench.states_of_maintenances(), expected);
}

/// Written by the version before there were maintenances: an outage from its alert to the effect of the fix.
const EARLIER_JOURNAL: &str = include_str!("../fixtures/journal-without-maintenance.jsonl");

/// Writes every time in one form.
fn canonical_times(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::String(text) => {
            if let Ok(time) = text.parse::<types::Time>() {
                *text = time.to_string();
            }
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(canonical_times),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(canonical_times),
        _ => {}
    }
}

#[test]
fn journal_of_an_earlier_version_replays_and_takes_maintenances() {
    let mut bench = Bench::maintained("");
    bench.engine = Engine::new(bench.config.clone());
    bench.events.clear();
    for line in EARLIER_JOURNAL.lines() {
        let event: types::Event = serde_json::from_str(line).unwrap();
        // A time is the same with and without zeros at its end.
        let [mut was, mut again]: [serde_json::Value; 2] =
            [serde_json::from_str(line).unwrap(), serde_json::to_value(&event).unwrap()];
        [&mut was, &mut again].into_iter().for_each(canonical_times);
        assert_eq!(again, was, "its JSON is kept");
        bench.now = event.at;
        bench.engine.apply(&event);
        bench.events.push(event);
    }
    assert_eq!(bench.count(|kind| matches!(kind, EventKind::IncidentResolved { .. })), 1);
    assert!(bench.engine.maintenances().is_empty());
    let incidents = bench.engine.incidents();
    assert!(incidents.values().all(|incident| !incident.is_open()) && incidents.len() == 1);
    bench.same_after_replay();
    bench.later(60);
    bench.input(System::Booted { unmonitored_since: None }).unwrap();
    bench.input(System::Config(bench.config.clone())).unwrap();
    bench.add(&["api"], 20);
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::InProgress]);
    let begun = bench.now;
    bench.minutes(begun, 10, &[("queue", 1..10)]);
    bench.reboot();
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::InProgress]);
    assert_eq!(bench.count(|kind| matches!(kind, EventKind::PageOpened { .. })), 1, "that of the journal");
}

fn adopted(bench: &mut Bench, more: &str) {
    let config: Arc<Config> = Arc::new(read(&format!("{CONFIG}{more}")));
    bench.config = config.clone();
    bench.input(System::Config(config)).unwrap();
}

#[test]
fn changed_configuration_changes_what_is_scheduled() {
    let section = |title: &str, start: &str, duration: &str| {
        format!(
            "[maintenance.upgrade]\ntitle = \"{title}\"\nservices = [\"api\"]\nstart = {start}\nduration = \"{duration}\"\n"
        )
    };
    let mut bench = Bench::maintained(&section("Upgrade", "2026-11-22T06:00:00", "1h"));
    let planned = |bench: &Bench| -> Vec<(u64, String, String, String, MaintenanceState)> {
        let all = bench.engine.maintenances().values();
        all.map(|one| {
            let planned = &one.planned;
            (
                planned.id.0,
                planned.title.clone(),
                planned.from.to_string(),
                planned.to.to_string(),
                one.state(),
            )
        })
        .collect()
    };
    let row = |id: u64, title: &str, from: &str, to: &str, state| {
        (id, title.to_owned(), format!("2026-11-22T{from}:00Z"), format!("2026-11-22T{to}:00Z"), state)
    };
    assert_eq!(planned(&bench), [row(1, "Upgrade", "04:00", "05:00", MaintenanceState::Scheduled)]);
    adopted(&mut bench, &section("New title", "2026-11-22T06:00:00", "2h"));
    assert_eq!(planned(&bench), [row(1, "New title", "04:00", "06:00", MaintenanceState::Scheduled)]);
    adopted(&mut bench, &section("New title", "2026-11-22T07:00:00", "2h"));
    let cancelled = row(1, "New title", "04:00", "06:00", MaintenanceState::Cancelled);
    let moved = |state| row(2, "New title", "05:00", "07:00", state);
    assert_eq!(planned(&bench), [cancelled.clone(), moved(MaintenanceState::Scheduled)]);
    bench.later(2 * 3_600 + 60);
    assert_eq!(planned(&bench), [cancelled.clone(), moved(MaintenanceState::InProgress)]);
    // What a person ended is not started again by the section.
    bench.end(2).unwrap();
    bench.later(600);
    bench.reboot();
    assert_eq!(planned(&bench), [cancelled.clone(), moved(MaintenanceState::Completed)]);
    adopted(&mut bench, "");
    assert_eq!(planned(&bench), [cancelled, moved(MaintenanceState::Completed)]);
    // A section that was left out for a while is scheduled again, with a number of its own.
    let later = section("Later", "2026-11-22T12:00:00", "1h");
    let again = |id: u64, state| row(id, "Later", "10:00", "11:00", state);
    adopted(&mut bench, &later);
    adopted(&mut bench, "");
    assert_eq!(planned(&bench)[2..], [again(3, MaintenanceState::Cancelled)]);
    adopted(&mut bench, &later);
    bench.reboot();
    let both = [again(3, MaintenanceState::Cancelled), again(4, MaintenanceState::Scheduled)];
    assert_eq!(planned(&bench)[2..], both);
}

#[test]
fn maintenance_of_a_resource_holds_the_services_that_depend_on_it() {
    let more = "[database.main]\nurl = \"env:MAIN_DB_URL\"\n";
    let config = format!("{CONFIG}{more}")
        .replace("title = \"API\"", "title = \"API\"\ndepends_on = [\"database.main\"]");
    let mut bench = Bench::with(read(&config));
    let maintenance = |resource: Resource| {
        let maintenance = NewMaintenance {
            title: "Failover".to_owned(),
            text: None,
            services: BTreeSet::new(),
            resources: [resource].into(),
            from: None,
            lasting: Duration::from_secs(1_200),
        };
        (person("ana"), Command::AddMaintenance { maintenance })
    };
    let unknown = Resource::database("other");
    assert_eq!(bench.input(maintenance(unknown.clone())), Err(Refused::UnknownResource(unknown)));
    bench.input(maintenance(Resource::database("main"))).unwrap();
    let begun = bench.now;
    bench.minutes(begun, 2, &[]);
    // The database refuses connections, and the service with it.
    let probe = bench.config.probes.values().find(|probe| probe.about == Resource::database("main"));
    let probe = probe.unwrap().id.0.clone();
    for _ in 0..60 {
        bench.sample_of(&probe, Answer::Failed(Fault::Refused));
        bench.sample_of("queue", Answer::Failed(Fault::Refused));
        bench.later(5);
    }
    assert!(bench.count(|it| matches!(it, EventKind::IncidentOpened { .. })) > 0);
    assert_eq!(bench.paged(begun), [] as [u64; 0]);
    assert_eq!(bench.state_of("api"), ServiceState::UnderMaintenance);
}

#[test]
fn team_is_reminded_and_learns_that_it_takes_longer() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    let from = time::later(begun, Duration::from_secs(90 * MINUTE));
    bench.add_at(&["api"], Some(from), 20).unwrap();
    // Needs no reminder: whoever schedules it for soon knows of it.
    bench.add_at(&["blog"], Some(time::later(begun, Duration::from_secs(30 * MINUTE))), 5).unwrap();
    let mut sent: Vec<(u64, String, String)> = Vec::new();
    let failing: Failures = &[("queue", 100..140)];
    for minute in 0..150 {
        bench.minutes(begun, 1, failing);
        for notification in bench.engine.due(bench.now) {
            let is_about_maintenance = notification.key.0.starts_with("maintenance");
            assert_eq!(is_about_maintenance, notification.incident.is_none());
            assert!(!is_about_maintenance || notification.urgency == Urgency::Notice);
            sent.push((minute + 1, notification.key.0.clone(), notification.title));
            let delivery = Delivery { key: notification.key, result: Ok(Delivered { receipt: None }) };
            bench.input(types::Observation::Delivery(delivery)).unwrap();
        }
        if minute == 111 {
            let command =
                Command::ExtendMaintenance { maintenance: MaintenanceId(1), by: Duration::from_secs(600) };
            bench.input((person("ana"), command)).unwrap();
            assert_eq!(bench.states_of_maintenances()[0], MaintenanceState::InProgress);
        }
    }
    let unit = |minute: u64| time::later(begun, Duration::from_secs(minute * MINUTE)).as_second();
    let overran = "Maintenance takes longer than planned: Database upgrade";
    let expected = [
        (
            30,
            format!("maintenance-1/reminder-{}/ana/0/0", unit(90)),
            "Maintenance at 06:30 EET: Database upgrade",
        ),
        (110, format!("maintenance-1/overran-{}/ana/0/0", unit(110)), overran),
        // Extended in minute 112 by 10 minutes, counted from then.
        (122, format!("maintenance-1/overran-{}/ana/0/0", unit(122)), overran),
    ];
    let notices: Vec<(u64, String, &str)> = sent
        .iter()
        .filter(|(_, key, _)| key.starts_with("maintenance"))
        .map(|(minute, key, title)| (*minute, key.clone(), title.as_str()))
        .collect();
    assert_eq!(notices, expected);
    let pages: Vec<u64> =
        sent.iter().filter(|(_, key, _)| key.starts_with("page")).map(|(minute, _, _)| *minute).collect();
    assert_eq!(pages.first(), Some(&127), "five minutes after the extended end");
    bench.same_after_replay();
}
