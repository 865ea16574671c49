//! One pool and its servers.

use super::micros;
use crate::design::text::list;
use crate::design::{Clock, Icon, Moment};
use engine::views::traffic::PoolNow;
use text::number::grouped;
use types::time::earlier;
use types::trace::duration_text;
use types::traffic::{PoolStatus, ServerState, ServerStatus};

pub(super) struct PoolView<'a> {
    pub(super) row: &'a PoolNow,
    pub(super) icon: Icon,
    pub(super) summary: String,
    pub(super) services: String,
    pub(super) seen: Option<&'a PoolStatus>,
    pub(super) servers: Vec<ServerView<'a>>,
}

pub(super) struct ServerView<'a> {
    pub(super) seen: &'a ServerStatus,
    pub(super) icon: Icon,
    pub(super) since: Moment,
    pub(super) why: &'a str,
    /// Open WebSockets and event streams.
    pub(super) connections: String,
    pub(super) latency: String,
}

pub(super) fn view<'a>(row: &'a PoolNow, clock: Clock<'_>) -> PoolView<'a> {
    let seen = row.seen.as_ref();
    let servers = seen.map(|seen| seen.servers.as_slice()).unwrap_or_default();
    let healthy = servers.iter().filter(|server| server.state.serves()).count();
    let below = row.min_healthy.is_some_and(|min| healthy < usize::try_from(min).unwrap_or(usize::MAX));
    let minimum = row.min_healthy.map_or_else(String::new, |min| format!(" (minimum {min})"));
    PoolView {
        icon: match seen {
            None => Icon::Blank,
            Some(_) if healthy == 0 => Icon::Major,
            Some(seen) if seen.panic_mode || seen.certificate.is_some() || below => Icon::Part,
            Some(_) if healthy < servers.len() => Icon::Slow,
            Some(_) => Icon::Ok,
        },
        summary: format!("{healthy} of {} servers healthy{minimum}", servers.len()),
        services: list(&row.services.iter().map(String::as_str).collect::<Vec<_>>()),
        seen,
        servers: servers.iter().map(|seen| server(seen, clock)).collect(),
        row,
    }
}

fn server<'a>(seen: &'a ServerStatus, clock: Clock<'_>) -> ServerView<'a> {
    ServerView {
        icon: match seen.state {
            ServerState::Serving => Icon::Ok,
            ServerState::Warming => Icon::Slow,
            ServerState::Ejected => Icon::Part,
            ServerState::Down => Icon::Major,
            ServerState::Draining => Icon::Blank,
        },
        since: clock.exact(earlier(clock.at, seen.since)),
        why: seen.why.as_deref().unwrap_or("–"),
        connections: grouped(u64::from(seen.connections)),
        latency: if seen.latency.is_zero() { "–".to_owned() } else { duration_text(micros(seen.latency)) },
        seen,
    }
}
