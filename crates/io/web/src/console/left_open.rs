//! What a report of the audit leaves open, as the pages of the audit and of a service show it: accepted findings, and what is not
//! checked yet. The template is `left_open.html`.

use crate::design::{Clock, Moment};
use audit::{Finding, Report, criteria};
use types::audit::Criterion;

/// A finding that is accepted for some time.
pub(super) struct Accepted<'a> {
    pub(super) title: &'static str,
    pub(super) finding: &'a Finding,
    pub(super) owner: &'a str,
    pub(super) until: Moment,
    pub(super) why: &'a str,
}

/// Title, resource, and what is missing.
pub(super) type NotChecked<'a> = (&'static str, String, &'a str);

/// The accepted findings of a report.
pub(super) fn accepted<'a>(report: &'a Report, clock: &Clock<'_>) -> Vec<Accepted<'a>> {
    let row = |accepted: &'a audit::report::Accepted| Accepted {
        title: title(accepted.finding.criterion),
        finding: &accepted.finding,
        owner: &accepted.owner.0,
        until: clock.full(accepted.until),
        why: &accepted.why,
    };
    report.accepted.iter().map(row).collect()
}

/// What a report says nothing about yet.
pub(super) fn not_checked(report: &Report) -> Vec<NotChecked<'_>> {
    let unknown = report.not_checked.iter();
    unknown.map(|it| (title(it.criterion), it.resource.to_string(), it.why.as_str())).collect()
}

/// The title of a criterion.
pub(super) fn title(criterion: Criterion) -> &'static str {
    criteria::definition(criterion).map_or("", |definition| definition.title)
}
