//! Criteria that only the journal can prove: restores and answers.

use crate::fixture::{WELL_BUILT, audited, of_well_built, restore};
use audit::{Evidence, Report};
use testkit::config;
use testkit::time::at;
use types::audit::Criterion;

fn after(text: &str, change: impl FnOnce(&mut Evidence)) -> Report {
    let mut evidence = of_well_built();
    change(&mut evidence);
    audited(&config::read(text), &evidence, &[])
}

fn evidence_of(report: &Report, criterion: Criterion) -> Vec<&str> {
    let of = report.findings.iter().filter(|finding| finding.criterion == criterion);
    of.map(|finding| finding.evidence.as_str()).collect()
}

#[test]
fn restore_proves_backups_until_it_is_too_old_or_the_next_one_fails() {
    type Case = (&'static str, Option<&'static str>, Option<&'static str>);
    let cases: [Case; 3] = [
        ("2026-11-02T12:00:00Z", None, None),
        (
            "2026-10-31T12:00:00Z",
            None,
            Some("its last proven restore is 31 days old; at most 30 days are allowed"),
        ),
        (
            "2026-11-30T12:00:00Z",
            Some("checksum mismatch"),
            Some("its last restore, 24 h ago, failed: checksum mismatch"),
        ),
    ];
    for (ended, failed, said) in cases {
        let report = after(WELL_BUILT, |evidence| {
            evidence.restores.insert("main".to_owned(), restore("main", ended, failed));
        });
        assert_eq!(evidence_of(&report, Criterion::RestoreProven), said.into_iter().collect::<Vec<_>>());
    }
    let never = after(WELL_BUILT, |evidence| evidence.restores.clear());
    assert_eq!(evidence_of(&never, Criterion::RestoreProven), ["no restore of its backups is known"]);
}

#[test]
fn interval_of_restores_is_that_of_the_database() {
    let text = WELL_BUILT.replace("offsite = true", "offsite = true, restore_every = \"10d\"");
    let report = after(&text, |_| {});
    assert_eq!(
        evidence_of(&report, Criterion::RestoreProven),
        ["its last proven restore is 11 days old; at most 10 days are allowed"]
    );
}

/// Each contact for itself: that a person answers over one says nothing about the other.
#[test]
fn contact_that_was_not_answered_for_a_month_is_named_with_its_person() {
    let report = after(WELL_BUILT, |evidence| {
        evidence.answers.remove(&("ana".into(), "hook:ana".to_owned()));
        evidence.answers.insert(("ben".into(), "ntfy:ben".to_owned()), at("2026-10-01T12:00:00Z"));
    });
    assert_eq!(
        evidence_of(&report, Criterion::ChannelProven),
        ["ana has never answered over hook:ana", "ben last answered over ntfy:ben 61 days ago"]
    );
    let about: Vec<String> = report.findings.iter().map(audit::Finding::about).collect();
    assert_eq!(about, ["mainstay.here ana over hook:ana", "mainstay.here ben over ntfy:ben"]);
}

#[test]
fn answer_proves_a_contact_for_thirty_days() {
    for (answered, finding) in [
        ("2026-11-01T12:00:01Z", None),
        ("2026-11-01T12:00:00Z", Some("ben last answered over hook:ben 30 days ago")),
    ] {
        let report = after(WELL_BUILT, |evidence| {
            evidence.answers.insert(("ben".into(), "hook:ben".to_owned()), at(answered));
        });
        assert_eq!(
            evidence_of(&report, Criterion::ChannelProven),
            finding.into_iter().collect::<Vec<_>>(),
            "{answered}"
        );
    }
}

#[test]
fn without_a_journal_neither_is_met_nor_missed() {
    let report = after(WELL_BUILT, |evidence| {
        evidence.has_journal = false;
        evidence.restores.clear();
        evidence.answers.clear();
    });
    for criterion in [Criterion::RestoreProven, Criterion::ChannelProven] {
        assert_eq!(evidence_of(&report, criterion), [] as [&str; 0]);
        assert!(report.not_checked.iter().any(|unknown| unknown.criterion == criterion));
        assert!(!report.met.contains(&criterion));
    }
}
