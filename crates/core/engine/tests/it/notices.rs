//! Notices to the team, from the text of the configuration to the message: a month with an outage, slowness, changes, and a
//! restart each day at the minute of the digest.

use crate::{Bench, CONFIG, person};
use engine::Engine;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::config::read;
use types::change::{ChangeKind, NewChange};
use types::notification::{Delivered, Notification};
use types::{Answer, Command, Delivery, EventKind, Fault, System, Time, Urgency, time};

const TEAM: &str = r#"
[channel.chat]
webhook = "https://chat.acme.net/"

[notices]
to = ["chat:ops"]
digest = "08:30"
digest_without_news = true
"#;

/// Days of the month, in the middle of which summer time ends.
const DAYS: u64 = 31;

/// The engine in virtual time, with everything that it sends.
struct Month {
    bench: Bench,
    sent: Vec<(Time, Notification)>,
}

impl Month {
    fn new() -> Self {
        let text = CONFIG.replace("name = \"Acme\"", "name = \"Acme\"\ntimezone = \"Europe/Tallinn\"");
        let mut bench = Bench::with(read(&format!("{text}{TEAM}")));
        bench.now = "2026-10-10T00:00:00Z".parse().unwrap();
        // The journal begins with this month.
        bench.engine = Engine::new(bench.config.clone());
        bench.events.clear();
        bench.input(System::Booted { unmonitored_since: None }).unwrap();
        bench.input(System::Config(bench.config.clone())).unwrap();
        Self { bench, sent: Vec::new() }
    }

    /// Runs until `end`, from deadline to deadline. Everything is accepted.
    fn pass(&mut self, end: Time) {
        loop {
            for notification in self.bench.engine.due(self.bench.now) {
                let key = notification.key.clone();
                self.sent.push((self.bench.now, notification));
                let result = Ok(Delivered { receipt: None });
                self.bench.input(Delivery { key, result }).unwrap();
            }
            if self.bench.now >= end {
                return;
            }
            let next = self.bench.engine.next_deadline().unwrap_or(end).min(end);
            let soon = time::later(self.bench.now, Duration::from_secs(1));
            self.bench.now = next.max(soon).min(end);
            self.bench.input(System::Tick).unwrap();
        }
    }

    /// Only the journal is left.
    fn restart(&mut self) {
        let mut engine = Engine::new(self.bench.config.clone());
        self.bench.events.iter().for_each(|event| engine.apply(event));
        self.bench.engine = engine;
        self.bench.input(System::Booted { unmonitored_since: None }).unwrap();
        self.bench.input(System::Config(self.bench.config.clone())).unwrap();
    }

    /// A deploy each day, and an outage of ten minutes on some.
    fn events_of(&mut self, day: u64) {
        let title = format!("deploy shop {day}");
        let change = NewChange { kind: ChangeKind::of_title(&title), title, ..NewChange::default() };
        self.bench.input((person("ana"), Command::RecordChange { change })).unwrap();
        if day == 20 {
            self.bench.break_it();
            // The page goes out before it is acknowledged.
            self.pass(self.bench.now);
            let acknowledge = Command::Acknowledge { incident: crate::FIRST };
            self.bench.input((person("ana"), acknowledge)).unwrap();
            self.pass(time::later(self.bench.now, Duration::from_secs(600)));
            for _ in 0..10 {
                self.bench.later(2);
                self.bench.well();
            }
        } else {
            self.bench.sample(Answer::Failed(Fault::Refused));
            self.bench.later(1);
            self.bench.well();
        }
    }
}

#[test]
fn month_with_an_outage_has_one_digest_a_day_and_pages_for_the_outage_alone() {
    let mut month = Month::new();
    let begin = month.bench.now;
    let timezone = TimeZone::get("Europe/Tallinn").unwrap();
    for day in 0..DAYS {
        let midnight = time::later(begin, Duration::from_secs(day * 86_400));
        month.pass(time::later(midnight, Duration::from_secs(10_800)));
        month.events_of(day);
        let date = timezone.to_datetime(midnight).date();
        let digest = engine::instant(&timezone, date.at(8, 30, 0, 0));
        let offset = Duration::from_secs(day % 3);
        month.pass(if day % 2 == 0 { time::later(digest, offset) } else { time::earlier(digest, offset) });
        month.restart();
        month.pass(time::later(digest, Duration::from_secs(60)));
    }
    month.pass(time::later(begin, Duration::from_secs(DAYS * 86_400)));
    let mut digests = BTreeMap::new();
    for (at, sent) in month.sent.iter().filter(|(_, sent)| sent.key.0.contains("digest")) {
        assert_eq!((sent.urgency, &sent.person), (Urgency::Quiet, &None));
        let local = timezone.to_datetime(*at);
        assert_eq!((local.hour(), local.minute()), (8, 30), "{}", sent.key);
        assert_eq!(digests.insert(local.date(), sent.body.clone()), None, "twice: {}", sent.key);
    }
    assert_eq!(digests.len() as u64, DAYS, "{:?}", digests.keys());
    let outage = digests.values().nth(20).unwrap();
    assert!(outage.contains("Incidents (1):") && outage.contains("Answered by ana."), "{outage}");
    assert!(digests.values().all(|body| body.contains("deploy shop")), "{digests:?}");
    let others = month.sent.iter().filter(|(_, sent)| !sent.key.0.contains("digest"));
    assert!(
        others.clone().all(|(_, sent)| sent.key.0.contains("page-1/") || sent.key.0.contains("incident-1/"))
    );
    let pages = others.filter(|(_, sent)| sent.urgency == Urgency::Page).count();
    assert!(pages >= 1);
    assert_eq!(month.bench.count(|it| matches!(it, EventKind::PageOpened { .. })), 1);
    month.bench.same_after_replay();
}
