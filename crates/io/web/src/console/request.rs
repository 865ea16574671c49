//! One request, explained: where it passed, what decided, what took how long.

use super::bar::Bar;
use super::door::Session;
use super::edge::verdict_icon;
use super::frame::Frame;
use crate::look::{Clock, Icon, Moment};
use crate::site::Site;
use askama::Template;
use engine::views::Views;
use std::time::Duration;
use types::trace::{Hop, duration_text};
use types::{Time, Trace};

/// Passages are set in so far and no further: a phone has no room for more.
const DEPTH_MAX: usize = 3;

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage<'a> {
    frame: Frame<'a>,
    trace: &'a Trace,
    summary: String,
    hops: Vec<Passage<'a>>,
}

struct Passage<'a> {
    hop: &'a Hop,
    depth: usize,
    icon: Icon,
    title: &'a str,
    told: String,
    at: Moment,
    zone: String,
    took: String,
    parts: Vec<Part<'a>>,
    attempts: Vec<(&'a str, String, bool)>,
}

struct Part<'a> {
    name: &'a str,
    took: String,
    bar: Bar,
}

/// The page of one request.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn page(
    site: &Site,
    views: &Views,
    session: &Session,
    trace: &Trace,
    at: Time,
) -> askama::Result<String> {
    let hops: Vec<Passage<'_>> = trace
        .nested()
        .into_iter()
        .map(|(depth, hop)| passage(views, depth, hop, Clock::new(&views.status_page.clock, at)))
        .collect();
    RequestPage {
        frame: Frame::new(site, views, session, "", Duration::ZERO),
        summary: summary(&hops),
        trace,
        hops,
    }
    .render()
}

/// The whole in one sentence: the outcome for whoever asked, and the deepest passage that did not go well.
fn summary(hops: &[Passage<'_>]) -> String {
    let Some(first) = hops.first() else { return String::new() };
    let culprit = hops.iter().rev().find(|passage| !passage.hop.went_well());
    match culprit {
        Some(passage) if passage.depth > 0 => {
            format!("{}: {}. Beneath it, {}: {}.", first.title, first.told, passage.title, passage.told)
        }
        Some(passage) => format!("{}: {}.", passage.title, passage.told),
        None => format!("{}: {}.", first.title, first.told),
    }
}

fn passage<'a>(views: &'a Views, depth: usize, hop: &'a Hop, clock: Clock<'_>) -> Passage<'a> {
    let whole = hop.took_us.max(1);
    let share = |us: u64| us.min(whole) as f64 / whole as f64;
    Passage {
        depth: depth.min(DEPTH_MAX),
        icon: verdict_icon(hop),
        title: title(views, hop),
        told: hop.message(),
        at: clock.exact(hop.at),
        zone: clock.abbreviation(hop.at),
        took: duration_text(hop.took_us),
        parts: hop
            .phases
            .iter()
            .map(|phase| Part {
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

/// What people call the service; the host where no service has it.
fn title<'a>(views: &'a Views, hop: &'a Hop) -> &'a str {
    let Some(service) = &hop.service else { return &hop.host };
    views.now.services.iter().find(|row| row.id == service.0).map_or(&service.0, |row| &row.title)
}
