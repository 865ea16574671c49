//! The console's first page, "Now".

use super::door::Session;
use super::drawing::Drawing;
use super::edge::{per_sec, refused};
use super::frame::Frame;
use super::proof::Proof;
use super::series::rate;
use crate::look::words::{Look as _, list, percent, roughly};
use crate::look::{Clock, Icon, Moment};
use crate::site::Site;
use askama::Template;
use engine::views::{Now, OpenIncident, ServiceRow, TimelineLine, Traffic, Views};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::incident::Stage;
use types::time::{between, later};
use types::traffic::ServiceTraffic;
use types::{Incident, IncidentId, Kind, Resource, Severity, Time};

/// A registration with less than this left is worth a look.
const EXPIRES_SOON: Duration = Duration::from_secs(60 * 86_400);
/// How often the page renews itself.
const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// A share of less than a whole day that was watched says nothing.
const WATCHED_MIN: Duration = Duration::from_secs(86_400);
/// Past incidents on the page.
const PAST_MAX: usize = 20;

#[derive(Template)]
#[template(path = "now.html")]
struct NowPage<'a> {
    frame: Frame<'a>,
    as_of: Moment,
    now: &'a Now,
    waiting: Option<String>,
    on_call: Vec<Shift<'a>>,
    edge: Option<EdgeTile>,
    visitors: Icon,
    open: Vec<Card<'a>>,
    notes: Vec<Alert>,
    graph_says: String,
    graph: Drawing,
    services: Vec<Service<'a>>,
    domains: Vec<Domain<'a>>,
    past: Vec<Past<'a>>,
}

struct EdgeTile {
    per_sec: String,
    rest: String,
    troubled: bool,
}

struct Shift<'a> {
    schedule: &'a str,
    people: String,
    until: Option<Moment>,
}

struct Card<'a> {
    id: IncidentId,
    incident: &'a Incident,
    cause: Proof<'a>,
    icon: Icon,
    since: Moment,
    lasts: String,
    stage: &'static str,
    acknowledged: Option<(&'a str, Moment)>,
    waiting: Option<String>,
    affected: Vec<&'a str>,
    unaffected: String,
    story: Vec<(Moment, String)>,
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
    left: String,
    icon: Icon,
    knowledge: &'a str,
    registrar: &'a str,
    confirmed: Option<Moment>,
}

struct Past<'a> {
    incident: &'a Incident,
    began: Moment,
    lasted: String,
}

/// The page as this person sees it.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn now(site: &Site, views: &Views, session: &Session, at: Time) -> askama::Result<String> {
    let Views { status_page, now, .. } = views;
    let clock = Clock::new(&status_page.clock, at);
    let names: BTreeMap<&Resource, &str> =
        now.nodes.iter().map(|node| (&node.resource, node.label.as_str())).collect();
    let open: Vec<Card<'_>> = now.open.iter().map(|open| card(open, &names, clock)).collect();
    let graph_says = graph_says(now);
    NowPage {
        frame: Frame::new(site, views, session, "now", RENEWED_EVERY),
        as_of: clock.seconds(now.at),
        now,
        waiting: longest_wait(now, at).map(roughly),
        on_call: now
            .on_call
            .iter()
            .map(|shift| Shift {
                schedule: &shift.schedule,
                people: names_of(&shift.people),
                until: shift.until.map(|until| clock.time(until)),
            })
            .collect(),
        edge: site.traffic().as_deref().map(edge_tile),
        visitors: status_page.state.into(),
        open,
        notes: loose_alerts(now, &names, clock),
        graph: Drawing::new(&now.nodes, &now.edges, &graph_says),
        graph_says,
        services: now.services.iter().map(|row| service(row, clock)).collect(),
        domains: now
            .domains
            .iter()
            .map(|row| Domain {
                name: &row.domain,
                expires: row.expires.map(|at| Moment::date(clock.day_of(at))),
                left: left(row.expires, at),
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
                began: clock.time(incident.since),
                lasted: incident
                    .resolved
                    .map_or_else(String::new, |over| roughly(between(incident.since, over))),
            })
            .collect(),
    }
    .render()
}

/// The first sentence of an incident, wherever it is; a plain one when it is not known.
pub(crate) fn summary_of(site: &Site, incident: IncidentId) -> String {
    let views = site.views();
    let known = views.as_ref().and_then(|views| {
        let open = views.now.open.iter().map(|open| &open.incident);
        open.chain(&views.now.past)
            .find(|known| known.id == incident)
            .map(|known| known.diagnosis.summary.clone())
    });
    known.unwrap_or_else(|| format!("This is about {incident}."))
}

/// Requests a second, and the share of what was refused and failed.
fn edge_tile(traffic: &Traffic) -> EdgeTile {
    let sum = |count: fn(&ServiceTraffic) -> u64| {
        traffic.services.iter().map(|row| rate(row.now.as_ref().map_or(0, count), row.span)).sum::<f64>()
    };
    let all = sum(|now| now.requests);
    let share = |part: f64, word: &str| match part / all.max(f64::MIN_POSITIVE) * 100.0 {
        0.0 => None,
        share if share < 0.1 => Some(format!("under 0.1 % {word}")),
        share => Some(format!("{share:.1} % {word}")),
    };
    let parts = [share(sum(refused), "refused"), share(sum(|now| now.failed), "failed")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    EdgeTile {
        per_sec: per_sec(all),
        rest: match parts.is_empty() {
            _ if traffic.silent => "silent".to_owned(),
            true => "none refused".to_owned(),
            false => parts.join(", "),
        },
        troubled: traffic.services.iter().any(|row| !row.wrong.is_empty()),
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
        cause: Proof::from(diagnosis.summary.as_str()),
        icon: if diagnosis.wakes { Icon::Major } else { Icon::Slow },
        since: clock.seconds(incident.since),
        lasts: roughly(between(incident.since, at)),
        stage: match diagnosis.stage {
            Stage::Investigating => "looking for the cause",
            Stage::Failing => "cause known, still there",
            Stage::Recovering => "cause gone, recovering",
        },
        waiting: acknowledged.is_none().then(|| roughly(between(incident.opened, at))),
        acknowledged: acknowledged.map(|ack| (ack.by.as_str(), clock.time(ack.until))),
        affected: named(&diagnosis.affected),
        unaffected: list(&named(&diagnosis.unaffected)),
        story: story(&open.timeline, names, clock),
        paging: open
            .paging
            .iter()
            .map(|line| (clock.exact(line.at), line.text.as_str(), line.at > at))
            .collect(),
    }
}

/// What happened, in order. Things to which the same happened are told once: twelve hosts behind one certificate are one
/// line, and the sentence about the cause is not lost among them.
fn story(
    lines: &[TimelineLine],
    names: &BTreeMap<&Resource, &str>,
    clock: Clock<'_>,
) -> Vec<(Moment, String)> {
    let mut told: Vec<(Time, String, &str, BTreeSet<String>)> = Vec::new();
    for line in lines {
        let about = line
            .text
            .split_once(' ')
            .and_then(|(resource, what)| Some((resource.parse::<Resource>().ok()?, what)));
        let Some((resource, what)) = about else {
            told.push((line.at, String::new(), &line.text, BTreeSet::new()));
            continue;
        };
        let titled = names.get(&resource).filter(|_| resource.kind == Kind::Service);
        let name = titled.map_or_else(|| resource.name.clone(), |name| (*name).to_owned());
        match told.iter_mut().find(|(_, first, same, _)| !first.is_empty() && *same == what) {
            Some((_, first, _, _)) if *first == name => {}
            Some((_, _, _, others)) => _ = others.insert(name),
            None => told.push((line.at, name, what, BTreeSet::new())),
        }
    }
    let line = |(when, first, what, others): (Time, String, &str, BTreeSet<String>)| {
        let text = match others.len() {
            0 => format!("{first} {what}").trim_start().to_owned(),
            more => format!("{first} {what} (and {more} more)"),
        };
        (clock.exact(when), text)
    };
    told.into_iter().map(line).collect()
}

fn service<'a>(row: &'a ServiceRow, clock: Clock<'_>) -> Service<'a> {
    Service {
        row,
        icon: row.state.into(),
        class: row.state.class(),
        since: row.since.map(|since| clock.time(since)),
        uptime: match row.uptime_percent.filter(|_| row.watched >= WATCHED_MIN) {
            Some(share) => format!("{} %", percent(share)),
            None => "no full day yet".to_owned(),
        },
    }
}

/// Open alerts that no open incident explains.
fn loose_alerts(now: &Now, names: &BTreeMap<&Resource, &str>, clock: Clock<'_>) -> Vec<Alert> {
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

fn longest_wait(now: &Now, at: Time) -> Option<Duration> {
    let waiting =
        now.open.iter().filter(|open| open.incident.diagnosis.wakes && !open.incident.is_acknowledged(at));
    waiting.map(|open| between(open.incident.opened, at)).max()
}

fn graph_says(now: &Now) -> String {
    if now.open.is_empty() {
        return "Nothing fails.".to_owned();
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

fn left(expires: Option<Time>, at: Time) -> String {
    match expires {
        None => "date not known".to_owned(),
        Some(expires) if expires <= at => format!("expired {} ago", roughly(between(expires, at))),
        Some(expires) => format!("in {}", roughly(between(at, expires))),
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
    fn what_happened_to_many_is_told_once() {
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
        let told =
            story(&lines, &BTreeMap::from([(&auth, "Sign-in")]), Clock::new(&jiff::tz::TimeZone::UTC, at));
        let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
        let wanted = [
            "Diagnosis: looking",
            "a.acme.app serves the certificate of b.example (and 1 more)",
            "acme.app is delegated to ns1.b.example",
            "Diagnosis: looking",
            "Sign-in is slow",
        ];
        assert_eq!(told, wanted);
    }
}
