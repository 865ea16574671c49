//! HTML pages: the status page, one page per incident, and the history.

use super::uptime_bars::{NARROW_DAYS, UptimeBars};
use crate::design::text::{percent, rounded};
use crate::design::{Clock, Icon, Moment, StateClass as _, assets};
use crate::latency::public::{self, LatencyGroup, PublicLatencies};
use crate::wording::headline::headline;
use askama::Template;
use engine::views::StatusPage;
use engine::views::status_page::{Component, StatusPageIncident, StatusPageMaintenance};
use std::collections::BTreeMap;
use types::Time;
use types::event::ServiceState;
use types::maintenance::MaintenanceState;
use types::time::{between, spoken};

/// Number of past days on the status page; the history has all of them.
const PAST_DAYS: usize = 7;

/// Number of scheduled maintenances on the status page; the calendar has all of them.
const UPCOMING_MAX: usize = 3;

/// Maximum number of parts of a list of services.
const SERVICES_MAX: usize = 6;

/// Text without an uptime.
const NO_UPTIME: &str = "less than 24 h of data";

/// Frame of every page.
pub struct Frame<'a> {
    /// The style sheet.
    pub style: &'static str,
    /// The script.
    pub script: &'static str,
    /// The status page.
    pub status_page: &'a StatusPage,
    /// One sentence on the state of all services.
    pub headline: String,
    /// CSS class of the state; also changes the path of the favicon.
    pub state: &'static str,
    /// Timezone of all times.
    pub timezone: String,
}

impl<'a> Frame<'a> {
    fn of(status_page: &'a StatusPage) -> Self {
        Self {
            style: assets::STATUS_PAGE_CSS.path,
            script: assets::REFRESH_JS.path,
            status_page,
            headline: headline(status_page),
            state: status_page.state.class(),
            timezone: clock(status_page).named(),
        }
    }
}

#[derive(Template)]
#[template(path = "status_page.html")]
struct StatusPageTemplate<'a> {
    frame: Frame<'a>,
    icon: Icon,
    changed: Moment,
    check_interval: String,
    open: Vec<IncidentView<'a>>,
    /// Those that go on.
    active: Vec<MaintenanceView<'a>>,
    /// Those that come next.
    upcoming: Vec<MaintenanceView<'a>>,
    /// How many come after them.
    later: usize,
    groups: Vec<GroupRows<'a>>,
    days_shown: usize,
    days_narrow: usize,
    /// Response times by group; none where samples are not stored or not shown.
    latencies: Vec<LatencyGroup<'a>>,
    past: Vec<DayRow<'a>>,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage<'a> {
    frame: Frame<'a>,
    view: IncidentView<'a>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage<'a> {
    frame: Frame<'a>,
    days: Vec<DayRow<'a>>,
    quiet: usize,
    all: usize,
}

/// Incident with formatted times.
struct IncidentView<'a> {
    incident: &'a StatusPageIncident,
    icon: Icon,
    started: Moment,
    resolved: Option<Moment>,
    duration: Option<String>,
    affected: Vec<(&'a str, ServiceState, Icon)>,
    updates: Vec<(Moment, &'static str, &'a str)>,
    next_update_by: Option<Moment>,
}

impl<'a> IncidentView<'a> {
    fn new(incident: &'a StatusPageIncident, clock: Clock<'_>) -> Self {
        Self {
            incident,
            icon: incident.impact.into(),
            started: clock.time(incident.started),
            resolved: incident.resolved.map(|at| clock.time(at)),
            duration: incident.resolved.map(|at| rounded(between(incident.started, at))),
            affected: incident
                .affected
                .iter()
                .map(|(_, title, state)| (title.as_str(), *state, Icon::from(*state)))
                .collect(),
            updates: incident
                .updates
                .iter()
                .map(|update| (clock.time(update.at), update.status.title(), update.body.as_str()))
                .collect(),
            next_update_by: incident
                .next_update_by
                // The text of the newest update may contain it already.
                .filter(|_| {
                    !incident.updates.first().is_some_and(|update| update.body.contains("Next update by"))
                })
                .map(|at| clock.time(at)),
        }
    }

    /// Creates the view of an open incident: with the current states of the services, not those of the newest update.
    fn open(incident: &'a StatusPageIncident, status_page: &'a StatusPage, clock: Clock<'_>) -> Self {
        let now: BTreeMap<_, _> = status_page
            .groups
            .iter()
            .flat_map(|group| &group.components)
            .map(|part| (&part.id, part.state))
            .collect();
        let affected = incident.affected.iter().map(|(id, title, then)| {
            let state = now.get(id).copied().unwrap_or(*then);
            (title.as_str(), state, Icon::from(state))
        });
        Self { affected: affected.collect(), ..Self::new(incident, clock) }
    }
}

/// Maintenance with formatted times.
struct MaintenanceView<'a> {
    maintenance: &'a StatusPageMaintenance,
    icon: Icon,
    state: &'static str,
    from: Moment,
    to: Moment,
    services: String,
    updates: Vec<(Moment, &'static str, &'a str)>,
}

impl<'a> MaintenanceView<'a> {
    fn new(maintenance: &'a StatusPageMaintenance, clock: Clock<'_>) -> Self {
        let titles: Vec<&str> = maintenance.services.iter().map(|(_, title)| title.as_str()).collect();
        let updates = maintenance.updates.iter();
        Self {
            maintenance,
            icon: Icon::Planned,
            state: maintenance.state.title(),
            from: clock.full(maintenance.from),
            // The end of the same day needs no date.
            to: clock.read_at(maintenance.from).time(maintenance.to),
            services: ::text::list::and_more(&titles, SERVICES_MAX),
            updates: updates
                .map(|update| (clock.time(update.at), update.state.title(), update.body.as_str()))
                .collect(),
        }
    }
}

struct GroupRows<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    part: &'a Component,
    icon: Icon,
    class: &'static str,
    since: Option<Moment>,
    bars: UptimeBars,
    uptime: String,
}

impl<'a> Row<'a> {
    fn new(part: &'a Component, clock: Clock<'_>) -> Self {
        let bad = !matches!(part.state, ServiceState::Operational);
        Self {
            part,
            icon: part.state.into(),
            class: part.state.class(),
            since: part.since.filter(|_| bad).map(|at| clock.time(at)),
            bars: UptimeBars::new(&part.title, &part.days),
            uptime: part
                .uptime_percent
                .map_or(NO_UPTIME.to_owned(), |share| format!("{} % uptime", percent(share))),
        }
    }
}

/// Past day: incidents that ended on it, and those that continued.
struct DayRow<'a> {
    day: Moment,
    ended: Vec<IncidentView<'a>>,
    ongoing: Vec<&'a StatusPageIncident>,
}

/// Past days of the status page, newest first. A day in the middle of a long incident is not without incidents.
fn day_rows(status_page: &StatusPage) -> impl Iterator<Item = DayRow<'_>> {
    let clock = clock(status_page);
    status_page.past.iter().map(move |day| {
        let began = |incident: &&StatusPageIncident| clock.day_of(incident.started) <= day.date;
        let later =
            status_page.past.iter().filter(|other| other.date > day.date).flat_map(|other| &other.incidents);
        DayRow {
            day: Moment::day(day.date),
            ended: day
                .incidents
                .iter()
                .map(|incident| IncidentView::new(incident, clock.on(day.date)))
                .collect(),
            ongoing: status_page.open.iter().chain(later).filter(began).collect(),
        }
    })
}

/// Formatter of times, relative to the last change of the page.
fn clock(status_page: &StatusPage) -> Clock<'_> {
    Clock::new(&status_page.timezone, status_page.changed)
}

/// Renders the status page.
///
/// # Errors
/// When the template fails, which would be a bug.
pub fn status_page(status_page: &StatusPage, latencies: &PublicLatencies) -> askama::Result<String> {
    let clock = clock(status_page);
    let rows = |part| Row::new(part, clock);
    let days_shown =
        status_page.groups.iter().flat_map(|group| &group.components).map(|part| part.days.len()).max();
    let days_shown = days_shown.unwrap_or(0);
    let maintenances = status_page.maintenances.iter();
    let active = maintenances.clone().filter(|one| one.is_active());
    let upcoming = maintenances.filter(|one| one.state == MaintenanceState::Scheduled);
    StatusPageTemplate {
        frame: Frame::of(status_page),
        icon: status_page.state.into(),
        changed: clock.full(status_page.changed),
        check_interval: spoken(status_page.check_interval),
        open: status_page
            .open
            .iter()
            .map(|incident| IncidentView::open(incident, status_page, clock))
            .collect(),
        active: active.map(|one| MaintenanceView::new(one, clock)).collect(),
        later: upcoming.clone().count().saturating_sub(UPCOMING_MAX),
        upcoming: upcoming.take(UPCOMING_MAX).map(|one| MaintenanceView::new(one, clock)).collect(),
        groups: status_page
            .groups
            .iter()
            .filter(|group| !group.components.is_empty())
            .map(|group| GroupRows {
                name: if group.name.is_empty() { "Services" } else { &group.name },
                rows: group.components.iter().map(rows).collect(),
            })
            .collect(),
        days_shown,
        days_narrow: days_shown.min(NARROW_DAYS),
        latencies: public::groups(status_page, latencies, clock),
        past: day_rows(status_page).take(PAST_DAYS).collect(),
    }
    .render()
}

/// Renders the page of one incident.
///
/// # Errors
/// When the template fails, which would be a bug.
pub fn incident(status_page: &StatusPage, incident: &StatusPageIncident) -> askama::Result<String> {
    // The page is read days later: every time has its date.
    let clock = Clock::new(&status_page.timezone, Time::MIN);
    let view = match incident.resolved {
        None => IncidentView::open(incident, status_page, clock),
        Some(_) => IncidentView::new(incident, clock),
    };
    IncidentPage { frame: Frame::of(status_page), view }.render()
}

/// Renders the history: past days with incidents.
///
/// # Errors
/// When the template fails, which would be a bug.
pub fn history(status_page: &StatusPage) -> askama::Result<String> {
    let days: Vec<_> = day_rows(status_page).filter(|row| !row.ended.is_empty()).collect();
    let quiet = day_rows(status_page).filter(|row| row.ended.is_empty() && row.ongoing.is_empty()).count();
    HistoryPage { frame: Frame::of(status_page), days, quiet, all: status_page.past.len() }.render()
}
