//! Maintenance in the box: crashes at each of its turning points, and worlds that break by chance.

use crate::{NOBODY_ANSWERS, SOMEBODY_ANSWERS, after, begin};
use sim::clocks::Shocks;
use sim::world::{Outage, Spell, World};
use sim::{Record, Settings};
use std::collections::BTreeSet;
use std::time::Duration;
use types::{EventKind, Time, time};

/// From second 300 to second 1,500.
const SECTION: &str = r#"
[maintenance.upgrade]
title = "Upgrade"
services = ["auth"]
start = 2026-11-22T03:05:00
duration = "20m"
"#;

fn record(spells: Vec<Spell>, crashes: BTreeSet<Time>) -> Record {
    let settings = Settings {
        seed: 11,
        begin: begin(),
        length: Duration::from_secs(3_000),
        world: World { spells },
        phones: SOMEBODY_ANSWERS,
        crashes: crashes.clone(),
        shocks: Shocks::new(),
        bad_disk: false,
        config: format!("{}{SECTION}", sim::CONFIG).into(),
    };
    settings.record().unwrap_or_else(|broken| panic!("{broken} (crashes at {crashes:?})"))
}

/// The seconds in which pages were opened.
fn paged(record: &Record) -> Vec<u64> {
    let opened = record.events.iter().filter(|event| matches!(event.kind, EventKind::PageOpened { .. }));
    opened.map(|event| time::between(begin(), event.at).as_secs()).collect()
}

fn published(record: &Record) -> usize {
    record.events.iter().filter(|event| matches!(event.kind, EventKind::UpdatePublished { .. })).count()
}

fn refused(host: &'static str, from: u64, to: u64) -> Spell {
    Spell { outage: Outage::Refused(host), from: after(from), to: after(to) }
}

#[test]
fn explained_outage_pages_no_one_wherever_the_process_is_killed() {
    let spells = || vec![refused("auth.acme.app", 400, 900)];
    for second in (290..1_000).step_by(13).chain(1_480..1_520) {
        let record = record(spells(), BTreeSet::from([after(second)]));
        assert!(record.report.incidents > 0);
        assert_eq!(paged(&record), [] as [u64; 0], "killed at second {second}");
        assert_eq!(published(&record), 0, "killed at second {second}");
        assert!(record.notifications.iter().all(|(_, sent)| sent.incident.is_none()), "killed at {second}");
    }
}

#[test]
fn outage_that_outlives_the_maintenance_pages_once_after_the_grace() {
    for second in (1_400..1_900).step_by(11) {
        let record = record(vec![refused("auth.acme.app", 400, 2_400)], BTreeSet::from([after(second)]));
        let paged = paged(&record);
        assert_eq!(paged.len(), 1, "killed at second {second}: {paged:?}");
        assert!((1_800..1_860).contains(&paged[0]), "killed at second {second}: {paged:?}");
        assert!(published(&record) > 0);
    }
}

#[test]
fn unrelated_outage_pages_immediately() {
    let spells = vec![refused("auth.acme.app", 400, 900), refused("www.acme.io", 500, 900)];
    let paged = paged(&record(spells, BTreeSet::new()));
    assert_eq!(paged.len(), 1, "{paged:?}");
    assert!((500..560).contains(&paged[0]), "{paged:?}");
}

/// Worlds, phones, disks and clocks by chance, with maintenances that recur and overlap. The invariants are checked at every
/// step: a held incident has no page, and one that is not held has one.
#[test]
fn worlds_by_chance_keep_their_promises_with_maintenance() {
    for seed in 0..12 {
        let mut settings = Settings::by_chance(900 + seed, 12);
        let day = settings.begin.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        let section = |name: &str, services: &str, start: &str, duration: &str, repeat: &str| {
            format!(
                "\n[maintenance.{name}]\nservices = [{services}]\nstart = {day}T{start}\nduration = \"{duration}\"\nrepeat = \"{repeat}\"\n"
            )
        };
        let sections = [
            section("often", "\"auth\"", "00:10:00", "50m", "2 hours"),
            section("longer", "\"auth\", \"shop\"", "00:40:00", "1h", "3 hours"),
            section("daily", "\"site\"", "02:00:00", "4h", "1 day"),
        ];
        settings.config = format!("{}{}", settings.config, sections.concat()).into();
        let crashes = settings.crashes.clone();
        if let Err(broken) = settings.run() {
            panic!("seed {seed}: {broken} (crashes at {crashes:?})");
        }
    }
}

#[test]
fn held_incident_that_no_one_answers_is_paged_until_someone_does() {
    let settings = Settings {
        seed: 3,
        begin: begin(),
        length: Duration::from_secs(4_000),
        world: World { spells: vec![refused("auth.acme.app", 400, 3_800)] },
        phones: NOBODY_ANSWERS,
        crashes: BTreeSet::new(),
        shocks: Shocks::new(),
        bad_disk: false,
        config: format!("{}{SECTION}", sim::CONFIG).into(),
    };
    let record = settings.record().unwrap_or_else(|broken| panic!("{broken}"));
    assert!(record.notifications.iter().filter(|(_, sent)| sent.page.is_some()).count() > 3);
}
