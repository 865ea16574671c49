//! Jobs that report by heartbeats: late, failed, too long, and what is none of these.

use crate::fixture::{Fixture, secs};
use insta::assert_snapshot;
use jiff::tz::TimeZone;
use std::time::Duration;
use testkit::config::probe;
use types::config::{BackupSource, Database, Heartbeat, ProbeKind, SecretRef};
use types::cron::Cron;
use types::database::{DatabaseSeen, DatabaseThresholds, NodeAnswer, NodeSeen, Reading};
use types::heartbeat::Due;
use types::{Actor, Answer, EventKind, Ping, PingKind, Resource, Severity};

const JOB: &str = "backup";

fn hours(hours: u64) -> Duration {
    secs(hours * 3_600)
}

fn cron(text: &str, zone: &str) -> Due {
    Due::Cron { cron: Box::new(text.parse().unwrap()), timezone: TimeZone::get(zone).unwrap() }
}

fn heartbeat(due: Due, grace: Duration) -> Heartbeat {
    Heartbeat { due, grace, max_run: None, severity: Severity::Warning, key: None }
}

fn world(heartbeat: Heartbeat) -> Fixture {
    let mut w = Fixture::new(&[]);
    w.config.heartbeats.insert(JOB.to_owned(), heartbeat);
    w.config.digest = "with a job".into();
    assert_eq!(w.let_pass(secs(0)), "");
    w
}

impl Fixture {
    /// A ping, and what followed at once.
    fn ping(&mut self, kind: PingKind) -> String {
        self.ping_of(kind, None, None)
    }

    fn ping_of(&mut self, kind: PingKind, run: Option<&str>, output: Option<&str>) -> String {
        let ping = Ping::new(kind, run, output);
        let by = Actor::token("heartbeat.backup");
        self.follow(vec![EventKind::HeartbeatPinged { heartbeat: JOB.to_owned(), ping, by }]);
        self.tick()
    }
}

#[test]
fn late_job_is_one_alert_until_it_has_succeeded() {
    let mut w = world(heartbeat(Due::Every(hours(24)), hours(1)));
    let mut said = w.let_pass(hours(24));
    said += &w.ping(PingKind::Succeeded);
    said += &w.let_pass(hours(24));
    said += "-- a day without it\n";
    said += &w.let_pass(hours(48));
    said += "-- it begins, fails, and succeeds\n";
    said += &w.ping(PingKind::Started);
    said += &w.ping_of(PingKind::of_exit(1), None, Some("dump: 4 GB\nno space left on device\n"));
    said += &w.let_pass(hours(30));
    said += &w.ping(PingKind::Succeeded);
    said += &w.let_pass(hours(24));
    assert_snapshot!(said, @"
    -- a day without it
    13:00:00 + heartbeat.backup did not report when it was due, 2026-11-24 12:00 UTC; its last success was at 2026-11-23 12:00 UTC [Warning since 12:00:00] due every 24 h, within 1 h
    -- it begins, fails, and succeeds
    12:00:00 ~ alert-1 failed with exit status 1: no space left on device [Warning] due every 24 h, within 1 h
    18:00:00 - alert-1
    ");
    assert!(w.detect.alerts().is_empty());
}

#[test]
fn job_that_never_reported_is_late_after_its_first_time() {
    let mut w = world(heartbeat(cron("0 3 * * *", "Europe/Tallinn"), hours(1)));
    let said = w.let_pass(hours(48));
    assert_snapshot!(said, @"02:00:00 + heartbeat.backup did not report when it was due, 2026-11-23 01:00 UTC; it has never reported a success [Warning since 01:00:00] due 0 3 * * * (Europe/Tallinn), within 1 h");
}

#[test]
fn run_that_takes_too_long_is_told_and_runs_overlap_by_their_ids() {
    let max_run = Some(secs(600));
    let mut w = world(Heartbeat { max_run, ..heartbeat(Due::Every(hours(24)), hours(1)) });
    let mut said = w.ping_of(PingKind::Started, Some("a"), None);
    w.pass(secs(300));
    said += &w.ping_of(PingKind::Started, Some("b"), None);
    said += &w.let_pass(secs(200));
    said += &w.ping_of(PingKind::Succeeded, Some("b"), None);
    said += "-- a goes on\n";
    said += &w.let_pass(secs(900));
    said += &w.ping_of(PingKind::Succeeded, Some("a"), None);
    assert_snapshot!(said, @"
    -- a goes on
    12:10:00 + heartbeat.backup began at 2026-11-22 12:00 UTC and has not ended within 10 min [Warning since 12:00:00] due every 24 h, within 1 h
    12:23:20 - alert-1
    ");
}

/// What is well says nothing: a year of nights, with both changes of the clocks, a clock that is ahead, and runs of hours.
#[test]
fn year_of_nightly_jobs_is_quiet() {
    for (expression, zone, early, run) in [
        ("0 3 * * *", "Europe/Tallinn", 0, 1_200),
        ("30 2 * * *", "Europe/London", 20, 600),
        ("30 3 * * *", "America/Chicago", 0, 3 * 3_600),
        ("*/15 * * * *", "UTC", 10, 60),
        ("0 4 * * 1-5", "Europe/Tallinn", 0, 1_200),
        ("15 1 1 * *", "Australia/Lord_Howe", 0, 1_200),
    ] {
        let due = cron(expression, zone);
        let mut w = world(Heartbeat { max_run: Some(hours(4)), ..heartbeat(due, secs(1_800)) });
        let schedule: Cron = expression.parse().unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let mut said = String::new();
        for _ in 0..366 {
            let start = types::time::earlier(schedule.next(w.now, &zone).unwrap(), secs(early));
            said += &w.let_pass(types::time::between(w.now, start));
            said += &w.ping(PingKind::Started);
            said += &w.let_pass(secs(run));
            said += &w.ping(PingKind::Succeeded);
            // The next occurrence is looked for after the one that was early.
            w.pass(secs(early + 1));
        }
        assert_eq!(said, "", "{expression}");
    }
}

#[test]
fn time_without_monitoring_is_no_lateness_and_a_short_restart_hides_none() {
    let due = || heartbeat(Due::Every(hours(24)), hours(1));
    let mut w = world(due());
    w.ping(PingKind::Succeeded);
    w.let_pass(hours(23));
    let since = w.now;
    w.pass(hours(3));
    w.follow(vec![EventKind::Booted { unmonitored_since: Some(since) }]);
    let mut said = w.let_pass(hours(23));
    said += "-- a day after the gap\n";
    said += &w.let_pass(hours(4));
    assert_snapshot!(said, @"
    -- a day after the gap
    15:00:00 + heartbeat.backup did not report when it was due, 2026-11-24 14:00 UTC; its last success was at 2026-11-22 12:00 UTC [Warning since 14:00:00] due every 24 h, within 1 h
    ");

    let mut w = world(due());
    w.ping(PingKind::Succeeded);
    w.let_pass(hours(24));
    let since = w.now;
    w.pass(secs(5));
    w.follow(vec![EventKind::Booted { unmonitored_since: Some(since) }]);
    assert_ne!(w.let_pass(hours(2)), "", "late all the same");
}

#[test]
fn removed_job_closes_its_alert_and_is_new_when_it_comes_back() {
    let mut w = world(heartbeat(Due::Every(hours(1)), hours(1)));
    w.let_pass(hours(3));
    assert_eq!(w.detect.alerts().len(), 1);
    let removed = w.config.heartbeats.remove(JOB).unwrap();
    w.config.digest = "without".into();
    w.follow(vec![EventKind::ConfigAdopted { digest: String::new() }]);
    w.tick();
    assert!(w.detect.alerts().is_empty());
    w.pass(hours(100));
    w.config.heartbeats.insert(JOB.to_owned(), removed);
    w.config.digest = "with it again".into();
    w.follow(vec![EventKind::ConfigAdopted { digest: String::new() }]);
    assert_eq!(w.let_pass(hours(1)), "", "it has its time from now on");
    assert_ne!(w.let_pass(hours(2)), "");
}

/// A round of a database that is well, of which the probe sees no backups.
fn round(w: &Fixture) -> Answer {
    let node = NodeSeen { node: "db1:5432".into(), answer: NodeAnswer::Facts(Box::default()) };
    Answer::Database(Box::new(DatabaseSeen { at: w.now, nodes: vec![node], backups: Reading::Absent }))
}

#[test]
fn backup_of_a_job_is_as_old_as_its_last_success() {
    let mut w = world(heartbeat(Due::Every(hours(24)), hours(1)));
    let database = Database {
        url: SecretRef::Env("MAIN_DB_URL".into()),
        replicas: vec![],
        backups: Some(BackupSource::Heartbeat(JOB.to_owned())),
        needs_backups: true,
        offsite: false,
        restore_every: hours(720),
        thresholds: DatabaseThresholds { backup_age: Some(hours(12)), ..DatabaseThresholds::default() },
    };
    w.config.databases.insert("main".into(), database);
    let probe = probe(Resource::database("main"), ProbeKind::Database { name: "main".into() });
    let id = probe.id.0.clone();
    w.config.probes.insert(probe.id.clone(), probe);
    w.config.digest = "with a database".into();
    let rounds = |w: &mut Fixture, after: Duration| {
        w.pass(after);
        let mut said = String::new();
        for _ in 0..3 {
            let answer = round(w);
            said += &w.pass(secs(10)).see(&id, answer);
        }
        said
    };
    assert_eq!(rounds(&mut w, hours(11)), "", "a new job has time for its first backup");
    let mut said = rounds(&mut w, hours(2));
    said += "-- it succeeds\n";
    w.ping(PingKind::Succeeded);
    said += &rounds(&mut w, hours(1));
    said += "-- it fails, and the backup before is still recent\n";
    w.ping(PingKind::of_exit(1));
    said += &rounds(&mut w, hours(1));
    said += "-- half a day without another\n";
    said += &rounds(&mut w, hours(11));
    assert_snapshot!(said, @r"
    01:00:50 + database.main has no complete backup (backup) [Warning since 01:00:40] has no complete backup (backup)
    -- it succeeds
    02:01:20 - alert-1
    -- it fails, and the backup before is still recent
    -- half a day without another
    14:02:20 + database.main has no backup since 13 h 1 min ago (backup), more than the 12 h that are allowed [Warning since 14:02:10] has no backup since 13 h 1 min ago (backup), more than the 12 h that are allowed
    ");
}
