//! The page Now of the console.

use super::chart::rate;
use super::edge::refused;
use super::frame::Frame;
use super::graph::GraphDrawing;
use super::trace_link::TraceLink;
use crate::design::text::{list, per_sec, percent, rounded};
use crate::design::{Clock, Icon, Moment, StateClass as _};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::views::{Now, OpenIncident, ServiceRow, TimelineLine, Traffic, Views};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::incident::Stage;
use types::time::{between, later};
use types::traffic::ServiceTraffic;
use types::{Incident, IncidentId, Kind, Resource, Severity, Time};

/// Time before the expiry of a registration from which it is a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(60 * 86_400);
/// Refresh interval of the page.
const REFRESH: Duration = Duration::from_secs(10);
/// Minimum monitored time for an uptime: less than a whole day is not representative.
const MONITORED_MIN: Duration = Duration::from_secs(86_400);
/// Maximum number of past incidents on the page.
const PAST_MAX: usize = 20;

#[derive(Template)]
#[template(path = "now.html")]
struct NowPage<'a> {
    frame: Frame<'a>,
    as_of: Moment,
    now: &'a Now,
    unacknowledged: Option<String>,
    on_call: Vec<Shift<'a>>,
    edge: Option<EdgeTile>,
    public_icon: Icon,
    open: Vec<Card<'a>>,
    alerts: Vec<Alert>,
    graph_summary: String,
    graph: GraphDrawing,
    services: Vec<Service<'a>>,
    domains: Vec<Domain<'a>>,
    past: Vec<Past<'a>>,
}

struct EdgeTile {
    per_sec: String,
    rest: String,
    has_alerts: bool,
}

struct Shift<'a> {
    schedule: &'a str,
    people: String,
    until: Option<Moment>,
}

struct Card<'a> {
    id: IncidentId,
    incident: &'a Incident,
    cause: TraceLink<'a>,
    icon: Icon,
    since: Moment,
    duration: String,
    stage: &'static str,
    acknowledged: Option<(&'a str, Moment)>,
    unacknowledged: Option<String>,
    affected: Vec<&'a str>,
    unaffected: String,
    timeline: Vec<(Moment, String)>,
    paging: Vec<(Moment, &'a str, bool)>,
}

struct Alert {
    icon: Icon,
    about: String,
    fault: String,
    since: Moment,
    evidence: String,
}

struct Service<'a> {
    row: &'a ServiceRow,
    icon: Icon,
    class: &'static str,
    since: Option<Moment>,
    uptime: String,
}

struct Domain<'a> {
    name: &'a str,
    expires: Option<Moment>,
    remaining: String,
    icon: Icon,
    knowledge: &'a str,
    registrar: &'a str,
    confirmed: Option<Moment>,
}

struct Past<'a> {
    incident: &'a Incident,
    started: Moment,
    duration: String,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub fn page(state: &WebState, views: &Views, session: &Session, at: Time) -> askama::Result<String> {
    let Views { status_page, now, .. } = views;
    let clock = Clock::new(&status_page.timezone, at);
    let names: BTreeMap<&Resource, &str> =
        now.nodes.iter().map(|node| (&node.resource, node.label.as_str())).collect();
    let open: Vec<Card<'_>> = now.open.iter().map(|open| card(open, &names, clock)).collect();
    let graph_summary = graph_summary(now);
    NowPage {
        frame: Frame::new(state, views, session, "now", REFRESH),
        as_of: clock.seconds(now.at),
        now,
        unacknowledged: longest_unacknowledged(now, at).map(rounded),
        on_call: now
            .on_call
            .iter()
            .map(|shift| Shift {
                schedule: &shift.schedule,
                people: names_of(&shift.people),
                until: shift.until.map(|until| clock.time(until)),
            })
            .collect(),
        edge: state.traffic().as_deref().map(edge_tile),
        public_icon: status_page.state.into(),
        open,
        alerts: other_alerts(now, &names, clock),
        graph: GraphDrawing::new(&now.nodes, &now.edges, &graph_summary),
        graph_summary,
        services: now.services.iter().map(|row| service(row, clock)).collect(),
        domains: now
            .domains
            .iter()
            .map(|row| Domain {
                name: &row.domain,
                expires: row.expires.map(|at| Moment::date(clock.day_of(at))),
                remaining: remaining(row.expires, at),
                icon: domain_icon(row.expires, &row.knowledge, at),
                knowledge: &row.knowledge,
                registrar: row.registrar.as_deref().unwrap_or("–"),
                confirmed: row.confirmed.map(|day: Date| Moment::date(day)),
            })
            .collect(),
        past: now
            .past
            .iter()
            .take(PAST_MAX)
            .map(|incident| Past {
                incident,
                started: clock.time(incident.since),
                duration: incident
                    .resolved
                    .map_or_else(String::new, |over| rounded(between(incident.since, over))),
            })
            .collect(),
    }
    .render()
}

/// Tile of the edge: request rate, and the shares of refused and failed requests.
fn edge_tile(traffic: &Traffic) -> EdgeTile {
    let sum = |count: fn(&ServiceTraffic) -> u64| {
        traffic.services.iter().map(|row| rate(row.now.as_ref().map_or(0, count), row.window)).sum::<f64>()
    };
    let all = sum(|now| now.requests);
    let share = |part: f64, name: &str| match part / all.max(f64::MIN_POSITIVE) * 100.0 {
        0.0 => None,
        share if share < 0.1 => Some(format!("under 0.1 % {name}")),
        share => Some(format!("{share:.1} % {name}")),
    };
    let parts = [share(sum(refused), "refused"), share(sum(|now| now.failed), "failed")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    EdgeTile {
        per_sec: per_sec(all),
        rest: match parts.is_empty() {
            _ if traffic.silent => "no report".to_owned(),
            true => "none refused".to_owned(),
            false => parts.join(", "),
        },
        has_alerts: traffic.services.iter().any(|row| !row.alerts.is_empty()),
    }
}

fn card<'a>(open: &'a OpenIncident, names: &BTreeMap<&Resource, &'a str>, clock: Clock<'_>) -> Card<'a> {
    let at = clock.at;
    let incident = &open.incident;
    let diagnosis = &incident.diagnosis;
    let named = |resources: &'a BTreeSet<Resource>| -> Vec<&'a str> {
        resources.iter().map(|resource| names.get(resource).copied().unwrap_or(&resource.name)).collect()
    };
    let acknowledged = incident.acknowledged.as_ref().filter(|ack| at < ack.until);
    Card {
        id: incident.id,
        incident,
        cause: TraceLink::from(diagnosis.summary.as_str()),
        icon: if diagnosis.wakes { Icon::Major } else { Icon::Slow },
        since: clock.seconds(incident.since),
        duration: rounded(between(incident.since, at)),
        stage: match diagnosis.stage {
            Stage::Investigating => "cause unknown",
            Stage::Failing => "cause identified",
            Stage::Recovering => "recovering",
        },
        unacknowledged: acknowledged.is_none().then(|| rounded(between(incident.opened, at))),
        acknowledged: acknowledged.map(|ack| (ack.by.as_str(), clock.time(ack.until))),
        affected: named(&diagnosis.affected),
        unaffected: list(&named(&diagnosis.unaffected)),
        timeline: timeline(&open.timeline, names, clock),
        paging: open
            .paging
            .iter()
            .map(|line| (clock.exact(line.at), line.text.as_str(), line.at > at))
            .collect(),
    }
}

/// Returns the timeline with equal events of several resources merged: twelve hosts behind one certificate are one
/// line, so that the line about the cause is conspicuous.
fn timeline(
    lines: &[TimelineLine],
    names: &BTreeMap<&Resource, &str>,
    clock: Clock<'_>,
) -> Vec<(Moment, String)> {
    let mut merged: Vec<(Time, String, &str, BTreeSet<String>)> = Vec::new();
    for line in lines {
        let about = line
            .text
            .split_once(' ')
            .and_then(|(resource, what)| Some((resource.parse::<Resource>().ok()?, what)));
        let Some((resource, what)) = about else {
            merged.push((line.at, String::new(), &line.text, BTreeSet::new()));
            continue;
        };
        let titled = names.get(&resource).filter(|_| resource.kind == Kind::Service);
        let name = titled.map_or_else(|| resource.name.clone(), |name| (*name).to_owned());
        match merged.iter_mut().find(|(_, first, same, _)| !first.is_empty() && *same == what) {
            Some((_, first, _, _)) if *first == name => {}
            Some((_, _, _, others)) => _ = others.insert(name),
            None => merged.push((line.at, name, what, BTreeSet::new())),
        }
    }
    let line = |(when, first, what, others): (Time, String, &str, BTreeSet<String>)| {
        let text = match others.len() {
            0 => format!("{first} {what}").trim_start().to_owned(),
            more => format!("{first} {what} (and {more} more)"),
        };
        (clock.exact(when), text)
    };
    merged.into_iter().map(line).collect()
}

fn service<'a>(row: &'a ServiceRow, clock: Clock<'_>) -> Service<'a> {
    Service {
        row,
        icon: row.state.into(),
        class: row.state.class(),
        since: row.since.map(|since| clock.time(since)),
        uptime: match row.uptime_percent.filter(|_| row.monitored >= MONITORED_MIN) {
            Some(share) => format!("{} %", percent(share)),
            None => "less than 24 h of data".to_owned(),
        },
    }
}

/// Open alerts that belong to no open incident.
fn other_alerts(now: &Now, names: &BTreeMap<&Resource, &str>, clock: Clock<'_>) -> Vec<Alert> {
    let explained =
        |alert: &types::Alert| now.open.iter().any(|open| open.incident.diagnosis.alerts.contains(&alert.id));
    now.alerts
        .iter()
        .filter(|alert| !explained(alert))
        .map(|alert| Alert {
            icon: match alert.severity {
                Severity::Info => Icon::Blank,
                Severity::Warning => Icon::Slow,
                Severity::Critical => Icon::Part,
            },
            about: names
                .get(&alert.about)
                .map_or_else(|| alert.about.name.clone(), |name| (*name).to_owned()),
            fault: alert.fault.to_string(),
            since: clock.time(alert.since),
            evidence: alert.evidence.clone(),
        })
        .collect()
}

fn longest_unacknowledged(now: &Now, at: Time) -> Option<Duration> {
    let waiting =
        now.open.iter().filter(|open| open.incident.diagnosis.wakes && !open.incident.is_acknowledged(at));
    waiting.map(|open| between(open.incident.opened, at)).max()
}

fn graph_summary(now: &Now) -> String {
    if now.open.is_empty() {
        return "No open incidents.".to_owned();
    }
    let summaries: Vec<&str> = now.open.iter().map(|open| open.incident.diagnosis.summary.as_str()).collect();
    summaries.join(" · ")
}

fn names_of<Id>(people: &[(Id, String)]) -> String {
    if people.is_empty() {
        return "Nobody".to_owned();
    }
    let names: Vec<&str> = people.iter().map(|(_, name)| name.as_str()).collect();
    list(&names)
}

fn remaining(expires: Option<Time>, at: Time) -> String {
    match expires {
        None => "date unknown".to_owned(),
        Some(expires) if expires <= at => format!("expired {} ago", rounded(between(expires, at))),
        Some(expires) => format!("in {}", rounded(between(at, expires))),
    }
}

fn domain_icon(expires: Option<Time>, knowledge: &str, at: Time) -> Icon {
    match expires {
        None => Icon::Blank,
        Some(expires) if expires <= at => Icon::Major,
        Some(expires) if expires <= later(at, EXPIRES_SOON) => Icon::Slow,
        Some(_) if knowledge == "known" => Icon::Ok,
        Some(_) => Icon::Blank,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_events_of_several_resources_are_one_line() {
        let at: Time = "2026-11-22T04:16:00Z".parse().unwrap();
        let line = |text: &str| TimelineLine { at, text: text.to_owned() };
        let lines = [
            line("Diagnosis: looking"),
            line("host.a.acme.app serves the certificate of b.example"),
            line("tls.a.acme.app serves the certificate of b.example"),
            line("dns.acme.app is delegated to ns1.b.example"),
            line("host.c.acme.app serves the certificate of b.example"),
            line("Diagnosis: looking"),
            line("service.auth is slow"),
        ];
        let auth: Resource = "service.auth".parse().unwrap();
        let lines =
            timeline(&lines, &BTreeMap::from([(&auth, "Sign-in")]), Clock::new(&jiff::tz::TimeZone::UTC, at));
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        let wanted = [
            "Diagnosis: looking",
            "a.acme.app serves the certificate of b.example (and 1 more)",
            "acme.app is delegated to ns1.b.example",
            "Diagnosis: looking",
            "Sign-in is slow",
        ];
        assert_eq!(texts, wanted);
    }
}
