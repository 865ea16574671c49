//! The page of maintenances and silences: those that go on, those that come, those that ended lately, and a form for a new maintenance.

use super::frame::Frame;
use crate::design::{Clock, Moment};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::views::{Node, Now, Views};
use std::time::Duration;
use types::maintenance::{TEXT_MAX, TITLE_MAX};
use types::silence::SilenceState;
use types::{Kind, ScheduledMaintenance, Silence, Time};

/// Refresh interval of the page.
const REFRESH: Duration = Duration::from_secs(30);
/// Ended ones that are listed.
const ENDED_MAX: usize = 20;

#[derive(Template)]
#[template(path = "maintenance.html")]
struct MaintenancePage<'a> {
    frame: Frame<'a>,
    open: Vec<Row<'a>>,
    ended: Vec<Row<'a>>,
    /// Silences that are not over; `None` where no source can have any.
    silences: Option<Vec<SilenceRow>>,
    /// Name and title of each service.
    services: Vec<(&'a str, &'a str)>,
    /// Databases and pools.
    resources: Vec<String>,
    title_max: usize,
    text_max: usize,
}

struct Row<'a> {
    id: u64,
    title: &'a str,
    state: &'static str,
    is_active: bool,
    from: Moment,
    to: Moment,
    names: String,
    by: &'a str,
    /// Whether a section of the configuration scheduled it.
    is_planned: bool,
}

struct SilenceRow {
    id: u64,
    matchers: String,
    source: String,
    state: &'static str,
    from: Moment,
    to: Moment,
    /// Who set it and why.
    words: String,
}

/// The silences that are not over.
fn silences(now: &Now, clock: Clock<'_>) -> Vec<SilenceRow> {
    let open = now.silences.iter().filter(|known| known.state(now.at) != SilenceState::Expired);
    open.map(|known| {
        let Silence { id, source, from, author, comment, .. } = &known.silence;
        let words = [author, comment].map(String::as_str);
        let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
        SilenceRow {
            id: id.0,
            matchers: known.silence.matchers_text(),
            source: source.clone(),
            state: known.state(now.at).as_str(),
            from: clock.time(*from),
            to: clock.time(known.end()),
            words: words.join(": "),
        }
    })
    .collect()
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn page(state: &WebState, views: &Views, session: &Session, at: Time) -> askama::Result<String> {
    let now = &views.now;
    let clock = Clock::new(&views.status_page.timezone, at);
    let mut open: Vec<&ScheduledMaintenance> =
        now.maintenances.iter().filter(|one| one.ended.is_none()).collect();
    open.sort_by_key(|one| (one.planned.from, one.planned.id));
    let mut ended: Vec<&ScheduledMaintenance> =
        now.maintenances.iter().filter(|one| one.ended.is_some()).collect();
    ended.sort_by_key(|one| std::cmp::Reverse((one.ended, one.planned.id)));
    let mut services: Vec<(&str, &str)> =
        now.services.iter().map(|row| (row.id.as_str(), row.title.as_str())).collect();
    services.sort_by_key(|(_, title)| title.to_lowercase());
    MaintenancePage {
        frame: Frame::new(state, views, session, "maintenance", REFRESH),
        open: open.into_iter().map(|one| row(now, one, clock)).collect(),
        ended: ended.into_iter().take(ENDED_MAX).map(|one| row(now, one, clock)).collect(),
        silences: (!now.silences.is_empty()).then(|| silences(now, clock)),
        services,
        resources: resources(now),
        title_max: TITLE_MAX,
        text_max: TEXT_MAX,
    }
    .render()
}

fn row<'a>(now: &Now, one: &'a ScheduledMaintenance, clock: Clock<'_>) -> Row<'a> {
    let title = |id: &str| {
        let known = now.services.iter().find(|service| service.id == id);
        known.map_or_else(|| id.to_owned(), |service| service.title.clone())
    };
    let services = one.planned.services.iter().map(|id| title(&id.0));
    let names: Vec<String> = services.chain(one.planned.resources.iter().map(ToString::to_string)).collect();
    Row {
        id: one.planned.id.0,
        title: &one.planned.title,
        state: one.state().as_str(),
        is_active: one.is_active(),
        from: clock.time(one.planned.from),
        to: clock.time(one.ended.filter(|_| one.started.is_some()).unwrap_or(one.planned.to)),
        names: names.join(", "),
        by: &one.by.id,
        is_planned: one.planned.section.is_some(),
    }
}

/// The databases and pools that can be named.
fn resources(now: &Now) -> Vec<String> {
    let can_be_named = |node: &&Node| matches!(node.resource.kind, Kind::Database | Kind::Pool);
    let mut all: Vec<String> =
        now.nodes.iter().filter(can_be_named).map(|node| node.resource.to_string()).collect();
    all.sort();
    all
}
