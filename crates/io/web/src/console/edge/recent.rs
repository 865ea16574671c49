//! Recent refused, failed and slow requests. Similar requests share a line.

use super::title;
use crate::design::{Clock, Icon, Moment};
use engine::views::Traffic;
use types::Trace;
use types::trace::{Hop, Verdict, duration_text};

/// Maximum number of lines.
const LINES_MAX: usize = 15;

pub(super) struct Line {
    pub(super) id: String,
    pub(super) at: Moment,
    pub(super) icon: Icon,
    pub(super) verdict: &'static str,
    pub(super) request: String,
    pub(super) result: String,
    pub(super) took: String,
    /// Number of older requests with the same result.
    pub(super) similar: usize,
}

/// Returns the newest request of each kind.
pub(super) fn lines(traffic: &Traffic, recent: &[Trace], clock: Clock<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for line in recent.iter().filter_map(|trace| line(traffic, trace, clock)) {
        let similar = |other: &Line| other.request == line.request && other.result == line.result;
        match lines.iter().position(similar) {
            Some(known) => lines[known].similar += 1,
            None if lines.len() < LINES_MAX => lines.push(line),
            None => {}
        }
    }
    lines
}

fn line(traffic: &Traffic, trace: &Trace, clock: Clock<'_>) -> Option<Line> {
    // The innermost hop that did not succeed; the outermost where all did.
    let hop = trace.hops.iter().rev().find(|hop| !hop.went_well()).or(trace.hops.first())?;
    let service = hop.service.as_ref().map_or(hop.host.as_str(), |id| title(traffic, &id.0));
    Some(Line {
        id: trace.id.clone(),
        at: clock.exact(hop.at),
        // A successful request is in the list because it was slow.
        icon: if hop.went_well() { Icon::Slow } else { verdict_icon(hop) },
        verdict: if hop.went_well() { "slow" } else { hop.outcome() },
        request: format!("{service}: {} {}", hop.method, hop.path),
        result: match (hop.verdict, &hop.limit) {
            // The part after the comma, the time until the next token, differs between requests.
            (Verdict::Limited, Some(limit)) => {
                let limit = limit.split(',').next().unwrap_or(limit);
                format!("refused with {} by the {limit}", hop.status)
            }
            (Verdict::Passed, _) => format!("answered {}", hop.status),
            _ => hop.message(),
        },
        took: duration_text(hop.took_us),
        similar: 0,
    })
}

/// Returns the icon of a verdict.
pub(crate) fn verdict_icon(hop: &Hop) -> Icon {
    match hop.verdict {
        _ if hop.went_well() => Icon::Ok,
        Verdict::Passed if hop.status == 429 => Icon::Slow,
        Verdict::Passed | Verdict::Failed => Icon::Major,
        Verdict::Limited | Verdict::Shed | Verdict::Held | Verdict::Duplicate => Icon::Slow,
        _ => Icon::Part,
    }
}
