//! Levels and exceptions of the configuration.

use crate::fixture::{WELL_BUILT, now, of_well_built, restore};
use audit::{Audited, Finding};
use testkit::config;
use testkit::time::at;
use types::Time;
use types::audit::{Criterion, Level};

const LONELY: &str =
    "[database.lonely]\nurl = \"env:LONELY\"\nbackup = { from = \"pgbackrest:lonely\", offsite = true }\n";

fn with(audit: &str) -> audit::Report {
    with_at(audit, now())
}

fn with_at(audit: &str, now: Time) -> audit::Report {
    let company = WELL_BUILT.replace("\"database.main\", ", "\"database.main\", \"database.lonely\", ");
    let text = format!("{company}\n{LONELY}\n{audit}\n");
    let mut evidence = of_well_built();
    evidence.restores.insert("lonely".to_owned(), restore("lonely", "2026-11-20T04:00:00Z", None));
    audit::audit(&Audited { config: &config::read(&text), evidence: &evidence, gaps: &[], now })
}

fn exception(until: &str, resource: &str) -> String {
    format!(
        "[audit]\nexceptions = [{{ criterion = \"single-database\", {resource}owner = \"ana\", until = {until}, why = \"replica ordered\" }}]"
    )
}

#[test]
fn level_of_a_criterion_can_be_changed() {
    for (audit, level) in [
        ("", Some(Level::Should)),
        ("[audit]\nmust = [\"single-database\"]", Some(Level::Must)),
        ("[audit]\noff = [\"single-database\"]", None),
    ] {
        let report = with(audit);
        assert_eq!(report.findings.first().map(|finding| finding.level), level, "{audit}");
        assert_eq!(report.fails(), level == Some(Level::Must), "{audit}");
    }
}

/// An exception is quiet until its end; then the finding says that it has ended.
#[test]
fn exception_holds_until_its_end() {
    for resource in ["", "resource = \"database.lonely\", "] {
        let report = with(&exception("2027-03-01", resource));
        assert_eq!((report.findings.len(), report.accepted.len()), (0, 1), "{resource}");
        assert_eq!(report.accepted[0].owner.0, "ana");
        let report = with(&exception("2026-12-01", resource));
        assert_eq!((report.findings.len(), report.accepted.len()), (1, 0), "{resource}");
        assert!(report.findings[0].exception_ended.is_some());
    }
    let report = with(&exception("2027-03-01", "resource = \"database.main\", "));
    assert_eq!((report.findings.len(), report.accepted.len()), (1, 0));
}

/// Those that the exceptions here are about. Days later backups are too old as well.
fn findings(report: &audit::Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.criterion == Criterion::SingleDatabase).collect()
}

/// A date ends with the last second before it.
#[test]
fn exception_ends_with_the_first_moment_of_its_date() {
    let audit = exception("2026-12-05", "");
    let last = with_at(&audit, at("2026-12-04T23:59:59Z"));
    assert_eq!((findings(&last).len(), last.accepted.len()), (0, 1));
    assert_eq!(last.accepted[0].finding.exception_ended, None);
    let ended = with_at(&audit, at("2026-12-05T00:00:00Z"));
    assert_eq!(ended.accepted, []);
    let ends: Vec<_> = findings(&ended).iter().map(|finding| finding.exception_ended).collect();
    assert_eq!(ends, [Some(at("2026-12-05T00:00:00Z"))]);
}

/// Of two exceptions for the same finding the later end counts, wherever it is written.
#[test]
fn later_of_two_exceptions_holds() {
    let entry = |until: &str| {
        format!("{{ criterion = \"single-database\", owner = \"ana\", until = {until}, why = \"ordered\" }}")
    };
    for (one, other) in [("2026-12-05", "2026-12-09"), ("2026-12-09", "2026-12-05")] {
        let audit = format!("[audit]\nexceptions = [{}, {}]", entry(one), entry(other));
        let between = with_at(&audit, at("2026-12-08T23:59:59Z"));
        assert_eq!((findings(&between).len(), between.accepted.len()), (0, 1), "{one} {other}");
        let ended = with_at(&audit, at("2026-12-09T00:00:00Z"));
        assert_eq!((findings(&ended).len(), ended.accepted.len()), (1, 0), "{one} {other}");
    }
}
