//! Levels and exceptions of the configuration.

use crate::fixture::{WELL_BUILT, audited, of_well_built, restore};
use testkit::config;
use types::audit::Level;

const LONELY: &str =
    "[database.lonely]\nurl = \"env:LONELY\"\nbackup = { from = \"pgbackrest:lonely\", offsite = true }\n";

fn with(audit: &str) -> audit::Report {
    let company = WELL_BUILT.replace("\"database.main\", ", "\"database.main\", \"database.lonely\", ");
    let text = format!("{company}\n{LONELY}\n{audit}\n");
    let mut evidence = of_well_built();
    evidence.restores.insert("lonely".to_owned(), restore("lonely", "2026-11-20T04:00:00Z", None));
    audited(&config::read(&text), &evidence, &[])
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
    let exception = |until: &str, resource: &str| {
        format!(
            "[audit]\nexceptions = [{{ criterion = \"single-database\", {resource}owner = \"ana\", until = {until}, why = \"replica ordered\" }}]"
        )
    };
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
