//! Silences: what they hold, what they do not, and what follows when they end.

use crate::{Bench, CONFIG, acknowledge, person};
use std::time::Duration;
use testkit::config::read;
use types::external::{AlertReport, ReportState};
use types::silence::NewSilence;
use types::{Actor, Command, EventKind, IncidentId, SilenceId, time};

const HOUR: u64 = 3_600;

impl Bench {
    fn with_source() -> Self {
        let sources = "\n[source.prometheus]\nalertmanager = { secret = \"env:A\" }\n[source.other]\nalertmanager = { secret = \"env:B\" }\n";
        let mut bench = Self::with(read(&format!("{CONFIG}{sources}")));
        bench.well();
        bench
    }

    fn report(&mut self, source: &str, name: &str, state: ReportState) {
        let report = AlertReport {
            key: name.to_owned(),
            name: name.to_owned(),
            labels: [("alertname".to_owned(), name.to_owned())].into(),
            severity: Some("critical".to_owned()),
            state,
            ..AlertReport::default()
        };
        let command = Command::ReportAlerts { source: source.to_owned(), reports: vec![report] };
        self.input((Actor::token(format!("source.{source}")), command)).unwrap();
        self.later(1);
    }

    fn silence(&mut self, matcher: &str, after: u64, lasting: u64) {
        let from = time::later(self.now, Duration::from_secs(after));
        let silence = NewSilence {
            replaces: None,
            source: "prometheus".into(),
            matchers: vec![matcher.parse().unwrap()],
            from,
            to: time::later(from, Duration::from_secs(lasting)),
            author: "Bo".into(),
            comment: "resize".into(),
        };
        self.input((person("bo"), Command::SetSilence { silence })).unwrap();
        self.later(1);
    }

    fn expire(&mut self, id: u64) {
        let command = Command::ExpireSilence { source: None, silence: SilenceId(id) };
        self.input((person("bo"), command)).unwrap();
        self.later(1);
    }

    /// Pages opened, held and resumed; steps reached.
    fn pages(&self) -> [usize; 4] {
        [
            self.count(|kind| matches!(kind, EventKind::PageOpened { .. })),
            self.count(|kind| matches!(kind, EventKind::PageHeld { .. })),
            self.count(|kind| matches!(kind, EventKind::PageResumed { .. })),
            self.count(|kind| matches!(kind, EventKind::PageStep { .. })),
        ]
    }
}

#[test]
fn silenced_alert_pages_when_the_silence_is_over() {
    let mut bench = Bench::with_source();
    bench.silence("alertname=DiskFull", 0, HOUR);
    bench.report("prometheus", "DiskFull", ReportState::Firing);
    assert_eq!(bench.pages(), [0; 4]);
    let incident = &bench.engine.incidents()[&IncidentId(1)];
    assert!(incident.is_open() && incident.diagnosis.wakes, "it is seen");
    bench.later(HOUR - 60);
    assert_eq!(bench.pages(), [0; 4]);
    bench.later(60);
    assert_eq!(bench.pages(), [1, 0, 0, 1], "by the deadline, without another input");
    bench.same_after_replay();
}

#[test]
fn open_page_is_held_and_begins_anew() {
    let mut bench = Bench::with_source();
    bench.report("prometheus", "DiskFull", ReportState::Firing);
    assert_eq!(bench.pages(), [1, 0, 0, 1]);
    bench.silence("alertname=DiskFull", 0, 8 * HOUR);
    for _ in 0..7 {
        bench.later(HOUR);
    }
    assert_eq!(bench.pages(), [1, 1, 0, 1], "no step is reached while it is held");
    assert!(bench.engine.due(bench.now).iter().all(|one| !one.key.0.starts_with("page-")));
    bench.same_after_replay();
    bench.expire(1);
    assert_eq!(bench.pages(), [1, 1, 1, 2], "one step, not all that would have come due");
    bench.same_after_replay();
}

#[test]
fn only_what_is_silenced_as_a_whole_is_held() {
    let mut bench = Bench::with_source();
    bench.silence("alertname=~\"Disk.*\"", 0, HOUR);
    bench.report("other", "DiskFull", ReportState::Firing);
    assert_eq!(bench.pages()[0], 1, "of another source");
    bench.report("prometheus", "DiskFull", ReportState::Firing);
    bench.report("prometheus", "DiskSlow", ReportState::Firing);
    assert_eq!(bench.pages()[0], 1);
    bench.report("prometheus", "Down", ReportState::Firing);
    assert_eq!(bench.pages()[0], 2);
    bench.report("prometheus", "DiskFull", ReportState::Resolved);
    bench.later(120);
    let open = bench.engine.incidents().values().filter(|incident| incident.is_open()).count();
    assert_eq!(open, 3, "its end is seen while it is silenced");
}

#[test]
fn pending_silence_holds_an_open_page_from_its_start() {
    let mut bench = Bench::with_source();
    bench.silence("alertname=DiskFull", 600, HOUR);
    bench.report("prometheus", "DiskFull", ReportState::Firing);
    assert_eq!(bench.pages()[..3], [1, 0, 0]);
    bench.later(600);
    assert_eq!(bench.pages()[..3], [1, 1, 0]);
    bench.later(HOUR);
    assert_eq!(bench.pages()[..3], [1, 1, 1]);
}

#[test]
fn page_of_a_silence_that_ends_while_a_person_works_on_it_waits_for_that_person() {
    let mut bench = Bench::with_source();
    bench.report("prometheus", "DiskFull", ReportState::Firing);
    bench.input(acknowledge("ana")).unwrap();
    bench.silence("alertname=DiskFull", 0, 600);
    bench.later(900);
    assert_eq!(bench.pages(), [1, 1, 1, 1], "acknowledged for half an hour");
    bench.later(1_000);
    assert_eq!(bench.pages()[3], 2);
    bench.same_after_replay();
}
