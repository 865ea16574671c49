//! Score of a shrinking pool: what was named, what each fix did, and how the clients came back.

use super::fix::{Around, Fix};
use super::secs_between;
use crate::reached::{pool_named, reached};
use crate::script::{Limits, Milestone, Script};
use serde::Serialize;
use types::{Effect, Event, Time};

/// Score of a shrinking pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolScore {
    /// Seconds from the fault until an incident named the slow statement.
    pub statement_secs: Option<f64>,
    /// Seconds from the fall of the pool below its minimum until people on call knew of it.
    pub pool_secs: Option<f64>,
    /// The text of its alert.
    pub pool_text: Option<String>,
    /// Seconds from the addition of replicas until they were named as idle.
    pub idle_secs: Option<f64>,
    /// The fixes, in their order.
    pub fixes: Vec<Fix>,
    /// Concurrent opens of WebSockets at the servers.
    pub opens: Opens,
    /// WebSockets: clients, and how many of them were connected at the end.
    pub sockets: super::Served,
    /// Seconds from the fault until every server served and every client was connected.
    pub well_secs: Option<f64>,
    /// The same behind a plain round-robin proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_mainstay: Option<WithoutPool>,
}

/// Figures of the same outage behind a plain round-robin proxy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WithoutPool {
    /// Concurrent opens at the servers.
    pub opens: Opens,
    /// WebSockets.
    pub sockets: super::Served,
    /// Seconds from the fault until every server served and every client was connected.
    pub well_secs: Option<f64>,
}

impl WithoutPool {
    /// The figures of a run without mainstay.
    #[must_use]
    pub fn of(seen: &PoolObservations) -> Self {
        let well_secs = seen.fault_at.zip(seen.well_at).map(|(from, to)| secs_between(from, to));
        Self { opens: seen.opens, sockets: seen.sockets, well_secs }
    }
}

/// Concurrent opens of WebSockets at one server, since the servers returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Opens {
    /// Limit of a server.
    pub limit: u32,
    /// Highest number at one server at one time.
    pub highest: u32,
    /// Highest number that one server completed within a second.
    pub per_sec: u32,
}

/// Records of the fixture about its pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolObservations {
    /// Time of the fault.
    pub fault_at: Option<Time>,
    /// Time at which fewer servers than the minimum worked.
    pub fell_at: Option<Time>,
    /// Time at which replicas were added.
    pub replicas_added: Option<Time>,
    /// Each fix: time, note, what the clients saw.
    pub fixes: Vec<(Time, String, Around)>,
    /// Concurrent opens.
    pub opens: Opens,
    /// Clients, and how many of them are connected.
    pub sockets: super::Served,
    /// Time since which everything works.
    pub well_at: Option<Time>,
}

#[cfg(test)]
mod tests;

/// Scores a run; `judged` are the effects of notes as mainstay measured them, by their text.
pub(super) fn score(
    script: &Script,
    fault_at: Time,
    events: &[Event],
    seen: &PoolObservations,
    judged: &std::collections::BTreeMap<String, Effect>,
) -> PoolScore {
    let at = |milestone| reached(script, milestone, Some(fault_at), events);
    let since = |from: Option<Time>, to: Option<Time>| Some(secs_between(from?, to?));
    let (pool_at, pool_text) = pool_named(events.iter().filter(|event| event.at >= fault_at)).unzip();
    let fix = |(at, note, around): &(Time, String, Around)| Fix {
        note: note.clone(),
        at_secs: secs_between(fault_at, *at),
        around: *around,
        measured: around.measured(),
        judged: judged.get(note).cloned(),
    };
    PoolScore {
        statement_secs: since(Some(fault_at), at(Milestone::StatementNamed)),
        // Mainstay may be quicker than the check of the fixture.
        pool_secs: since(seen.fell_at, pool_at).map(|secs| secs.max(0.0)),
        pool_text,
        idle_secs: since(seen.replicas_added, at(Milestone::IdleNamed)).map(|secs| secs.max(0.0)),
        fixes: seen.fixes.iter().map(fix).collect(),
        opens: seen.opens,
        sockets: seen.sockets,
        well_secs: since(Some(fault_at), seen.well_at),
        without_mainstay: None,
    }
}

/// The limits that were missed.
pub(super) fn judge(score: &PoolScore, limits: &Limits) -> Vec<String> {
    let mut missed = Vec::new();
    for (what, got, limit) in [
        ("naming the slow statement", score.statement_secs, limits.statement),
        ("notice of the pool below its minimum", score.pool_secs, limits.pool),
        ("naming the idle replicas", score.idle_secs, limits.idle),
        ("the return of servers and clients", score.well_secs, limits.well),
    ] {
        missed.extend(limit.and_then(|limit| super::late(what, got, limit)));
    }
    let Opens { limit, highest, .. } = score.opens;
    if limits.opens && highest > limit {
        missed.push(format!("a server had {highest} concurrent opens; its limit is {limit}"));
    }
    for fix in score.fixes.iter().filter(|fix| limits.effects && !fix.is_judged_right()) {
        let judged = fix.judged_text();
        missed.push(format!("\"{}\": measured: {}; mainstay says: {judged}", fix.note, fix.measured));
    }
    missed
}
