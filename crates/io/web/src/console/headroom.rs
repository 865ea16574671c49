//! The page of headroom: the share of its knee that each pool and database uses at its daily peak.

use super::bar::Bar;
use super::frame::Frame;
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::views::Views;
use engine::views::scaling::Scaling;
use std::time::Duration;
use types::Headroom;
use types::headroom::{Capacity, Trend, UTILIZATION_MAX, percent, rate};

/// Refresh interval of the page.
const REFRESH: Duration = Duration::from_secs(30);

#[derive(Template)]
#[template(path = "headroom.html")]
struct HeadroomPage<'a> {
    frame: Frame<'a>,
    rows: Vec<Row<'a>>,
    max: String,
}

struct Row<'a> {
    headroom: &'a Headroom,
    bar: Option<Bar>,
    day: String,
    week: String,
    month: String,
    servers: String,
    wanted: String,
    knee: String,
    trend: String,
    is_low: bool,
    text: String,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn page(state: &WebState, views: &Views, session: &Session) -> askama::Result<String> {
    HeadroomPage {
        frame: Frame::new(state, views, session, "headroom", REFRESH),
        rows: views.headroom.iter().map(|headroom| row(views, headroom)).collect(),
        max: percent(UTILIZATION_MAX),
    }
    .render()
}

fn row<'a>(views: &'a Views, headroom: &'a Headroom) -> Row<'a> {
    let share = |share: Option<f64>| share.map_or_else(|| "unknown".to_owned(), percent);
    let utilization = headroom.utilization;
    Row {
        bar: utilization.day.map(|day| Bar::part(0.0, day.clamp(0.0, 1.0))),
        day: share(utilization.day),
        week: share(utilization.week),
        month: share(utilization.month),
        servers: headroom
            .servers
            .map_or_else(|| "–".to_owned(), |servers| format!("{} of {}", servers.working, servers.all)),
        wanted: wanted(views, headroom).map_or_else(|| "–".to_owned(), |wanted| wanted.to_string()),
        knee: knee(headroom),
        trend: trend(headroom),
        is_low: headroom.is_low(),
        text: headroom.to_string(),
        headroom,
    }
}

fn wanted(views: &Views, headroom: &Headroom) -> Option<u32> {
    let pools = &views.traffic.as_ref()?.pools;
    let pool = pools.iter().find(|pool| types::Resource::pool(&pool.id) == headroom.resource)?;
    match pool.scaling.as_ref()? {
        Scaling::Signal(signal) => Some(signal.desired_servers),
        Scaling::Unknown(_) => None,
    }
}

fn knee(headroom: &Headroom) -> String {
    match &headroom.capacity {
        Capacity::LoadTest { target, per_server, is_lower_bound, .. } => {
            let least = if *is_lower_bound { "at least " } else { "" };
            format!("{least}{} requests/s a server (load test `{target}`)", rate(*per_server))
        }
        Capacity::Estimate { per_server, .. } => {
            format!("about {} requests/s a server (estimate)", rate(*per_server))
        }
        Capacity::ConnectionSlots => "its connection slots".to_owned(),
        Capacity::Unknown { why } => format!("unknown: {why}"),
    }
}

fn trend(headroom: &Headroom) -> String {
    match headroom.trend {
        Trend::Unknown => "–".to_owned(),
        Trend::TooShort { days, needed } => format!("{days} of {needed} days measured"),
        Trend::Level => "level".to_owned(),
        Trend::Grows { meets: None, per_day } => format!("grows {:.1} % a day", per_day * 100.0),
        Trend::Grows { meets: Some(date), .. } => format!("meets the knee on {date}"),
    }
}
