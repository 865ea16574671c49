//! The page of one trace: its hops, decisions and timings.

use super::bar::Bar;
use super::edge::verdict_icon;
use super::frame::Frame;
use crate::design::{Clock, Icon, Moment};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::views::Views;
use std::time::Duration;
use types::trace::{Hop, duration_text};
use types::{Time, Trace};

/// Maximum indentation of nested hops: a phone has no room for more.
const DEPTH_MAX: usize = 3;

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage<'a> {
    frame: Frame<'a>,
    trace: &'a Trace,
    summary: String,
    hops: Vec<HopView<'a>>,
}

struct HopView<'a> {
    hop: &'a Hop,
    depth: usize,
    icon: Icon,
    title: &'a str,
    result: String,
    at: Moment,
    timezone: String,
    took: String,
    phases: Vec<PhaseView<'a>>,
    attempts: Vec<(&'a str, String, bool)>,
}

struct PhaseView<'a> {
    name: &'a str,
    took: String,
    bar: Bar,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub fn page(
    state: &WebState,
    views: &Views,
    session: &Session,
    trace: &Trace,
    at: Time,
) -> askama::Result<String> {
    let hops: Vec<HopView<'_>> = trace
        .nested()
        .into_iter()
        .map(|(depth, hop)| hop_view(views, depth, hop, Clock::new(&views.status_page.timezone, at)))
        .collect();
    TracePage {
        frame: Frame::new(state, views, session, "", Duration::ZERO),
        summary: summary(&hops),
        trace,
        hops,
    }
    .render()
}

/// Returns one sentence: the result for the client, and the deepest hop that did not succeed.
fn summary(hops: &[HopView<'_>]) -> String {
    let Some(first) = hops.first() else { return String::new() };
    let failed = hops.iter().rev().find(|view| !view.hop.went_well());
    match failed {
        Some(view) if view.depth > 0 => {
            format!("{}: {}. Upstream, {}: {}.", first.title, first.result, view.title, view.result)
        }
        Some(view) => format!("{}: {}.", view.title, view.result),
        None => format!("{}: {}.", first.title, first.result),
    }
}

fn hop_view<'a>(views: &'a Views, depth: usize, hop: &'a Hop, clock: Clock<'_>) -> HopView<'a> {
    let whole = hop.took_us.max(1);
    let share = |us: u64| us.min(whole) as f64 / whole as f64;
    HopView {
        depth: depth.min(DEPTH_MAX),
        icon: verdict_icon(hop),
        title: title(views, hop),
        result: hop.message(),
        at: clock.exact(hop.at),
        timezone: clock.abbreviation(hop.at),
        took: duration_text(hop.took_us),
        phases: hop
            .phases
            .iter()
            .map(|phase| PhaseView {
                name: &phase.name,
                took: duration_text(phase.took_us),
                bar: Bar::part(share(phase.began_us), share(phase.took_us)),
            })
            .collect(),
        attempts: hop
            .attempts
            .iter()
            .map(|attempt| {
                let after = duration_text(attempt.took_us);
                let end = match (&attempt.why, attempt.status) {
                    (Some(why), _) => format!("{why}, after {after}"),
                    (None, Some(status)) => format!("answered {status} after {after}"),
                    (None, None) => format!("no answer after {after}"),
                };
                (attempt.server.as_str(), end, attempt.why.is_none())
            })
            .collect(),
        hop,
    }
}

/// Title of the service, or the host when no service has it.
fn title<'a>(views: &'a Views, hop: &'a Hop) -> &'a str {
    let Some(service) = &hop.service else { return &hop.host };
    views.now.services.iter().find(|row| row.id == service.0).map_or(&service.0, |row| &row.title)
}
