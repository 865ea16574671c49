//! What follows from what the edge sees. Here the API passes its visitors on to sign-in, which it needs.

use crate::fixture::*;
use insta::assert_snapshot;
use types::config::Caller;
use types::fault::{CrashLoop, DatabaseFault, DomainFault, Fault, Starving, TlsFault};
use types::{Alert, AlertId, CallerId, EventKind, IncidentId, Resource, ServiceId, Severity};

fn world() -> Fixture {
    let mut w = Fixture::new();
    let id = CallerId("api-web".into());
    let service = Some(ServiceId("api".into()));
    w.config.callers.insert(id.clone(), Caller { id, service, token: None, cidrs: vec![] });
    for (service, host) in [("auth", "a.acme.app"), ("api", "api.acme.io"), ("shop", "shop.acme.io")] {
        w.config.graph.add_dependency(Resource::service(service), Resource::pool(service));
        w.config.graph.add_dependency(Resource::host(host), Resource::pool(service));
    }
    w.config.graph.add_dependency(Resource::service("shop"), Resource::database("orders"));
    w.look_at_all();
    w
}

fn full() -> Fault {
    let crowd =
        Some("61 of its sessions wait for pid 4711 (api, active for 9 s): `select recount(?)`".into());
    let (used, usable) = (Some(97), Some(97));
    Fault::Database { database: DatabaseFault::Saturated { node: "db1:5432".into(), used, usable, crowd } }
}

fn fallen() -> Fault {
    Fault::PoolBelowMinimum {
        healthy: 2,
        declared: 20,
        min_healthy: 10,
        out: vec!["10.0.0.2:80 and 17 more are down since 15:28 (timeout)".into()],
        serving: vec!["10.0.0.1:80".into(), "10.0.0.9:80".into()],
        backups: 0,
        balancer: None,
        refuses: true,
    }
}

fn reconnects() -> Fault {
    Fault::ReconnectStorm { times: Some(90), per_sec: 2_283 }
}

fn intermittent() -> Fault {
    Fault::Intermittent { bad: 5, of: 12, last: "answers with status 503".into() }
}

fn idle() -> Fault {
    let starved_by = Some(Box::new(Starving {
        layer: Resource::pool("shop"),
        how: "has only 2 of 20 servers serving".into(),
    }));
    let replica = DatabaseFault::ReplicaIdle {
        node: "db2:5432".into(),
        replica: 0,
        primary: 200,
        percent: 30,
        idle_since: None,
        starved_by,
    };
    Fault::Database { database: replica }
}

fn surge() -> Fault {
    let networks = vec!["203.0.113.0/24".into(), "AS64500".into()];
    Fault::Surge { times: Some(5_400), per_sec: 54_000, share_percent: 92, networks }
}

fn conflict() -> Fault {
    let limits = vec!["api-client of api-web".into(), "per-address of auth".into()];
    Fault::LimitConflict { caller: "api-web".into(), percent: 93, trace: Some("4bf92f35".into()), limits }
}

fn shrunk() -> Fault {
    let out = vec!["10.0.0.2:80 is down since 15:28 (connection refused)".into()];
    Fault::PoolBelowMinimum {
        healthy: 1,
        declared: 2,
        min_healthy: 2,
        out,
        serving: Vec::new(),
        backups: 0,
        balancer: None,
        refuses: false,
    }
}

fn certificate() -> Fault {
    Fault::ServerCertificate { expected: "auth.internal".into(), why: "it is for parking.example".into() }
}

fn status() -> Fault {
    Fault::Status { got: 503 }
}

fn wrong_name() -> Fault {
    Fault::Tls { tls: TlsFault::WrongName { presented: vec!["parking.example".into()] } }
}

#[test]
fn each_traffic_fault_has_a_summary() {
    let mut words = String::new();
    for (about, fault) in [
        ("service.api", surge()),
        ("service.auth", conflict()),
        ("pool.auth", shrunk()),
        ("pool.auth", certificate()),
        ("mainstay.edge", Fault::EdgeSilent { since: at("2026-11-22T15:27:00Z") }),
    ] {
        let mut w = world();
        let severity = if about == "mainstay.edge" { Severity::Warning } else { Severity::Critical };
        let alert = w.pass(2).open(about, fault, severity);
        words += &w.react();
        w.pass(1).look_at_all();
        w.pass(60).close(alert);
        words += &w.react();
        w.pass(91).look_at_all();
        words += &w.react();
        words += "--\n";
    }
    assert_snapshot!(words, @r"
    15:28:02 + incident-1 service.api Failing wakes
        API receives 5,400 times its usual traffic since 15:28 UTC, 92 % of it from 2 networks: 203.0.113.0/24, AS64500; 54,000 requests/s; 6 other names are not affected
        affected: api; not: auth shop
    15:29:03 ~ incident-1 service.api Recovering wakes
        API receives its usual traffic again since 15:29 UTC; monitoring
        affected: -; not: auth shop
    15:30:34 - incident-1 API received 5,400 times its usual traffic, 92 % of it from 2 networks: 203.0.113.0/24, AS64500; 1 service affected for 1 min 1 s
    --
    15:28:02 + incident-1 service.auth Failing wakes
        Sign-in rate-limits its own caller api-web: 93 % of its 429 responses (api-client of api-web, then per-address of auth) since 15:28 UTC; see `mainstay trace 4bf92f35`; API is affected; shop.acme.io is not affected
        affected: api auth; not: shop
    15:29:03 ~ incident-1 service.auth Recovering wakes
        Sign-in no longer rate-limits its own caller api-web since 15:29 UTC; monitoring
        affected: -; not: shop
    15:30:34 - incident-1 Sign-in rate-limited its own caller api-web: 93 % of its 429 responses (api-client of api-web, then per-address of auth); 2 services affected for 1 min 1 s
    --
    15:28:02 + incident-1 pool.auth Failing
        pool auth has 1 of 2 servers healthy (minimum 2) since 15:28 UTC: 10.0.0.2:80 is down since 15:28 (connection refused); Sign-in depends on it; api.acme.io and shop.acme.io are not affected
        affected: auth; not: shop
    15:29:03 - incident-1 pool auth had 1 of 2 servers healthy (minimum 2); it lasted 1 min 1 s, the other servers answered
    --
    15:28:02 + incident-1 pool.auth Failing wakes
        the servers of auth present a certificate that is not for auth.internal since 15:28 UTC: it is for parking.example; Sign-in is affected; api.acme.io and shop.acme.io are not affected
        affected: auth; not: shop
    15:29:03 - incident-1 the servers of auth presented a certificate that is not for auth.internal: it is for parking.example; 1 service affected for 1 min 1 s
    --
    15:28:02 + incident-1 mainstay.edge Failing
        mainstay has received no traffic report from its edge since 15:28 UTC; failures are not reported meanwhile
        affected: -; not: -
    15:29:03 - incident-1 mainstay had received no traffic report from its edge; it lasted 1 min 1 s
    --
    ");
}

enum Do {
    Open(&'static str, fn() -> Fault),
    Close(u64),
    Pass(u64),
    /// An alert goes on as a warning.
    Ease(u64),
}
use Do::{Close, Ease, Open, Pass};

/// What opens and closes, a second apart unless seconds pass between, and the causes of the incidents that are open then.
const HISTORIES: [(&str, &[Do], &[&str]); 24] = [
    ("a surge alone", &[Open("service.api", surge)], &["service.api"]),
    (
        "names fail as overloaded ones do",
        &[Open("service.api", surge), Open("host.api.acme.io", status), Pass(9)],
        &["service.api"],
    ),
    (
        "the name failed first",
        &[Open("host.api.acme.io", status), Pass(9), Open("service.api", surge), Pass(9)],
        &["service.api"],
    ),
    (
        "a certificate is nobody's surge",
        &[Open("service.api", surge), Open("tls.api.acme.io", wrong_name), Pass(9)],
        &["service.api", "tls.api.acme.io"],
    ),
    ("its visitors passed on", &[Open("service.auth", surge), Open("service.api", surge)], &["service.api"]),
    ("its pool shrinks", &[Open("service.api", surge), Open("pool.api", shrunk)], &["service.api"]),
    (
        "its pool had shrunk before",
        &[Open("pool.api", shrunk), Pass(30), Open("service.api", surge)],
        &["pool.api"],
    ),
    (
        "limits fight while it is on",
        &[Open("service.api", surge), Open("service.auth", conflict)],
        &["service.api"],
    ),
    (
        "limits fight when it is over",
        &[Open("service.api", surge), Open("service.auth", conflict), Close(1)],
        &["service.auth"],
    ),
    (
        "limits begin to fight when it is over",
        &[Open("service.api", surge), Pass(9), Close(1), Pass(9), Open("service.auth", conflict)],
        &["service.auth"],
    ),
    (
        "a second wave",
        &[Open("service.api", surge), Pass(9), Close(1), Pass(20), Open("service.api", surge)],
        &["service.api"],
    ),
    (
        "a second wave while limits still fight, and names fail",
        &[
            Open("service.api", surge),
            Open("service.auth", conflict),
            Close(1),
            Open("service.api", surge),
            Open("host.api.acme.io", status),
            Pass(9),
        ],
        &["service.api"],
    ),
    (
        "a second wave just when they cease to fight",
        &[
            Open("service.api", surge),
            Open("service.auth", conflict),
            Close(1),
            Close(2),
            Open("service.api", surge),
            Open("host.api.acme.io", status),
            Pass(9),
        ],
        &["service.api"],
    ),
    (
        "limits fight and names fail",
        &[Open("host.api.acme.io", status), Open("service.auth", conflict), Pass(9)],
        &["service.auth"],
    ),
    (
        "another service",
        &[Open("service.api", surge), Open("pool.shop", shrunk)],
        &["pool.shop", "service.api"],
    ),
    (
        "a database fails, and its clients try again",
        &[Open("database.orders", full), Pass(9), Open("service.shop", surge), Pass(9)],
        &["database.orders"],
    ),
    (
        "a database takes the pool down, and its clients try again immediately",
        &[Open("database.orders", full), Pass(9), Open("pool.shop", fallen), Open("service.shop", surge)],
        &["database.orders"],
    ),
    (
        "the pool is seen first, the database that took it down a round later",
        &[Open("pool.shop", fallen), Open("database.orders", full), Open("service.shop", surge)],
        &["database.orders"],
    ),
    (
        "the database is well again, and its pool is not",
        &[
            Open("database.orders", full),
            Pass(9),
            Open("pool.shop", fallen),
            Open("service.shop", surge),
            Open("host.shop.acme.io", intermittent),
            Pass(60),
            Close(1),
        ],
        &["pool.shop"],
    ),
    (
        "the pool falls just when the database recovers",
        &[Open("database.orders", full), Pass(9), Open("pool.shop", fallen), Close(1), Pass(9)],
        &["pool.shop"],
    ),
    (
        "the database only warns by now, and its pool is down still",
        &[
            Open("database.orders", full),
            Pass(9),
            Open("pool.shop", fallen),
            Ease(1),
            Open("pool.shop", reconnects),
            Pass(9),
        ],
        &["database.orders"],
    ),
    (
        "the database warns, then is well, and its pool is not",
        &[
            Open("database.orders", full),
            Pass(9),
            Open("pool.shop", fallen),
            Open("pool.shop", reconnects),
            Ease(1),
            Pass(2),
            Close(1),
            Pass(9),
        ],
        &["pool.shop"],
    ),
    (
        "a name fails now and then while its pool is down",
        &[Open("pool.shop", fallen), Pass(9), Open("host.shop.acme.io", intermittent), Pass(9)],
        &["pool.shop"],
    ),
    (
        "servers that cannot be trusted, and names that fail with them",
        &[Open("host.a.acme.app", status), Open("pool.auth", certificate), Pass(9)],
        &["pool.auth"],
    ),
];

fn eases(w: &mut Fixture, alert: AlertId) {
    let Some(Alert { fault, evidence, .. }) = w.journal.alerts.get(&alert).cloned() else { return };
    w.record(EventKind::AlertChanged { alert, fault, severity: Severity::Warning, evidence });
}

#[test]
fn what_explains_what() {
    for (what, steps, expected) in HISTORIES {
        let mut w = world();
        for step in steps {
            match step {
                Open(about, fault) => _ = w.pass(1).breaks(about, fault()),
                Close(alert) => w.pass(1).close(AlertId(*alert)),
                Ease(alert) => eases(w.pass(1), AlertId(*alert)),
                Pass(secs) => _ = w.pass(*secs),
            }
            w.react();
        }
        let open = w.diagnose.incidents().values().filter(|incident| incident.is_open());
        let mut causes: Vec<String> = open.map(|incident| incident.diagnosis.cause.to_string()).collect();
        causes.sort_unstable();
        assert_eq!(causes, expected, "{what}");
        // No one is paged for an incident that turns out to be part of another.
        let opened =
            w.journal.events.iter().filter(|event| matches!(event.kind, EventKind::IncidentOpened { .. }));
        assert_eq!(opened.count(), expected.len(), "{what}");
        w.restart();
    }
}

#[test]
fn pool_that_its_database_took_down_keeps_the_statement_and_ends_before_its_idle_replica() {
    let mut w = world();
    let database = w.pass(1).breaks("database.orders", full());
    w.pass(6).react();
    let pool = w.breaks("pool.shop", fallen());
    w.react();
    w.pass(60).close(database);
    w.react();
    let idle = w.pass(30).open("database.orders", idle(), Severity::Warning);
    w.react();
    let mut words = w.summary(1).to_owned();
    w.pass(60).look_at_all();
    w.close(pool);
    w.react();
    words += "\n--\n";
    words += w.summary(1);
    assert!(!w.diagnose.incidents()[&IncidentId(1)].is_open(), "{}", w.summary(1));
    assert_snapshot!(words);
    assert!(!w.diagnose.incidents()[&IncidentId(2)].diagnosis.wakes, "what is left wakes no one");
    w.pass(1).close(idle);
    w.debounce();
    assert!(w.diagnose.incidents().values().all(|incident| !incident.is_open()));
}

#[test]
fn further_layer_that_fails_is_named_at_once_and_more_of_the_same_after_five_seconds() {
    let mut w = world();
    w.pass(1).breaks("database.orders", full());
    assert!(w.pass(6).react().contains("+ incident-1 database.orders"));
    w.pass(1).breaks("pool.shop", fallen());
    assert!(w.react().contains("pool shop has 2 of 20 servers healthy"), "{}", w.summary(1));
    let other = Resource::pool("checkout");
    w.config.graph.add_dependency(Resource::service("shop"), other.clone());
    w.pass(1).breaks(&other.to_string(), fallen());
    assert_eq!(w.react(), "", "one update of details in five seconds");
    w.pass(5);
    assert!(w.react().contains("pool checkout has 2 of 20"), "{}", w.summary(1));
    w.restart();
}

/// A surge on what the cause needs came from the cause, whichever was seen first.
#[test]
fn a_surge_does_not_begin_with_what_it_passes_on() {
    let mut w = world();
    let beneath = w.pass(1).breaks("service.auth", surge());
    w.react();
    w.pass(1).breaks("service.api", surge());
    w.react();
    w.pass(9).close(beneath);
    w.react();
    let diagnosis = &w.diagnose.incidents()[&IncidentId(1)].diagnosis;
    assert_eq!(diagnosis.cause, Resource::service("api"));
    assert!(!diagnosis.summary.contains("began with"), "{}", diagnosis.summary);
}

#[test]
fn the_caller_that_is_refused_fails_with_the_service_it_works_for() {
    let mut w = world();
    w.pass(1).breaks("service.auth", conflict());
    w.react();
    let diagnosis = &w.diagnose.incidents()[&IncidentId(1)].diagnosis;
    let affected: Vec<String> = diagnosis.affected.iter().map(Resource::to_string).collect();
    assert_eq!(affected, ["service.api", "service.auth"]);
    assert!(diagnosis.unaffected.contains(&Resource::service("shop")));
}

#[test]
fn an_incident_of_waves_ends_a_minute_and_a_half_after_the_last() {
    let mut w = world();
    let alert = w.pass(1).breaks("service.api", surge());
    w.react();
    w.pass(9).close(alert);
    w.react();
    let next = w.diagnose.next_deadline(&types::Context::new(&w.config, w.now)).unwrap();
    assert_eq!(next.as_second() - w.now.as_second(), 90, "somebody must wake us for it");
    w.pass(89).react();
    assert!(w.diagnose.incidents()[&IncidentId(1)].is_open());
    w.pass(1).react();
    assert!(!w.diagnose.incidents()[&IncidentId(1)].is_open());
}

#[test]
fn limits_that_conflict_a_minute_after_a_surge_belong_to_its_incident() {
    let mut w = world();
    let surge = w.pass(1).breaks("service.api", surge());
    w.react();
    w.pass(9).close(surge);
    w.react();
    w.pass(60).breaks("service.auth", conflict());
    w.react();
    let incidents = w.diagnose.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!(incidents[&IncidentId(1)].diagnosis.cause.to_string(), "service.auth");
}

fn retries() -> Fault {
    Fault::RetryStorm { times_tenths: 41, per_sec: 82, clients: 210, usual_clients: 200 }
}

#[test]
fn retry_storm_belongs_to_the_incident_of_what_fails_and_pages_nobody() {
    for (about, fault) in
        [("pool.shop", fallen()), ("database.orders", full()), ("host.shop.acme.io", status())]
    {
        let mut w = world();
        w.pass(2).breaks(about, fault);
        w.react();
        w.debounce();
        w.pass(8).open("service.shop", retries(), Severity::Warning);
        w.react();
        w.pass(6);
        w.react();
        let incidents = w.diagnose.incidents();
        assert_eq!(incidents.len(), 1, "{about}: {incidents:#?}");
        assert_eq!(incidents[&IncidentId(1)].diagnosis.cause.to_string(), about);
        let said = "; Shop receives 4.1 times its usual requests from the usual number of clients (210, usually 200), \
                    82 requests/s: clients retry what fails";
        assert!(w.summary(1).contains(said), "{}", w.summary(1));
        w.restart();
    }
    let mut w = world();
    let storm = w.pass(2).open("service.shop", retries(), Severity::Warning);
    w.react();
    w.debounce();
    let incident = &w.diagnose.incidents()[&IncidentId(1)];
    assert!(!incident.diagnosis.wakes && incident.diagnosis.affected.is_empty(), "{incident:?}");
    assert!(w.summary(1).starts_with("Shop receives 4.1 times its usual requests"), "{}", w.summary(1));
    // What fails is found a little later: it is one incident, of what fails.
    w.pass(3).breaks("pool.shop", fallen());
    w.react();
    w.debounce();
    let open: Vec<String> = w
        .diagnose
        .incidents()
        .values()
        .filter(|incident| incident.is_open())
        .map(|incident| incident.diagnosis.cause.to_string())
        .collect();
    assert_eq!(open, ["pool.shop"]);
    w.pass(30).close(storm);
    w.react();
    w.restart();
}

/// Servers of a pool of two that restart again and again.
fn crash_loop(looping: u32) -> Fault {
    let names = ["10.0.0.1:80".to_owned(), "10.0.0.2:80".to_owned()];
    let crash_loop = CrashLoop {
        servers: names.into_iter().take(looping as usize).collect(),
        looping,
        of: 2,
        times: 5,
        within: secs(250),
        up: secs(20),
        last: "reset while it served GET /login".into(),
    };
    Fault::CrashLoop { crash_loop }
}

fn empty_pool() -> Fault {
    let Fault::PoolBelowMinimum { out, .. } = shrunk() else { unreachable!() };
    Fault::PoolBelowMinimum {
        healthy: 0,
        declared: 2,
        min_healthy: 1,
        out,
        serving: Vec::new(),
        backups: 0,
        balancer: None,
        refuses: true,
    }
}

#[test]
fn crash_loop_of_every_server_is_one_incident_and_of_a_spare_one_a_notice() {
    let mut w = world();
    let few = w.pass(2).breaks("pool.auth", empty_pool());
    let mut words = w.react();
    let loops = w.pass(10).breaks("pool.auth", crash_loop(2));
    words += &w.react();
    words += "-- the number of healthy servers rises and falls\n";
    w.pass(5).close(few);
    words += &w.react();
    let few = w.pass(10).breaks("pool.auth", empty_pool());
    w.breaks("host.b.acme.app", status());
    words += &w.react();
    w.pass(10).close(few);
    let host = AlertId(4);
    w.close(host);
    words += &w.react();
    words += "-- they run\n";
    w.pass(60).close(loops);
    words += &w.react();
    w.pass(1).look_at_all();
    words += &w.react();
    words += "-- a spare one of another pool\n";
    let spare = w.pass(60).open("pool.shop", crash_loop(1), Severity::Warning);
    words += &w.react();
    w.pass(60).close(spare);
    words += &w.react();
    words += "-- a database\n";
    let Fault::CrashLoop { mut crash_loop } = crash_loop(1) else { unreachable!() };
    (crash_loop.servers, crash_loop.of) = (Vec::new(), 1);
    w.pass(60).breaks("database.orders", Fault::CrashLoop { crash_loop });
    w.pass(4).look_at_all();
    words += &w.react();
    assert_snapshot!(words);
    w.restart();
}

#[test]
fn crash_loop_of_servers_that_call_an_expired_name_belongs_to_its_incident() {
    let mut w = world();
    // The servers of the API call sign-in.
    let expired = Fault::Domain { domain: DomainFault::Expired { at: None, parked_on: None } };
    let domain = w.pass(2).breaks("domain.acme.app", expired);
    let mut words = w.react();
    words += "-- caches expire\n";
    let host = w.pass(20).breaks("host.b.acme.app", wrong_name());
    let few = w.breaks("pool.api", empty_pool());
    words += &w.react();
    let spare = w.pass(6).open("pool.api", crash_loop(1), Severity::Warning);
    words += &w.react();
    w.close(spare);
    let loops = w.breaks("pool.api", crash_loop(2));
    words += &w.react();
    words += "-- renewed, but caches are old\n";
    w.pass(30).close(domain);
    w.close(few);
    words += &w.react();
    let few = w.pass(6).breaks("pool.api", empty_pool());
    words += &w.react();
    words += "-- caches expire\n";
    w.pass(10).close(host);
    w.close(few);
    words += &w.react();
    w.pass(40).close(loops);
    w.pass(1).look_at_all();
    words += &w.react();
    assert_snapshot!(words);
    w.restart();

    // Sign-in itself calls no name of that domain: its own names lead to it, and end nothing.
    let mut w = world();
    let expired = Fault::Domain { domain: DomainFault::Expired { at: None, parked_on: None } };
    w.pass(2).breaks("domain.acme.app", expired);
    w.react();
    w.pass(20).breaks("pool.auth", crash_loop(2));
    assert!(w.react().contains("incident-2 pool.auth"));
    // What began before the name failed has another cause.
    let mut w = world();
    w.pass(2).breaks("pool.api", crash_loop(2));
    w.react();
    let expired = Fault::Domain { domain: DomainFault::Expired { at: None, parked_on: None } };
    w.pass(20).breaks("domain.acme.app", expired);
    assert!(w.react().contains("incident-2 domain.acme.app"));
}
