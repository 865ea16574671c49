//! The page of the audit: acceptance criteria that are not met.

use super::frame::Frame;
use super::left_open::{Accepted, NotChecked, accepted, not_checked, title};
use crate::design::{Clock, Moment};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use audit::{Finding, Report};
use engine::views::Views;
use std::time::Duration;
use types::audit::{Criterion, Level};
use types::{Kind, Time};

/// Refresh interval of the page: facts change slowly.
const REFRESH: Duration = Duration::from_secs(300);

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    frame: Frame<'a>,
    groups: Vec<Group<'a>>,
    accepted: Vec<Accepted<'a>>,
    not_checked: Vec<NotChecked<'a>>,
    met: usize,
}

struct Group<'a> {
    title: &'static str,
    id: &'static str,
    none: &'static str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    criterion: Criterion,
    title: &'static str,
    finding: &'a Finding,
    /// The service, which has a page of its own.
    service: Option<&'a str>,
    ended: Option<Moment>,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn page(
    state: &WebState,
    views: &Views,
    session: &Session,
    report: &Report,
    at: Time,
) -> askama::Result<String> {
    let clock = Clock::new(&views.status_page.timezone, at);
    let group = |level, title, id, none| Group {
        title,
        id,
        none,
        rows: report
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .map(|finding| row(finding, &clock))
            .collect(),
    };
    AuditPage {
        frame: Frame::new(state, views, session, "audit", REFRESH),
        groups: vec![
            group(Level::Must, "Must be met", "must", "Every criterion that must be met is met."),
            group(Level::Should, "Should be met", "should", "Every criterion that should be met is met."),
        ],
        accepted: accepted(report, &clock),
        not_checked: not_checked(report),
        met: report.met.len(),
    }
    .render()
}

fn row<'a>(finding: &'a Finding, clock: &Clock<'_>) -> Row<'a> {
    Row {
        criterion: finding.criterion,
        title: title(finding.criterion),
        service: Some(&finding.resource).filter(|it| it.kind == Kind::Service).map(|it| it.name.as_str()),
        ended: finding.exception_ended.map(|end| clock.full(end)),
        finding,
    }
}
