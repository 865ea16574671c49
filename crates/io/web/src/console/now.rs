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
use crate::wording::headline::headline;
use crate::wording::{paging, resource, self_problem, timeline};
use askama::Template;
use engine::views::{Held, Knowledge, Now, OpenIncident, Runbook, ServiceRow, TimelineEntry, Traffic, Views};
use jiff::civil::Date;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::incident::{Note, Stage};
use types::time::{between, later};
use types::traffic::ServiceTraffic;
use types::{Incident, IncidentId, Kind, ProbeId, RecordedChange, Resource, Time};

/// Time before the expiry of a registration from which it is a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(60 * 86_400);
/// Refresh interval of the page.
const REFRESH: Duration = Duration::from_secs(10);
/// Minimum monitored time for an uptime: less than a whole day is not representative.
const MONITORED_MIN: Duration = Duration::from_secs(86_400);
/// Maximum number of changes on the page.
const CHANGES_MAX: usize = 10;
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
    headline: String,
    self_problems: Vec<String>,
    open: Vec<Card<'a>>,
    alerts: Vec<Alert>,
    graph_summary: String,
    graph: GraphDrawing,
    services: Vec<Service<'a>>,
    domains: Vec<Domain<'a>>,
    changes: Vec<ChangeRow>,
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
    cause: TraceLink,
    icon: Icon,
    since: Moment,
    duration: String,
    stage: &'static str,
    acknowledged: Option<(&'a str, Moment)>,
    unacknowledged: Option<String>,
    affected: Vec<&'a str>,
    unaffected: String,
    runbooks: &'a [Runbook],
    /// What holds its page, and until when.
    held: Option<HeldCard<'a>>,
    /// Slowness of what it concerns: resource, fault, beginning.
    symptoms: Vec<(&'a str, String, Moment)>,
    likely_causes: Vec<(String, String, Moment)>,
    timeline: Vec<(Moment, String)>,
    paging: Vec<(Moment, String, bool)>,
}

/// What holds the page of an incident.
enum HeldCard<'a> {
    /// Title of a maintenance, and when pages begin.
    Maintenance(&'a str, Moment),
    /// Number of a silence, who set it and why, and when pages begin.
    Silence(u64, String, Moment),
}

fn held_card<'a>(held: &'a Held, clock: Clock<'_>) -> HeldCard<'a> {
    match held {
        Held::Maintenance { title, until, .. } => HeldCard::Maintenance(title, clock.time(*until)),
        Held::Silence { silence, author, comment, until } => {
            let words = [author, comment].map(String::as_str);
            let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
            HeldCard::Silence(silence.0, words.join(": "), clock.time(*until))
        }
    }
}

struct Alert {
    icon: Icon,
    about: String,
    /// Name of the probe, if it has a page.
    probe: Option<String>,
    fault: String,
    since: Moment,
    evidence: String,
}

struct Service<'a> {
    row: &'a ServiceRow,
    why: Option<&'a str>,
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

struct ChangeRow {
    name: String,
    at: Moment,
    about: String,
    link: Option<String>,
    effects: Vec<String>,
}

struct Past<'a> {
    incident: &'a Incident,
    notes: Vec<String>,
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
    let names: Names<'_> = now.nodes.iter().map(|node| (&node.resource, resource::label(node))).collect();
    let open: Vec<Card<'_>> = now.open.iter().map(|open| card(now, open, &names, clock)).collect();
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
        headline: headline(status_page),
        self_problems: now.self_problems.iter().map(self_problem::text).collect(),
        open,
        alerts: other_alerts(now, &names, clock),
        graph: GraphDrawing::new(&now.nodes, &now.edges, &graph_summary),
        graph_summary,
        services: now.services.iter().map(|row| service(now, row, clock)).collect(),
        domains: now
            .domains
            .iter()
            .map(|row| Domain {
                name: &row.domain,
                expires: row.expires.map(|at| Moment::date(clock.day_of(at))),
                remaining: remaining(row.expires, at),
                icon: domain_icon(row.expires, row.knowledge, at),
                knowledge: row.knowledge.as_str(),
                registrar: row.registrar.as_deref().unwrap_or("–"),
                confirmed: row.confirmed.map(|day: Date| Moment::date(day)),
            })
            .collect(),
        changes: now.changes.iter().take(CHANGES_MAX).map(|recorded| change(recorded, clock)).collect(),
        past: now
            .past
            .iter()
            .take(PAST_MAX)
            .map(|incident| Past {
                incident,
                notes: incident.notes.iter().map(note).collect(),
                started: clock.time(incident.since),
                duration: incident
                    .resolved
                    .map_or_else(String::new, |over| rounded(between(incident.since, over))),
            })
            .collect(),
    }
    .render()
}

/// A note with its effect.
fn note(note: &Note) -> String {
    format!("{}: {}{}", note.by, note.text, timeline::judged(note.effect.as_ref()))
}

/// A change with its author, its services and its effects.
fn change(recorded: &RecordedChange, clock: Clock<'_>) -> ChangeRow {
    let RecordedChange { change, by, effects } = recorded;
    let services: Vec<&str> = change.services.iter().map(|service| service.0.as_str()).collect();
    let about = match services.as_slice() {
        [] => by.id.clone(),
        some => format!("{} · {}", list(some), by.id),
    };
    ChangeRow {
        name: change.name(),
        at: clock.time(change.in_effect()),
        about,
        link: change.link.clone(),
        effects: effects.iter().map(|(incident, effect)| format!("{incident}: {effect}")).collect(),
    }
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

fn card<'a>(now: &'a Now, open: &'a OpenIncident, names: &'a Names<'_>, clock: Clock<'_>) -> Card<'a> {
    let at = clock.at;
    let incident = &open.incident;
    let diagnosis = &incident.diagnosis;
    let named = |resources: &'a BTreeSet<Resource>| -> Vec<&'a str> {
        resources.iter().map(|resource| name(names, resource)).collect()
    };
    let acknowledged = incident.acknowledged.as_ref().filter(|ack| at < ack.until);
    Card {
        id: incident.id,
        incident,
        cause: TraceLink::from(diagnosis.summary.clone()),
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
        runbooks: &open.runbooks,
        held: open.held.as_ref().map(|held| held_card(held, clock)),
        symptoms: now
            .alerts
            .iter()
            .filter(|alert| diagnosis.symptoms.contains(&alert.id))
            .map(|alert| (name(names, &alert.about), alert.fault.to_string(), clock.time(alert.since)))
            .collect(),
        likely_causes: incident
            .likely_causes
            .iter()
            .map(|cause| {
                let about = name(names, &cause.resource);
                let about = match &cause.server {
                    Some(server) => format!("server {server} of {about}"),
                    None => about.to_owned(),
                };
                (about, cause.moved.to_string(), clock.time(cause.moved.since))
            })
            .collect(),
        timeline: merged_timeline(&open.timeline, names, clock),
        paging: open
            .paging
            .iter()
            .map(|entry| {
                let text = paging::text(&entry.fact, clock.timezone());
                (clock.exact(entry.at), text, entry.at > at)
            })
            .collect(),
    }
}

/// Names of the nodes of the graph.
type Names<'a> = BTreeMap<&'a Resource, Cow<'a, str>>;

fn name<'a>(names: &'a Names<'_>, resource: &'a Resource) -> &'a str {
    names.get(resource).map_or(&resource.name, |name| name.as_ref())
}

/// An entry of the timeline that stands for equal ones of several resources.
struct Merged {
    at: Time,
    /// Name of the first resource.
    first: Option<String>,
    predicate: String,
    others: BTreeSet<String>,
}

/// Returns the timeline with equal events of several resources merged: twelve hosts behind one certificate are one
/// line, so that the line about the cause stands out.
fn merged_timeline(entries: &[TimelineEntry], names: &Names<'_>, clock: Clock<'_>) -> Vec<(Moment, String)> {
    let mut merged: Vec<Merged> = Vec::new();
    for entry in entries {
        let predicate = timeline::predicate(&entry.fact, clock.timezone());
        let resource = timeline::about(&entry.fact);
        // Only services have other names here than in the alert.
        let subject = resource.map(|resource| match resource.kind {
            Kind::Service => name(names, resource).to_owned(),
            _ => resource.name.clone(),
        });
        let same = |it: &&mut Merged| it.first.is_some() && it.predicate == predicate;
        if let Some(subject) = &subject
            && let Some(same) = merged.iter_mut().find(same)
        {
            if same.first.as_ref() != Some(subject) {
                same.others.insert(subject.clone());
            }
            continue;
        }
        merged.push(Merged { at: entry.at, first: subject, predicate, others: BTreeSet::new() });
    }
    let line = |Merged { at, first, predicate, others }: Merged| {
        let text = match (first, others.len()) {
            (None, _) => predicate,
            (Some(first), 0) => format!("{first} {predicate}"),
            (Some(first), more) => format!("{first} {predicate} (and {more} more)"),
        };
        (clock.exact(at), text)
    };
    merged.into_iter().map(line).collect()
}

fn service<'a>(now: &'a Now, row: &'a ServiceRow, clock: Clock<'_>) -> Service<'a> {
    Service {
        row,
        why: row.incident.and_then(|id| now.summary(id)),
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
fn other_alerts(now: &Now, names: &Names<'_>, clock: Clock<'_>) -> Vec<Alert> {
    let explained = |alert: &types::Alert| {
        let mut diagnoses = now.open.iter().map(|open| &open.incident.diagnosis);
        diagnoses.any(|it| it.alerts.contains(&alert.id) || it.symptoms.contains(&alert.id))
    };
    let probes: BTreeSet<&ProbeId> = now.probes.iter().map(|row| &row.probe).collect();
    now.alerts
        .iter()
        .filter(|alert| !explained(alert))
        .map(|alert| Alert {
            icon: alert.severity.into(),
            about: name(names, &alert.about).to_owned(),
            probe: probes.contains(&alert.probe).then(|| alert.probe.0.clone()),
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

fn domain_icon(expires: Option<Time>, knowledge: Knowledge, at: Time) -> Icon {
    match expires {
        None => Icon::Blank,
        Some(expires) if expires <= at => Icon::Major,
        Some(expires) if expires <= later(at, EXPIRES_SOON) => Icon::Slow,
        Some(_) if knowledge == Knowledge::Current => Icon::Ok,
        Some(_) => Icon::Blank,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::views::TimelineFact;
    use types::Fault;

    #[test]
    fn equal_events_of_several_resources_are_one_line() {
        let at: Time = "2026-11-22T04:16:00Z".parse().unwrap();
        let entry = |fact| TimelineEntry { at, fact };
        let alert = |about: &str, fault: Fault| {
            let (alert, about) = (types::AlertId(1), about.parse().unwrap());
            entry(TimelineFact::AlertOpened { alert, about, fault })
        };
        let diagnosed = || entry(TimelineFact::Diagnosed { summary: "looking".to_owned() });
        let entries = [
            diagnosed(),
            alert("host.a.acme.app", Fault::Refused),
            alert("tls.a.acme.app", Fault::Refused),
            alert("dns.acme.app", Fault::NameNotFound),
            alert("host.c.acme.app", Fault::Refused),
            diagnosed(),
            alert("service.auth", Fault::BodyLacks),
        ];
        let auth: Resource = "service.auth".parse().unwrap();
        let names = BTreeMap::from([(&auth, "Sign-in".into())]);
        let lines = merged_timeline(&entries, &names, Clock::new(&jiff::tz::TimeZone::UTC, at));
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        let wanted = [
            "Diagnosis: looking",
            "a.acme.app refuses connections (and 1 more)",
            "acme.app does not resolve: no such name or no address",
            "Diagnosis: looking",
            "Sign-in answers without the expected text",
        ];
        assert_eq!(texts, wanted);
    }
}
