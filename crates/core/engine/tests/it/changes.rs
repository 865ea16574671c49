//! Changes and notes: the hint at the cause, what is judged, what the journal keeps.

use crate::{Bench, CONFIG, person};
use engine::Engine;
use engine::effects::Task;
use engine::views::TimelineFact;
use std::sync::Arc;
use testkit::config::read;
use types::change::{ChangeKind, NewChange};
use types::effect::{ChangePoint, Figure, Metric, Verdict};
use types::input::Refused;
use types::time::earlier;
use types::{ChangeId, Command, Effect, Event, EventKind, IncidentId, Observation, Time};

const MORE: &str = "\n[service.blog]\ntitle = \"Blog\"\n";

fn bench() -> Bench {
    Bench::with(read(&format!("{CONFIG}{MORE}")))
}

fn new(title: &str, services: &[&str]) -> NewChange {
    NewChange {
        title: title.to_owned(),
        kind: ChangeKind::of_title(title),
        services: services.iter().map(|service| (*service).into()).collect(),
        ..NewChange::default()
    }
}

impl Bench {
    fn change(&mut self, change: NewChange) -> Vec<Event> {
        self.input((person("ana"), Command::RecordChange { change })).unwrap()
    }

    fn note(&mut self, text: &str) {
        let command = Command::Note { incident: IncidentId(1), text: text.to_owned() };
        self.input((person("ana"), command)).unwrap();
    }

    fn fails(&mut self) {
        self.break_it();
        assert_eq!(self.engine.views().now.open.len(), 1);
    }

    fn summary(&self) -> String {
        self.engine.views().now.open[0].incident.diagnosis.summary.clone()
    }

    fn measured(&mut self, of: ChangePoint, verdict: Verdict, is_final: bool) -> Vec<Event> {
        let figure = Figure { metric: Metric::Latency, before: 1.9, after: 0.4 };
        let signal = Some("front".to_owned());
        let effect = Effect { verdict, signal, figure: Some(figure), points: 12, together_with: 0 };
        self.input(Observation::Effect { of, effect, is_final }).unwrap()
    }

    fn refolded(&self) -> Engine {
        let mut engine = Engine::new(self.config.clone());
        // As the journal stores it.
        for event in &self.events {
            let json = serde_json::to_string(event).unwrap();
            engine.apply(&serde_json::from_str(&json).unwrap());
        }
        engine
    }
}

#[test]
fn nearest_change_before_an_onset_is_a_hint_in_the_summary() {
    let hint = |title: &str| format!("after \"{title}\" (a hint, not a proven cause)");
    type Reported<'a> = &'a [(&'a str, &'a [&'a str], u64)];
    let cases: [(Reported<'_>, Option<&str>); 7] = [
        (&[], None),
        (&[("deploy shop 4f2c", &["shop"], 300)], Some("deploy shop 4f2c")),
        (&[("deploy shop 1", &["shop"], 600), ("deploy shop 2", &["shop"], 300)], Some("deploy shop 2")),
        (&[("deploy shop 1", &["shop"], 600), ("new firewall", &[], 60)], Some("deploy shop 1")),
        (&[("new firewall", &[], 60), ("deploy blog 9", &["blog"], 30)], Some("new firewall")),
        (&[("deploy blog 9", &["blog"], 30)], None),
        (&[("deploy shop 1", &["shop"], 3 * 3_600)], None),
    ];
    for (changes, expected) in cases {
        let mut bench = bench();
        bench.well();
        bench.later(4 * 3_600);
        for (title, services, before) in changes {
            let at = earlier(bench.now, std::time::Duration::from_secs(*before));
            bench.change(NewChange { at: Some(at), ..new(title, services) });
        }
        bench.fails();
        let summary = bench.summary();
        match expected {
            Some(title) => assert!(summary.ends_with(&hint(title)), "{summary}"),
            None => assert!(!summary.contains("hint"), "{summary}"),
        }
        let folded = bench.refolded();
        assert_eq!(folded.state_text(), bench.engine.state_text());
    }
}

#[test]
fn change_after_the_onset_is_no_hint_and_an_ordinary_day_says_nothing() {
    let mut bench = bench();
    bench.well();
    bench.change(new("deploy blog 1", &["blog"]));
    let before = bench.events.len();
    for _ in 0..200 {
        bench.later(30);
        bench.well();
        assert!(bench.engine.effect_tasks().is_empty(), "nothing is measured without an incident");
    }
    assert_eq!(bench.events.len(), before, "a deploy without an incident gives no event but its own");
    bench.fails();
    bench.later(60);
    bench.change(new("rolled back", &["shop"]));
    bench.later(30);
    assert!(!bench.summary().contains("hint"), "{}", bench.summary());
}

#[test]
fn repeated_report_is_one_change_and_its_end_completes_it() {
    let mut bench = bench();
    let keyed = |is_end| NewChange { key: Some("d/7".into()), is_end, ..new("deploy shop 7", &["shop"]) };
    assert_eq!(bench.change(keyed(false)).len(), 1);
    assert_eq!(bench.change(keyed(false)).len(), 0, "delivered twice");
    bench.later(240);
    assert_eq!(bench.change(keyed(true)).len(), 1, "it is complete");
    assert_eq!(bench.change(keyed(true)).len(), 0);
    assert_eq!(bench.change(new("deploy shop 8", &["shop"])).len(), 1);
    assert_eq!(bench.change(new("deploy shop 8", &["shop"])).len(), 0, "pressed twice");
    bench.later(61);
    assert_eq!(bench.change(new("deploy shop 8", &["shop"])).len(), 1, "again, a minute later");
    let changes = bench.engine.views().now.changes;
    let done: Vec<_> = changes.iter().rev().map(|it| (it.change.id.0, it.change.done.is_some())).collect();
    assert_eq!(done, [(1, true), (2, false), (3, false)]);
    let unknown = Command::RecordChange { change: new("x", &["nothing"]) };
    let refused = bench.input((person("ana"), unknown));
    assert_eq!(refused, Err(Refused::UnknownService("nothing".into())));
    let old = Command::RecordChange { change: NewChange { at: Some(Time::UNIX_EPOCH), ..new("x", &[]) } };
    assert_eq!(bench.input((person("ana"), old)), Err(Refused::ChangeTooOld(90)));
}

#[test]
fn notes_and_changes_of_an_incident_are_judged_and_kept() {
    let mut bench = bench();
    bench.well();
    bench.fails();
    bench.note("added 4 API servers");
    bench.later(600);
    bench.change(new("deploy blog 2", &["blog"]));
    bench.change(new("rolled back", &["shop"]));
    let tasks = bench.engine.effect_tasks();
    let of: Vec<&ChangePoint> = tasks.iter().flat_map(Task::of).collect();
    let [ChangePoint::Change { change: ChangeId(2), .. }, ChangePoint::Note { .. }] = of.as_slice() else {
        panic!("newest first, without what concerns another service: {of:?}");
    };
    let (rollback, note) = (*of[0], *of[1]);
    assert_eq!(bench.measured(note, Verdict::TooEarly, false), [], "not final: nothing for the journal");
    bench.measured(rollback, Verdict::Helped, false);
    let shown = shown(&bench);
    assert_eq!(shown, ["added 4 API servers: too early", "deploy blog 2: -", "rolled back: helped"]);

    let events = bench.measured(note, Verdict::NoEffect, true);
    assert!(matches!(events[0].kind, EventKind::EffectJudged { .. }), "{events:?}");
    assert_eq!(bench.measured(note, Verdict::Helped, true), [], "a verdict is given once");
    bench.measured(rollback, Verdict::Helped, true);
    assert!(bench.engine.effect_tasks().is_empty(), "nothing is left to measure");
    let folded = bench.refolded();
    assert_eq!(folded.state_text(), bench.engine.state_text());
    let past = &folded.views().now.open[0].incident;
    assert_eq!(past.notes[0].effect.as_ref().map(|effect| effect.verdict), Some(Verdict::NoEffect));
    let rolled_back = &folded.views().now.changes[0];
    assert_eq!(
        rolled_back.effects[&IncidentId(1)].to_string(),
        "helped: latency of front 1.9 s -> 400 ms, -79 %"
    );
}

/// Notes and changes in the timeline, with their verdicts.
fn shown(bench: &Bench) -> Vec<String> {
    let verdict = |effect: &Option<Effect>| {
        effect.as_ref().map_or_else(|| "-".to_owned(), |effect| effect.verdict.to_string())
    };
    let timeline = bench.engine.views().now.open[0].timeline.clone();
    let lines = timeline.iter().filter_map(|entry| match &entry.fact {
        TimelineFact::Noted { note, effect, .. } => Some(format!("{note}: {}", verdict(effect))),
        TimelineFact::Changed { change, effect } => Some(format!("{}: {}", change.title, verdict(effect))),
        _ => None,
    });
    lines.collect()
}

#[test]
fn notes_within_six_steps_are_judged_together() {
    let mut bench = bench();
    bench.well();
    bench.fails();
    bench.note("restarted the database");
    bench.later(60);
    bench.note("purged the cache");
    bench.later(180);
    bench.note("rolled back");
    let groups: Vec<usize> = bench.engine.effect_tasks().iter().map(|task| task.of().len()).collect();
    assert_eq!(groups, [1, 2], "probed every 30 s, so less than 3 minutes cannot be told apart");
}

#[test]
fn journal_of_an_earlier_version_is_read() {
    let old = r#"{"seq":3,"at":"2026-11-22T03:00:00Z","event":"incident_noted","incident":1,
        "by":{"kind":"person","id":"ana","via":"api"},"text":"rolled back"}"#;
    let event: Event = serde_json::from_str(old).unwrap();
    assert!(matches!(event.kind, EventKind::IncidentNoted { .. }));
    let least = r#"{"seq":4,"at":"2026-11-22T03:00:00Z","event":"change_recorded",
        "change":{"id":1,"at":"2026-11-22T03:00:00Z","title":"x"},"by":{"kind":"token","id":"ci","via":"api"}}"#;
    let event: Event = serde_json::from_str(least).unwrap();
    let mut engine = Engine::new(Arc::new(read(CONFIG)));
    engine.apply(&event);
    assert_eq!(engine.views().now.changes[0].change.kind, ChangeKind::Other);
}
