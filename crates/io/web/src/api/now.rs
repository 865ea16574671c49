//! `/api/v1/now` and `/api/v1/incidents`: the console's facts as JSON, each with its text.

use crate::wording::headline::headline;
use crate::wording::{paging, resource, self_problem, timeline};
use engine::views::{
    Attempts, DomainRow, Draft, Edge, Held, Node, OnCall, OpenIncident, PagingEntry, PoolRow, ProbeRow,
    Runbook, SelfProblem, ServiceRow, TimelineEntry, Unreached, Views,
};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;
use types::{Alert, Incident, Time};

#[derive(Serialize)]
pub(super) struct NowBody<'a> {
    at: Time,
    open: Vec<OpenBody<'a>>,
    past: &'a [Incident],
    alerts: &'a [Alert],
    on_call: &'a [OnCall],
    services: Vec<ServiceBody<'a>>,
    nodes: Vec<NodeBody<'a>>,
    edges: &'a [Edge],
    domains: &'a [DomainRow],
    probes: &'a [ProbeRow],
    pools: &'a [PoolRow],
    isolated: Option<&'a str>,
    isolated_since: Option<Time>,
    #[serde(rename = "self")]
    self_texts: Vec<String>,
    self_problems: Vec<WithText<'a, SelfProblem>>,
    unreached: Vec<UnreachedBody<'a>>,
    attempts: &'a [Attempts],
    probe_lag_p99_seconds: Option<Duration>,
    public_headline: String,
    drafts: &'a [Draft],
    timezone: &'a str,
}

#[derive(Serialize)]
pub(super) struct IncidentsBody<'a> {
    open: Vec<OpenBody<'a>>,
    past: &'a [Incident],
}

#[derive(Serialize)]
struct OpenBody<'a> {
    incident: &'a Incident,
    unacknowledged_seconds: Option<Duration>,
    paging: Vec<WithText<'a, PagingEntry>>,
    timeline: Vec<WithText<'a, TimelineEntry>>,
    runbooks: &'a [Runbook],
    /// The maintenance or silence that holds its page; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a Held>,
}

/// A fact and its text.
#[derive(Serialize)]
struct WithText<'a, T> {
    #[serde(flatten)]
    fact: &'a T,
    text: String,
}

#[derive(Serialize)]
struct ServiceBody<'a> {
    #[serde(flatten)]
    row: &'a ServiceRow,
    /// Summary of its incident.
    why: Option<&'a str>,
}

#[derive(Serialize)]
struct NodeBody<'a> {
    #[serde(flatten)]
    node: &'a Node,
    label: Cow<'a, str>,
}

#[derive(Serialize)]
struct UnreachedBody<'a> {
    #[serde(flatten)]
    unreached: &'a Unreached,
    /// Channel and reason of the last failed attempt.
    why: Option<String>,
}

impl<'a> NowBody<'a> {
    pub(super) fn new(views: &'a Views) -> Self {
        let now = &views.now;
        let service =
            |row: &'a ServiceRow| ServiceBody { why: row.incident.and_then(|id| now.summary(id)), row };
        let problem = |fact| WithText { text: self_problem::text(fact), fact };
        let unreached = |unreached| UnreachedBody { why: self_problem::reason(unreached), unreached };
        Self {
            at: now.at,
            open: open(views),
            past: &now.past,
            alerts: &now.alerts,
            on_call: &now.on_call,
            services: now.services.iter().map(service).collect(),
            nodes: now.nodes.iter().map(|node| NodeBody { label: resource::label(node), node }).collect(),
            edges: &now.edges,
            domains: &now.domains,
            probes: &now.probes,
            pools: &now.pools,
            isolated: now.isolated.as_ref().map(|isolation| isolation.why.as_str()),
            isolated_since: now.isolated.as_ref().map(|isolation| isolation.since),
            self_texts: now.self_problems.iter().map(self_problem::text).collect(),
            self_problems: now.self_problems.iter().map(problem).collect(),
            unreached: now.unreached.iter().map(unreached).collect(),
            attempts: &now.attempts,
            probe_lag_p99_seconds: now.probe_lag_p99,
            public_headline: headline(&views.status_page),
            drafts: &now.drafts,
            timezone: &now.timezone,
        }
    }
}

impl<'a> IncidentsBody<'a> {
    pub(super) fn new(views: &'a Views) -> Self {
        Self { open: open(views), past: &views.now.past }
    }
}

fn open(views: &Views) -> Vec<OpenBody<'_>> {
    let timezone = &views.status_page.timezone;
    views.now.open.iter().map(|open| open_body(open, timezone)).collect()
}

fn open_body<'a>(open: &'a OpenIncident, timezone: &TimeZone) -> OpenBody<'a> {
    let paging = |fact: &'a PagingEntry| WithText { text: paging::text(&fact.fact, timezone), fact };
    let timeline = |fact: &'a TimelineEntry| WithText { text: timeline::text(&fact.fact, timezone), fact };
    OpenBody {
        incident: &open.incident,
        unacknowledged_seconds: open.unacknowledged_for,
        paging: open.paging.iter().map(paging).collect(),
        timeline: open.timeline.iter().map(timeline).collect(),
        runbooks: &open.runbooks,
        held: open.held.as_ref(),
    }
}
