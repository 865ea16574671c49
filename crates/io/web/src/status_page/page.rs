//! The status page's pages: the status page itself, one page an incident, and the history.

use super::strip::{NARROW_DAYS, Strip};
use crate::look::words::{Look as _, percent, roughly};
use crate::look::{Clock, Icon, Moment, assets};
use askama::Template;
use engine::views::StatusPage;
use engine::views::status_page::{Component, StatusPageIncident};
use std::collections::BTreeMap;
use types::Time;
use types::event::ServiceState;
use types::time::{between, spoken};

/// Past days on the status page itself; the history page has all of them.
const PAST_DAYS: usize = 7;

/// Instead of a percentage, before a whole day was watched.
const NO_SHARE: &str = "no full day yet";

/// What the frame of every page needs.
pub struct Frame<'a> {
    /// The style sheet.
    pub style: &'static str,
    /// The script.
    pub script: &'static str,
    /// The status page.
    pub status_page: &'a StatusPage,
    /// The class of the status page's state: makes the favicon's address change with it.
    pub state: &'static str,
    /// The zone of all times, in words.
    pub zone: String,
}

impl<'a> Frame<'a> {
    fn of(status_page: &'a StatusPage) -> Self {
        Self {
            style: assets::STATUS_PAGE_CSS.path,
            script: assets::LIVE_JS.path,
            status_page,
            state: status_page.state.class(),
            zone: clock(status_page).named(),
        }
    }
}

#[derive(Template)]
#[template(path = "status_page.html")]
struct StatusPagePage<'a> {
    frame: Frame<'a>,
    icon: Icon,
    changed: Moment,
    looked_every: String,
    open: Vec<Told<'a>>,
    groups: Vec<GroupRows<'a>>,
    days_shown: usize,
    days_narrow: usize,
    past: Vec<DayRow<'a>>,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage<'a> {
    frame: Frame<'a>,
    told: Told<'a>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage<'a> {
    frame: Frame<'a>,
    days: Vec<DayRow<'a>>,
    quiet: usize,
    all: usize,
}

/// An incident with its times in words.
struct Told<'a> {
    incident: &'a StatusPageIncident,
    icon: Icon,
    started: Moment,
    resolved: Option<Moment>,
    lasted: Option<String>,
    affected: Vec<(&'a str, ServiceState, Icon)>,
    posts: Vec<(Moment, &'static str, &'a str)>,
    next_post_by: Option<Moment>,
}

impl<'a> Told<'a> {
    fn new(incident: &'a StatusPageIncident, clock: Clock<'_>) -> Self {
        Self {
            incident,
            icon: incident.impact.into(),
            started: clock.time(incident.started),
            resolved: incident.resolved.map(|at| clock.time(at)),
            lasted: incident.resolved.map(|at| roughly(between(incident.started, at))),
            affected: incident
                .affected
                .iter()
                .map(|(_, title, state)| (title.as_str(), *state, Icon::from(*state)))
                .collect(),
            posts: incident
                .posts
                .iter()
                .map(|post| (clock.time(post.at), post.status.title(), post.body.as_str()))
                .collect(),
            next_post_by: incident
                .next_post_by
                // The newest words may say it themselves.
                .filter(|_| !incident.posts.first().is_some_and(|post| post.body.contains("Next update by")))
                .map(|at| clock.time(at)),
        }
    }

    /// One that goes on: beside each service stands how it is now, not how it was when the last words were written.
    fn going_on(incident: &'a StatusPageIncident, status_page: &'a StatusPage, clock: Clock<'_>) -> Self {
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

struct GroupRows<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    part: &'a Component,
    icon: Icon,
    class: &'static str,
    since: Option<Moment>,
    strip: Strip,
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
            strip: Strip::new(&part.title, &part.days),
            uptime: part
                .uptime_percent
                .map_or(NO_SHARE.to_owned(), |share| format!("{} % uptime", percent(share))),
        }
    }
}

/// One past day: what ended on it, and what was going on without ending.
struct DayRow<'a> {
    day: Moment,
    ended: Vec<Told<'a>>,
    ongoing: Vec<&'a StatusPageIncident>,
}

/// Every past day of the status page, newest first. A day in the middle of a long incident is not a quiet day.
fn day_rows(status_page: &StatusPage) -> impl Iterator<Item = DayRow<'_>> {
    let clock = clock(status_page);
    status_page.past.iter().map(move |day| {
        let began = |incident: &&StatusPageIncident| clock.day_of(incident.started) <= day.date;
        let later =
            status_page.past.iter().filter(|other| other.date > day.date).flat_map(|other| &other.incidents);
        DayRow {
            day: Moment::day(day.date),
            ended: day.incidents.iter().map(|incident| Told::new(incident, clock.on(day.date))).collect(),
            ongoing: status_page.open.iter().chain(later).filter(began).collect(),
        }
    })
}

/// The clock of the status page, read when anything on it last changed.
fn clock(status_page: &StatusPage) -> Clock<'_> {
    Clock::new(&status_page.clock, status_page.changed)
}

/// The status page.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn status_page(status_page: &StatusPage) -> askama::Result<String> {
    let clock = clock(status_page);
    let rows = |part| Row::new(part, clock);
    let days_shown =
        status_page.groups.iter().flat_map(|group| &group.components).map(|part| part.days.len()).max();
    let days_shown = days_shown.unwrap_or(0);
    StatusPagePage {
        frame: Frame::of(status_page),
        icon: status_page.state.into(),
        changed: clock.full(status_page.changed),
        looked_every: spoken(status_page.looked_every),
        open: status_page.open.iter().map(|incident| Told::going_on(incident, status_page, clock)).collect(),
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
        past: day_rows(status_page).take(PAST_DAYS).collect(),
    }
    .render()
}

/// The page of one incident.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn incident(status_page: &StatusPage, incident: &StatusPageIncident) -> askama::Result<String> {
    // Read days later by a stranger: every time says its day.
    let clock = Clock::new(&status_page.clock, Time::MIN);
    let told = match incident.resolved {
        None => Told::going_on(incident, status_page, clock),
        Some(_) => Told::new(incident, clock),
    };
    IncidentPage { frame: Frame::of(status_page), told }.render()
}

/// The page of all past days that were not quiet.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn history(status_page: &StatusPage) -> askama::Result<String> {
    let days: Vec<_> = day_rows(status_page).filter(|row| !row.ended.is_empty()).collect();
    let quiet = day_rows(status_page).filter(|row| row.ended.is_empty() && row.ongoing.is_empty()).count();
    HistoryPage { frame: Frame::of(status_page), days, quiet, all: status_page.past.len() }.render()
}
