//! Fixed views as the engine would publish them, healthy and during an outage.

use crate::edge_views::traffic;
use crate::fixed_time::{NOW, at};
use engine::views::status_page::{Component, Day, Group, PastDay, StatusPage, StatusPageIncident, Update};
use engine::views::{
    Acceptance, DomainRow, Edge, EndedAlert, Knowledge, Node, NodeState, Now, OnCall, OpenIncident,
    PagingEntry, PagingFact, ProbeRow, Runbook, ServiceRow, TimelineEntry, TimelineFact, Views,
};
use jiff::civil::{Date, date};
use jiff::{Span, ToSpan as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use testkit::incident::{alert, diagnosis};
use testkit::time::secs;
use types::change::ChangeKind;
use types::effect::{Figure, Metric, Verdict};
use types::event::{ServiceState, UpdateStatus};
use types::fault::DomainFault;
use types::headroom::{Capacity, Peaks, ServerCount, Trend, Unknown};
use types::incident::{Acknowledgement, Diagnosis, Incident, Note, Stage};
use types::time::earlier;
use types::{
    Actor, Alert, AlertId, Change, ChangeId, Effect, Fault, Headroom, IncidentId, PersonId, ProbeId,
    RecordedChange, Resource, ServiceId, Severity, UpdateId,
};

/// Public URL.
pub(crate) const URL: &str = "https://status.acme.net";

/// Days of a service: `bad` are days ago with their worst state; no data before `monitored` days ago.
fn days(monitored: i64, bad: &[(i64, ServiceState)]) -> Vec<Day> {
    let today: Date = date(2026, 11, 22);
    (0..90_i64)
        .rev()
        .map(|ago| {
            let state = bad
                .iter()
                .find(|(day, _)| *day == ago)
                .map_or(ServiceState::Operational, |(_, state)| *state);
            let out = if state >= ServiceState::PartialOutage { secs(1_300) } else { Duration::ZERO };
            let span: Span = ago.days();
            Day { date: today - span, worst: (ago < monitored).then_some(state), out, lost: out }
        })
        .collect()
}

fn component(id: &str, title: &str, state: ServiceState, days: Vec<Day>, uptime: f64) -> Component {
    let since =
        if state == ServiceState::Operational { "2026-08-01T00:00:00Z" } else { "2026-11-22T04:16:12Z" };
    Component {
        id: id.into(),
        title: title.to_owned(),
        state,
        since: Some(at(since)),
        days,
        uptime_percent: (uptime >= 0.0).then_some(uptime),
        access: None,
    }
}

fn affected() -> Vec<(ServiceId, String, ServiceState)> {
    vec![
        ("auth".into(), "Sign-in".to_owned(), ServiceState::MajorOutage),
        ("tenants".into(), "Customer workspaces".to_owned(), ServiceState::PartialOutage),
    ]
}

fn open_on_status_page() -> StatusPageIncident {
    let states = |states: [ServiceState; 2]| vec![("auth".into(), states[0]), ("tenants".into(), states[1])];
    StatusPageIncident {
        id: IncidentId(7),
        title: "Sign-in and Customer workspaces are failing".to_owned(),
        status: UpdateStatus::Identified,
        impact: ServiceState::MajorOutage,
        started: at("2026-11-22T04:15:58Z"),
        resolved: None,
        affected: affected(),
        updates: vec![
            Update {
                id: UpdateId(12),
                at: at("2026-11-22T04:19:30Z"),
                status: UpdateStatus::Identified,
                body: "A domain of ours ran out and is being renewed. Pages under acme.app come back as name servers learn of it; we expect that to take up to an hour.".to_owned(),
                affected: states([ServiceState::MajorOutage, ServiceState::PartialOutage]),
            },
            Update {
                id: UpdateId(11),
                at: at("2026-11-22T04:16:12Z"),
                status: UpdateStatus::Investigating,
                body: "Sign-in fails and some workspaces cannot be reached. We are looking into it.".to_owned(),
                affected: states([ServiceState::MajorOutage, ServiceState::Degraded]),
            },
        ],
        next_update_by: Some(at("2026-11-22T04:49:30Z")),
    }
}

fn past_on_status_page() -> StatusPageIncident {
    StatusPageIncident {
        id: IncidentId(5),
        title: "Search was slow".to_owned(),
        status: UpdateStatus::Resolved,
        impact: ServiceState::Degraded,
        started: at("2026-11-18T22:50:00Z"),
        resolved: Some(at("2026-11-19T00:14:00Z")),
        affected: vec![("search".into(), "Search".to_owned(), ServiceState::Operational)],
        updates: vec![
            Update {
                id: UpdateId(9),
                at: at("2026-11-19T00:14:00Z"),
                status: UpdateStatus::Resolved,
                body: "Search is as fast as usual again.".to_owned(),
                affected: vec![("search".into(), ServiceState::Operational)],
            },
            Update {
                id: UpdateId(8),
                at: at("2026-11-18T23:40:00Z"),
                status: UpdateStatus::Monitoring,
                body: "The cause is gone; we watch.".to_owned(),
                affected: vec![("search".into(), ServiceState::Degraded)],
            },
        ],
        next_update_by: None,
    }
}

fn status_page(outage: bool) -> StatusPage {
    use ServiceState::{Degraded, MajorOutage, Operational, PartialOutage, Unknown};
    let (auth, tenants) = if outage { (MajorOutage, PartialOutage) } else { (Operational, Operational) };
    let with = |mut more: Vec<(i64, ServiceState)>, state| {
        more.extend(outage.then_some((0, state)));
        more
    };
    StatusPage {
        name: "Acme".to_owned(),
        title: "Acme status".to_owned(),
        url: URL.to_owned(),
        timezone_name: "UTC".to_owned(),
        timezone: jiff::tz::TimeZone::UTC,
        changed: if outage { at("2026-11-22T04:19:30Z") } else { at("2026-11-19T00:14:00Z") },
        check_interval: secs(30),
        state: if outage { MajorOutage } else { Operational },
        open: if outage { vec![open_on_status_page()] } else { vec![] },
        groups: vec![
            Group {
                name: "Customer-facing".to_owned(),
                components: vec![
                    component(
                        "auth",
                        "Sign-in",
                        auth,
                        days(90, &with(vec![(61, PartialOutage)], MajorOutage)),
                        99.982,
                    ),
                    component(
                        "tenants",
                        "Customer workspaces",
                        tenants,
                        days(
                            90,
                            &with(
                                vec![(20, Degraded), (44, MajorOutage), (75, PartialOutage)],
                                PartialOutage,
                            ),
                        ),
                        99.891,
                    ),
                    component("web", "Web site", Operational, days(90, &[(70, Degraded)]), 100.0),
                ],
            },
            Group {
                name: "Platform".to_owned(),
                components: vec![
                    component(
                        "search",
                        "Search",
                        Operational,
                        days(90, &[(3, Degraded), (4, Degraded)]),
                        99.999,
                    ),
                    component("export", "Exports & <reports>", Unknown, days(24, &[(0, Unknown)]), -1.0),
                ],
            },
        ],
        maintenances: Vec::new(),
        past: (0..14_i64)
            .map(|ago| {
                let span: Span = ago.days();
                let day = date(2026, 11, 22) - span;
                PastDay { date: day, incidents: if ago == 3 { vec![past_on_status_page()] } else { vec![] } }
            })
            .collect(),
        response_times: true,
        subscriptions: false,
    }
}

fn resource(text: &str) -> Resource {
    text.parse().unwrap()
}

const SUMMARY: &str = "acme.app expired at 04:15 UTC; its name servers are now the registrar's; 7 names and 2 services fail because of it";

fn incident() -> Incident {
    let diagnosis = Diagnosis {
        summary: SUMMARY.to_owned(),
        alerts: [AlertId(31), AlertId(32)].into(),
        unaffected: testkit::incident::services(&["web", "search"]),
        ..diagnosis(resource("domain.acme.app"), &["auth", "tenants"])
    };
    testkit::incident::incident(7, at("2026-11-22T04:15:58Z"), at("2026-11-22T04:16:12Z"), diagnosis)
}

fn old_incident() -> Incident {
    let diagnosis = Diagnosis {
        summary: "search.acme.com answers, but took longer than 2000 ms for 1 h 24 min".to_owned(),
        wakes: false,
        stage: Stage::Recovering,
        ..diagnosis(resource("host.search.acme.com"), &["search"])
    };
    Incident {
        acknowledged: Some(Acknowledgement {
            by: "Bo".to_owned(),
            at: at("2026-11-18T22:55:00Z"),
            until: at("2026-11-18T23:25:00Z"),
        }),
        notes: vec![Note {
            by: "Bo".to_owned(),
            at: at("2026-11-18T23:31:00Z"),
            text: "Added two search nodes and rebuilt the index.".to_owned(),
            seq: 31,
            effect: None,
        }],
        resolved: Some(at("2026-11-19T00:14:00Z")),
        ..testkit::incident::incident(5, at("2026-11-18T22:50:00Z"), at("2026-11-18T22:50:40Z"), diagnosis)
    }
}

fn graph(outage: bool) -> (Vec<Node>, Vec<Edge>) {
    let bad = |name: &str| {
        outage && (name.contains("acme.app") || matches!(name, "service.auth" | "service.tenants"))
    };
    let mut edges = Vec::new();
    let mut join = |above: &str, below: &str| {
        let hot = bad(above) && bad(below) && !below.starts_with("tls");
        edges.push(Edge { above: resource(above), below: resource(below), hot });
    };
    let hosts = [
        ("service.auth", "auth.acme.app", "acme.app"),
        ("service.tenants", "demo.acme.app", "acme.app"),
        ("service.tenants", "north.acme.app", "acme.app"),
        ("service.web", "www.acme.com", "acme.com"),
        ("service.search", "search.acme.com", "acme.com"),
    ];
    for (service, host, domain) in hosts {
        join(service, &format!("host.{host}"));
        join(&format!("host.{host}"), &format!("tls.{host}"));
        join(&format!("host.{host}"), &format!("dns.{domain}"));
        join(&format!("dns.{domain}"), &format!("domain.{domain}"));
    }
    join("service.tenants", "service.auth");
    join("service.export", "service.search");
    edges.sort_by(|a, b| (&a.above, &a.below).cmp(&(&b.above, &b.below)));
    edges.dedup();
    let resources: BTreeSet<Resource> =
        edges.iter().flat_map(|edge| [edge.above.clone(), edge.below.clone()]).collect();
    let titles = [
        ("auth", "Sign-in"),
        ("tenants", "Customer workspaces"),
        ("web", "Web site"),
        ("search", "Search"),
        ("export", "Exports & <reports>"),
    ];
    let nodes = resources.into_iter().map(|resource| {
        let name = resource.to_string();
        let state = match name.as_str() {
            "domain.acme.app" if outage => NodeState::Cause,
            "tls.search.acme.com" => NodeState::Warned,
            "service.export" => NodeState::Unknown,
            _ if name.starts_with("tls") => NodeState::Well,
            _ if bad(&name) => NodeState::Failing,
            _ => NodeState::Well,
        };
        let title = titles.iter().find(|(id, _)| name == format!("service.{id}"));
        Node { title: title.map(|(_, title)| (*title).to_owned()), resource, state }
    });
    (nodes.collect(), edges)
}

fn row(id: &str, title: &str, state: ServiceState, incident: Option<IncidentId>) -> ServiceRow {
    ServiceRow {
        id: id.to_owned(),
        title: title.to_owned(),
        state,
        since: Some(earlier(at(NOW), secs(if incident.is_some() { 297 } else { 2_000_000 }))),
        uptime_percent: Some(if incident.is_some() { 99.89 } else { 100.0 }),
        monitored: secs(90 * 86_400),
        public: true,
        incident,
        probes: match id {
            "auth" => vec![ProbeId::from("http.auth.acme.app")],
            "tenants" => vec![ProbeId::from("new.acme.app")],
            "search" => vec![ProbeId::from("http.search.acme.com")],
            _ => Vec::new(),
        },
    }
}

fn open_incident() -> OpenIncident {
    let entry = |time: &str, fact| TimelineEntry { at: at(time), fact };
    let paging = |time: &str, fact| PagingEntry { at: at(time), fact };
    let step = |step, person: &str, until: &str| PagingFact::Step {
        step,
        people: vec![person.into()],
        until: at(until),
    };
    let attempted = |failure: Option<&str>| PagingFact::Attempted {
        person: Some("ana".into()),
        channel: "ntfy".into(),
        failure: failure.map(str::to_owned),
    };
    let held = DomainFault::Held { by: "registrar".to_owned(), status: "client hold".to_owned() };
    OpenIncident {
        incident: incident(),
        unacknowledged_for: Some(secs(297)),
        held: None,
        runbooks: vec![Runbook {
            title: "Sign-in".to_owned(),
            url: "https://wiki.acme.net/auth?a=1&b=2".to_owned(),
        }],
        paging: vec![
            paging("2026-11-22T04:16:12Z", step(0, "ana", "2026-11-22T04:21:12Z")),
            paging("2026-11-22T04:16:13Z", attempted(None)),
            paging("2026-11-22T04:18:12Z", attempted(Some("timed out"))),
            paging("2026-11-22T04:21:12Z", step(1, "bo", "2026-11-22T04:26:12Z")),
        ],
        timeline: vec![
            entry(
                "2026-11-22T04:15:58Z",
                TimelineFact::AlertOpened {
                    alert: AlertId(31),
                    about: resource("domain.acme.app"),
                    fault: Fault::Domain { domain: held },
                },
            ),
            entry("2026-11-22T04:16:12Z", TimelineFact::Diagnosed { summary: SUMMARY.to_owned() }),
            entry(
                "2026-11-22T04:19:30Z",
                TimelineFact::UpdatePublished {
                    by: Some(types::Actor::person("Cy", types::Via::Console)),
                    status: UpdateStatus::Identified,
                    body: "A domain of ours ran out and is being renewed.".to_owned(),
                },
            ),
        ],
    }
}

fn services(outage: bool) -> Vec<ServiceRow> {
    let mut services = vec![
        row("web", "Web site", ServiceState::Operational, None),
        row("search", "Search", ServiceState::Operational, None),
    ];
    let because = outage.then_some(IncidentId(7));
    let (auth, tenants) = if outage {
        (ServiceState::MajorOutage, ServiceState::PartialOutage)
    } else {
        (ServiceState::Operational, ServiceState::Operational)
    };
    services.insert(0, row("export", "Exports & <reports>", ServiceState::Unknown, None));
    services.insert(0, row("tenants", "Customer workspaces", tenants, because));
    services.insert(0, row("auth", "Sign-in", auth, because));
    services
}

fn domains(outage: bool) -> Vec<DomainRow> {
    let domain = |domain: &str, expires: Option<&str>, knowledge| DomainRow {
        domain: domain.to_owned(),
        expires: expires.map(at),
        knowledge,
        registrar: expires.map(|_| "Example Registrar, Inc.".to_owned()),
        confirmed: expires.map(|_| date(2026, 11, 22)),
    };
    vec![
        domain(
            "acme.app",
            Some(if outage { "2026-11-22T04:15:00Z" } else { "2027-11-22T04:15:00Z" }),
            Knowledge::Current,
        ),
        domain("acme.com", Some("2027-03-01T00:00:00Z"), Knowledge::Stale),
        domain("acme.dev", None, Knowledge::Unknown),
    ]
}

fn probes() -> Vec<ProbeRow> {
    let probe = |probe: &str, of: &str, millis, ends: Option<&str>| ProbeRow {
        probe: probe.into(),
        resource: resource(of),
        interval: secs(30),
        duration: Duration::from_millis(millis),
        certificate_expires: ends.map(at),
    };
    vec![
        probe("http.auth.acme.app", "host.auth.acme.app", 5_000, None),
        probe("http.search.acme.com", "host.search.acme.com", 118, None),
        probe("new.acme.app", "host.demo.acme.app", 92, None),
        probe("tls.www.acme.com", "tls.www.acme.com", 38, Some("2027-01-02T00:00:00Z")),
    ]
}

fn warning() -> Alert {
    let fault = Fault::Domain { domain: DomainFault::AutoRenew };
    Alert {
        severity: Severity::Warning,
        probe: ProbeId::from("domain.acme.com"),
        evidence: "the registry says auto renew period".to_owned(),
        ..alert(12, resource("tls.search.acme.com"), fault, at("2026-11-20T08:00:00Z"))
    }
}

fn slower() -> Alert {
    let since = at("2026-11-22T02:02:00Z");
    let fault = Fault::SlowerThanUsual {
        since,
        usual: Duration::from_millis(110),
        level: Duration::from_millis(240),
    };
    Alert {
        severity: Severity::Info,
        probe: ProbeId::from("http.search.acme.com"),
        evidence: "median of the last points of http.search.acme.com, compared with the 96 before".to_owned(),
        ..alert(40, resource("host.search.acme.com"), fault, since)
    }
}

fn ended() -> EndedAlert {
    let fault = Fault::Status { got: 503 };
    let alert = Alert {
        probe: ProbeId::from("http.auth.acme.app"),
        ..alert(28, resource("host.auth.acme.app"), fault, at("2026-11-21T09:10:00Z"))
    };
    EndedAlert { alert, closed: at("2026-11-21T09:24:30Z") }
}

fn now(outage: bool) -> Now {
    let (nodes, edges) = graph(outage);
    Now {
        at: at(NOW),
        open: if outage { vec![open_incident()] } else { vec![] },
        past: vec![old_incident()],
        alerts: vec![warning(), slower()],
        ended_alerts: vec![Arc::new(ended())],
        on_call: vec![OnCall {
            schedule: "platform".to_owned(),
            people: vec![(PersonId::from("ana"), "Ana".to_owned())],
            until: Some(at("2026-11-22T08:00:00Z")),
        }],
        services: services(outage),
        nodes,
        edges,
        domains: domains(outage),
        probes: probes(),
        isolated: None,
        self_problems: vec![],
        unreached: Vec::new(),
        attempts: Vec::new(),
        pools: Vec::new(),
        probe_lag_p99: Some(Duration::from_millis(14)),
        drafts: Vec::new(),
        heartbeats: Vec::new(),
        maintenances: Vec::new(),
        silences: Vec::new(),
        changes: changes(),
        timezone: "UTC".to_owned(),
    }
}

/// A small company with findings of the audit.
fn acceptance() -> Acceptance {
    const COMPANY: &str = r#"
[site]
name = "Acme"
[service.auth]
hosts = ["auth.acme.com"]
depends_on = ["database.main"]
[database.main]
url = "env:MAIN"
backup = false
[person.ana]
timezone = "UTC"
contacts = ["ntfy:ana"]
[channel.ntfy]
ntfy = "https://ntfy.sh"
[audit]
exceptions = [{ criterion = "fallback", owner = "ana", until = 2100-01-01, why = "five people read ntfy" }]
must = ["single-database"]
"#;
    let config = config::read(COMPANY, "mainstay.toml", std::path::Path::new(".")).unwrap().config;
    Acceptance::new(Arc::new(config))
}

/// Headroom of a pool with a load test, of one without, and of a database.
fn headroom(outage: bool) -> Vec<Headroom> {
    let day = Some(if outage { 0.93 } else { 0.62 });
    let utilization = Peaks { day, week: Some(0.93), month: Some(0.93) };
    let mut auth = Headroom {
        resource: Resource::pool("auth"),
        services: vec!["auth".into()],
        capacity: Capacity::LoadTest {
            target: "auth".to_owned(),
            at: at("2026-11-20T08:00:00Z"),
            per_server: 125.0,
            is_lower_bound: false,
            p50_seconds: 0.04,
        },
        knee: Some(500.0),
        servers: Some(ServerCount { working: 4, all: 4 }),
        demand: Some(250.0),
        peaks: utilization.map(|share| share * 500.0),
        utilization,
        utilization_now: Some(0.5),
        with_more: None,
        trend: Trend::Grows { per_day: 0.012, meets: Some(jiff::civil::date(2026, 12, 12)) },
    };
    auth.with_more = auth.with(2);
    let api = Headroom {
        resource: Resource::pool("api"),
        capacity: Capacity::Unknown { why: Unknown::NoLoadTest },
        knee: None,
        utilization: Peaks::default(),
        utilization_now: None,
        with_more: None,
        trend: Trend::Unknown,
        ..auth.clone()
    };
    let slots = Peaks { day: Some(0.31), ..Peaks::default() };
    let main = Headroom {
        resource: Resource::database("main"),
        services: Vec::new(),
        capacity: Capacity::ConnectionSlots,
        servers: None,
        demand: None,
        peaks: slots,
        utilization: slots,
        trend: Trend::TooShort { days: 5, needed: 14 },
        ..api.clone()
    };
    vec![auth, api, main]
}

/// Views without an outage.
pub(crate) fn healthy() -> Views {
    Views {
        seq: 0,
        status_page: status_page(false),
        now: now(false),
        traffic: Some(traffic(false)),
        headroom: headroom(false).into(),
        acceptance: Some(acceptance()),
    }
}

/// Views during an outage.
pub(crate) fn outage() -> Views {
    Views {
        seq: 0,
        status_page: status_page(true),
        now: now(true),
        traffic: Some(traffic(true)),
        headroom: headroom(true).into(),
        acceptance: Some(acceptance()),
    }
}

/// A deploy before the incident, and one during it with an effect.
fn changes() -> Vec<RecordedChange> {
    let change = |id: u64, time: &str, title: &str| Change {
        id: ChangeId(id),
        at: at(time),
        done: None,
        title: title.to_owned(),
        kind: ChangeKind::Deploy,
        services: BTreeSet::from(["search".into()]),
        resource: None,
        source: Some("ci".to_owned()),
        link: Some("https://ci.acme.net/7".to_owned()),
        key: None,
    };
    let figure = Figure { metric: Metric::Latency, before: 1.9, after: 0.4 };
    let helped = Effect {
        verdict: Verdict::Helped,
        signal: Some("http.search.acme.com".to_owned()),
        figure: Some(figure),
        points: 24,
        together_with: 0,
    };
    let recorded = |change, effects| RecordedChange { change, by: Actor::token("ci"), effects };
    vec![
        recorded(
            change(2, "2026-11-18T23:20:00Z", "deploy search 4f2d"),
            BTreeMap::from([(IncidentId(5), helped)]),
        ),
        recorded(change(1, "2026-11-18T22:43:00Z", "deploy search 4f2c"), BTreeMap::new()),
    ]
}
