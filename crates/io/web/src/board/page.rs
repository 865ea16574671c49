//! The board's pages: the board itself, one page an incident, and the history.

use super::strip::{NARROW_DAYS, Strip};
use crate::look::words::{Look as _, percent, roughly};
use crate::look::{Clock, Icon, Moment, assets};
use askama::Template;
use engine::views::Board;
use engine::views::board::{BoardIncident, Component};
use types::Time;
use types::event::ServiceState;
use types::time::{between, spoken};
use std::collections::BTreeMap;

/// Past days on the board itself; the history page has all of them.
const PAST_DAYS: usize = 7;

/// Instead of a percentage, before a whole day was watched.
const NO_SHARE: &str = "no full day yet";

/// What the frame of every page needs.
pub struct Frame<'a> {
    /// The style sheet.
    pub style: &'static str,
    /// The script.
    pub script: &'static str,
    /// The board.
    pub board: &'a Board,
    /// The class of the board's state: makes the favicon's address change with it.
    pub state: &'static str,
    /// The zone of all times, in words.
    pub zone: String,
}

impl<'a> Frame<'a> {
    fn of(board: &'a Board) -> Self {
        Self {
            style: assets::BOARD_CSS.path,
            script: assets::LIVE_JS.path,
            board,
            state: board.state.class(),
            zone: clock(board).named(),
        }
    }
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage<'a> {
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
    incident: &'a BoardIncident,
    icon: Icon,
    started: Moment,
    resolved: Option<Moment>,
    lasted: Option<String>,
    affected: Vec<(&'a str, ServiceState, Icon)>,
    posts: Vec<(Moment, &'static str, &'a str)>,
    next_post_by: Option<Moment>,
}

impl<'a> Told<'a> {
    fn new(incident: &'a BoardIncident, clock: Clock<'_>) -> Self {
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
    fn going_on(incident: &'a BoardIncident, board: &'a Board, clock: Clock<'_>) -> Self {
        let now: BTreeMap<_, _> = board
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
    ongoing: Vec<&'a BoardIncident>,
}

/// Every past day of the board, newest first. A day in the middle of a long incident is not a quiet day.
fn day_rows(board: &Board) -> impl Iterator<Item = DayRow<'_>> {
    let clock = clock(board);
    board.past.iter().map(move |day| {
        let began = |incident: &&BoardIncident| clock.day_of(incident.started) <= day.date;
        let later =
            board.past.iter().filter(|other| other.date > day.date).flat_map(|other| &other.incidents);
        DayRow {
            day: Moment::day(day.date),
            ended: day.incidents.iter().map(|incident| Told::new(incident, clock.on(day.date))).collect(),
            ongoing: board.open.iter().chain(later).filter(began).collect(),
        }
    })
}

/// The clock of the board, read when anything on it last changed.
fn clock(board: &Board) -> Clock<'_> {
    Clock::new(&board.clock, board.changed)
}

/// The board.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn board(board: &Board) -> askama::Result<String> {
    let clock = clock(board);
    let rows = |part| Row::new(part, clock);
    let days_shown =
        board.groups.iter().flat_map(|group| &group.components).map(|part| part.days.len()).max();
    let days_shown = days_shown.unwrap_or(0);
    BoardPage {
        frame: Frame::of(board),
        icon: board.state.into(),
        changed: clock.full(board.changed),
        looked_every: spoken(board.looked_every),
        open: board.open.iter().map(|incident| Told::going_on(incident, board, clock)).collect(),
        groups: board
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
        past: day_rows(board).take(PAST_DAYS).collect(),
    }
    .render()
}

/// The page of one incident.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn incident(board: &Board, incident: &BoardIncident) -> askama::Result<String> {
    // Read days later by a stranger: every time says its day.
    let clock = Clock::new(&board.clock, Time::MIN);
    let told = match incident.resolved {
        None => Told::going_on(incident, board, clock),
        Some(_) => Told::new(incident, clock),
    };
    IncidentPage { frame: Frame::of(board), told }.render()
}

/// The page of all past days that were not quiet.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn history(board: &Board) -> askama::Result<String> {
    let days: Vec<_> = day_rows(board).filter(|row| !row.ended.is_empty()).collect();
    let quiet = day_rows(board).filter(|row| row.ended.is_empty() && row.ongoing.is_empty()).count();
    HistoryPage { frame: Frame::of(board), days, quiet, all: board.past.len() }.render()
}
