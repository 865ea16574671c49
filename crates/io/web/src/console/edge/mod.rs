//! The page Edge of the console: traffic by service, valves, denials, cache, pools, recent requests.

mod actions;
mod pool;
mod recent;
mod service;
mod valve;

use super::chart::rate;
use super::frame::Frame;
use crate::design::text::per_sec;
use crate::design::{Clock, Moment};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::views::traffic::ServiceNow;
use engine::views::{Traffic, Views};
use std::time::Duration;
use text::number::grouped;
use types::traffic::ServiceTraffic;
use types::{Denial, Time, Trace};

pub(crate) use actions::routes;
pub(crate) use recent::verdict_icon;
pub(crate) use service::refused;

/// Refresh interval of the page.
const REFRESH: Duration = Duration::from_secs(5);
/// Maximum number of recent requests that are grouped into lines.
const RECENT_MAX: usize = 100;
/// Duration of a denial by the button beside a source.
const BUTTON_SECONDS: u64 = 3_600;

#[derive(Template)]
#[template(path = "edge.html")]
struct EdgePage<'a> {
    frame: Frame<'a>,
    /// `None` when the configuration has no edge.
    edge: Option<EdgeView<'a>>,
}

struct EdgeView<'a> {
    problem: Option<String>,
    per_sec: String,
    refused: String,
    failed: String,
    connections: String,
    healthy: String,
    services: Vec<service::ServiceView<'a>>,
    pools: Vec<pool::PoolView<'a>>,
    denials: Vec<(&'a Denial, String, Moment)>,
    valves: Vec<valve::ValveView<'a>>,
    /// Services with cached paths.
    cached: Vec<&'a ServiceNow>,
    recent: Vec<recent::Line>,
    unknown_hosts: Vec<(&'a str, u64)>,
    button_seconds: u64,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub fn page(state: &WebState, views: &Views, session: &Session, at: Time) -> askama::Result<String> {
    let traffic = state.traffic();
    let recent = state.edge().recent(RECENT_MAX);
    let clock = Clock::new(&views.status_page.timezone, at);
    EdgePage {
        frame: Frame::new(state, views, session, "edge", REFRESH),
        edge: traffic.as_deref().map(|traffic| view(traffic, &recent, clock)),
    }
    .render()
}

fn view<'a>(traffic: &'a Traffic, recent: &[Trace], clock: Clock<'_>) -> EdgeView<'a> {
    let sum = |count: fn(&ServiceTraffic) -> u64| {
        let rates = traffic.services.iter().map(|row| rate(row.now.as_ref().map_or(0, count), row.window));
        rates.sum::<f64>()
    };
    let servers =
        || traffic.pools.iter().filter_map(|pool| pool.seen.as_ref()).flat_map(|seen| &seen.servers);
    let healthy = servers().filter(|server| server.state.serves()).count();
    EdgeView {
        problem: problem(traffic, clock),
        per_sec: per_sec(sum(|now| now.requests)),
        refused: per_sec(sum(refused)),
        failed: per_sec(sum(|now| now.failed)),
        connections: grouped(traffic.connections),
        healthy: format!("{healthy} of {}", servers().count()),
        services: service::views(traffic),
        pools: traffic.pools.iter().map(|row| pool::view(row, clock.read_at(traffic.at))).collect(),
        denials: traffic.denials.iter().map(|denial| denial_row(traffic, denial, clock)).collect(),
        valves: valve::views(traffic, clock),
        cached: traffic.services.iter().filter(|row| row.is_cached).collect(),
        recent: recent::lines(traffic, recent, clock),
        unknown_hosts: traffic.unknown_hosts.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
        button_seconds: BUTTON_SECONDS,
    }
}

/// Describes why the figures are out of date, if they are.
fn problem(traffic: &Traffic, clock: Clock<'_>) -> Option<String> {
    let reported = match (traffic.silent, traffic.reported) {
        (false, _) => return None,
        (true, None) => return Some("The edge has not reported yet.".to_owned()),
        (true, Some(reported)) => reported,
    };
    // An instant, not an age: a screen reader would announce a changing alert again and again.
    let since = clock.seconds(reported).text;
    Some(format!("The edge has not reported since {since}. These figures are old; the edge may still serve."))
}

fn denial_row<'a>(traffic: &Traffic, denial: &'a Denial, clock: Clock<'_>) -> (&'a Denial, String, Moment) {
    let service = denial.service.as_ref().map(|id| title(traffic, &id.0));
    let scope = service.map_or_else(|| "on all services".to_owned(), |title| format!("on {title}"));
    (denial, scope, clock.time(denial.until))
}

/// Title of a service.
fn title<'a>(traffic: &'a Traffic, id: &'a str) -> &'a str {
    traffic.services.iter().find(|row| row.id == id).map_or(id, |row| row.title.as_str())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
