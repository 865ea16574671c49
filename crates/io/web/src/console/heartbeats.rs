//! The page of jobs that report by heartbeats.

use super::frame::Frame;
use crate::design::{Clock, Moment};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::views::{HeartbeatRow, Views};
use std::time::Duration;
use types::Time;
use types::heartbeat::Pinged;

/// Refresh interval of the page.
const REFRESH: Duration = Duration::from_secs(30);
/// Pings of a job that are shown.
const PINGS: usize = 5;

#[derive(Template)]
#[template(path = "heartbeats.html")]
struct HeartbeatsPage<'a> {
    frame: Frame<'a>,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    job: &'a HeartbeatRow,
    state: String,
    due: Option<Moment>,
    succeeded: Option<Moment>,
    pings: Vec<Line<'a>>,
    /// The output of the newest ping that has one.
    output: Option<&'a str>,
}

struct Line<'a> {
    at: Moment,
    what: String,
    run: Option<&'a str>,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn page(state: &WebState, views: &Views, session: &Session, now: Time) -> askama::Result<String> {
    let clock = Clock::new(&views.status_page.timezone, now);
    HeartbeatsPage {
        frame: Frame::new(state, views, session, "heartbeats", REFRESH),
        rows: views.now.heartbeats.iter().map(|job| row(job, &clock)).collect(),
    }
    .render()
}

fn row<'a>(job: &'a HeartbeatRow, clock: &Clock<'_>) -> Row<'a> {
    let state = match (&job.trouble, job.running_since) {
        (Some(trouble), _) => trouble.text.clone(),
        (None, Some(since)) => {
            format!("running since {}", types::time::formatted(since, clock.timezone(), "%Y-%m-%d %H:%M"))
        }
        (None, None) if job.succeeded.is_none() => "has not reported yet".to_owned(),
        (None, None) => "well".to_owned(),
    };
    let line = |pinged: &'a Pinged| Line {
        at: clock.full(pinged.at),
        what: pinged.ping.kind.to_string(),
        run: pinged.ping.run.as_deref(),
    };
    Row {
        state,
        due: job.due.map(|at| clock.full(at)),
        succeeded: job.succeeded.map(|at| clock.full(at)),
        pings: job.recent.iter().take(PINGS).map(line).collect(),
        output: job.recent.iter().find_map(|pinged| pinged.ping.output.as_deref()),
        job,
    }
}
