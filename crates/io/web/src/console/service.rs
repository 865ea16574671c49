//! The page of a service: who answers for it, which criteria of the audit it meets, and since when.

use super::frame::Frame;
use super::left_open::{Accepted, NotChecked, accepted, not_checked, title};
use crate::audited::{concerned, no_audit};
use crate::design::{Clock, Moment};
use crate::problem::Problem;
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use audit::{Finding, Report, criteria};
use engine::criteria_history::Changed;
use engine::views::{Acceptance, Views};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use types::audit::{Criterion, Level};
use types::config::Service;
use types::{Resource, Time};

/// Refresh interval of the page: facts change slowly.
const REFRESH: Duration = Duration::from_secs(300);
/// Changes that are shown, newest first.
const CHANGES_MAX: usize = 100;

#[derive(Template)]
#[template(path = "service.html")]
struct ServicePage<'a> {
    frame: Frame<'a>,
    service: &'a Service,
    schedule: Option<&'a str>,
    /// People on call for it now.
    on_call: String,
    failed: Vec<Row<'a>>,
    accepted: Vec<Accepted<'a>>,
    not_checked: Vec<NotChecked<'a>>,
    met: Vec<(Criterion, &'static str)>,
    changes: Vec<ChangeRow<'a>>,
}

struct Row<'a> {
    title: &'static str,
    finding: &'a Finding,
    level: &'static str,
    since: Option<Moment>,
}

struct ChangeRow<'a> {
    at: Moment,
    title: &'static str,
    resource: &'a Resource,
    is_met: bool,
    evidence: &'a str,
}

/// Renders the page for a person. `report` is of this service.
///
/// # Errors
/// When there is no such service.
pub(crate) fn page(
    state: &WebState,
    views: &Views,
    session: &Session,
    (name, report): (&str, &Report),
    at: Time,
) -> Result<askama::Result<String>, Problem> {
    let acceptance = views.acceptance.as_ref().ok_or_else(no_audit)?;
    let concerned = concerned(acceptance, name)?;
    let service = acceptance.config().services.get(&name.into()).ok_or_else(no_audit)?;
    let clock = Clock::new(&views.status_page.timezone, at);
    let of_service: Vec<(Criterion, &Resource, &VecDeque<Changed>)> =
        acceptance.history().all().filter(|(_, resource, _)| concerned.contains(*resource)).collect();
    Ok(ServicePage {
        frame: Frame::new(state, views, session, "audit", REFRESH),
        service,
        schedule: service.schedule.as_ref().map(|schedule| schedule.0.as_str()),
        on_call: on_call(views, service),
        failed: report.findings.iter().map(|finding| row(finding, &of_service, &clock)).collect(),
        accepted: accepted(report, &clock),
        not_checked: not_checked(report),
        met: met(acceptance, report),
        changes: changes(&of_service, &clock),
    }
    .render())
}

/// People on call on the schedule of the service, or on any when it has none of its own.
fn on_call(views: &Views, service: &Service) -> String {
    let schedule = service.schedule.as_ref().map(|schedule| schedule.0.as_str());
    let duties = views.now.on_call.iter().filter(|duty| schedule.is_none_or(|own| own == duty.schedule));
    let people: BTreeSet<&str> =
        duties.flat_map(|duty| &duty.people).map(|(_, name)| name.as_str()).collect();
    text::list::and(people)
}

fn row<'a>(
    finding: &'a Finding,
    history: &[(Criterion, &Resource, &VecDeque<Changed>)],
    clock: &Clock<'_>,
) -> Row<'a> {
    let is_own = |(criterion, resource, _): &&(Criterion, &Resource, &VecDeque<Changed>)| {
        *criterion == finding.criterion && **resource == finding.resource
    };
    let last = history.iter().find(is_own).and_then(|(_, _, changes)| changes.back());
    Row {
        title: title(finding.criterion),
        level: finding.level.as_str(),
        since: last.filter(|last| !last.is_met).map(|last| clock.full(last.at)),
        finding,
    }
}

/// Criteria that are neither missed nor unchecked by what concerns the service.
fn met(acceptance: &Acceptance, report: &Report) -> Vec<(Criterion, &'static str)> {
    let accepted = report.accepted.iter().map(|accepted| accepted.finding.criterion);
    let failed: BTreeSet<Criterion> = report
        .findings
        .iter()
        .map(|finding| finding.criterion)
        .chain(accepted)
        .chain(report.not_checked.iter().map(|unknown| unknown.criterion))
        .collect();
    let levels = &acceptance.config().audit.levels;
    let all = criteria::all().filter(|it| levels.get(&it.criterion).unwrap_or(&it.level) != &Level::Off);
    all.filter(|it| !failed.contains(&it.criterion)).map(|it| (it.criterion, it.title)).collect()
}

/// The last changes, newest first.
fn changes<'a>(
    history: &[(Criterion, &'a Resource, &'a VecDeque<Changed>)],
    clock: &Clock<'_>,
) -> Vec<ChangeRow<'a>> {
    let mut all: Vec<(&Changed, Criterion, &'a Resource)> = Vec::new();
    for (criterion, resource, changes) in history {
        all.extend(changes.iter().map(|changed| (changed, *criterion, *resource)));
    }
    all.sort_by_key(|(changed, criterion, resource)| (std::cmp::Reverse(changed.at), *criterion, *resource));
    let row = |(changed, criterion, resource): (&'a Changed, Criterion, &'a Resource)| ChangeRow {
        at: clock.full(changed.at),
        title: title(criterion),
        resource,
        is_met: changed.is_met,
        evidence: changed.evidence.as_deref().unwrap_or_default(),
    };
    all.into_iter().take(CHANGES_MAX).map(row).collect()
}
