//! The surge from the first roll-up to the end: one incident, one page, posts in plain words, though its cause changes half way.

use crate::{Bench, FIRST};
use insta::assert_snapshot;
use std::time::Duration;
use testkit::config::read;
use testkit::edge::{add_caller, add_pool, edge, rollup, server, traffic};
use testkit::time::secs;
use types::config::{Config, Recognize, Traffic};
use types::traffic::{Asked, CallerRefused, Rollup, ServerState, ServerStatus, ServiceTraffic};
use types::{Answer, CallerId, EventKind, Fault, ServiceId};

const CONFIG: &str = r#"
[site]
name = "Acme"

[service.auth]
title = "Sign-in"
depends_on = ["service.api"]

[service.api]
title = "API"
public = false

[service.shop]
title = "Shop"

[probe.front]
http = "http://192.0.2.7/"
interval = "30s"
failing_for = "0s"
failure_threshold = 2
service = "auth"

[probe.goods]
http = "http://192.0.2.8/"
interval = "30s"
failing_for = "0s"
service = "shop"

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

/// The configuration with an edge, added by hand: its keys are tested with the reader.
pub(crate) fn config() -> Config {
    let mut config = read(CONFIG);
    config.edge = Some(edge());
    for name in ["auth", "api"] {
        let login =
            Recognize { method: None, path: "/login".to_owned(), status: vec![200], duration: secs(60) };
        add_pool(&mut config, name, Traffic { recognize: Some(login), ..traffic(name) });
    }
    add_caller(&mut config, "auth-web", Some("auth"));
    config
}

/// A second in which all goes well.
pub(crate) fn quiet() -> Rollup {
    let asked = Asked { asked: 5, served: 5 };
    let traffic = ServiceTraffic {
        requests: 10,
        passed: 10,
        recognized: asked,
        first: asked,
        ..ServiceTraffic::default()
    };
    let latency = Duration::from_millis(20);
    let servers = ["10.0.0.1:80", "10.0.0.2:80"].map(|address| ServerStatus {
        latency,
        since: secs(600),
        ..server(address, ServerState::Serving)
    });
    let mut rollup = rollup(&[("auth", traffic.clone()), ("api", traffic)], &servers);
    rollup.pools.values_mut().for_each(|pool| pool.limit = 8);
    Rollup { connections: 20, ..rollup }
}

fn of<'a>(rollup: &'a mut Rollup, id: &str) -> &'a mut ServiceTraffic {
    rollup.services.entry(ServiceId(id.to_owned())).or_default()
}

/// A second of the flood: nearly all of it from three networks, nearly all of it shed.
pub(crate) fn flood() -> Rollup {
    let mut rollup = quiet();
    let auth = of(&mut rollup, "auth");
    auth.requests = 20_000;
    auth.shed = 19_000;
    auth.subnets = [("203.0.113.0/24", 60), ("198.51.100.0/24", 22), ("AS64500", 10), ("192.0.2.0/24", 1)]
        .map(|(net, share)| (net.to_owned(), share))
        .to_vec();
    rollup
}

/// A second after it: the API refuses the front end of sign-in.
pub(crate) fn fight() -> Rollup {
    let mut rollup = quiet();
    of(&mut rollup, "auth").failed = 4;
    let api = of(&mut rollup, "api");
    api.server_429 = 14;
    let refused = CallerRefused {
        count: 13,
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        limits: vec!["api-client of auth-web".to_owned(), "per-address of api".to_owned()],
    };
    api.callers_refused.insert(CallerId("auth-web".to_owned()), refused);
    rollup
}

impl Bench {
    pub(crate) fn seconds(&mut self, count: usize, rollup: &Rollup) {
        for _ in 0..count {
            self.later(1);
            self.input(rollup.clone()).unwrap();
        }
    }

    /// What was decided since the last time, as a person tells it.
    fn transcript(&mut self, from: &mut usize) -> String {
        let mut text = String::new();
        for event in &self.events[*from..] {
            let line = match &event.kind {
                EventKind::TrafficLearned { service, usual_milli } => {
                    format!("usual of {service}: {usual_milli}")
                }
                EventKind::AlertOpened { alert } => {
                    format!("+ {} {} [{:?}]", alert.about, alert.fault.as_str(), alert.severity)
                }
                EventKind::AlertChanged { alert, severity, .. } => format!("~ {alert} [{severity:?}]"),
                EventKind::AlertClosed { alert } => format!("- {alert}"),
                EventKind::IncidentOpened { incident, diagnosis, .. }
                | EventKind::IncidentDiagnosed { incident, diagnosis } => {
                    format!("{incident} {} {:?}: {}", diagnosis.cause, diagnosis.stage, diagnosis.summary)
                }
                EventKind::IncidentResolved { incident, summary, .. } => {
                    format!("{incident} over: {summary}")
                }
                EventKind::PageOpened { page, .. } => format!("{page} opens"),
                EventKind::PageClosed { page } => format!("{page} closes"),
                EventKind::UpdatePublished { status, title, body, .. } => {
                    format!("post {status:?} “{title}”: {body}")
                }
                EventKind::ServiceStateChanged { service, state } => format!("{service} is {state:?}"),
                _ => continue,
            };
            text += &format!("{} {line}\n", event.at.strftime("%H:%M:%S"));
        }
        *from = self.events.len();
        text
    }
}

#[test]
fn a_surge_and_the_fight_that_it_leaves_behind_are_one_incident_and_one_page() {
    let mut bench = Bench::with(config());
    let mut from = bench.events.len();
    let mut story = String::new();
    bench.well_at("front");
    bench.well_at("goods");
    bench.seconds(60, &quiet());
    story += &bench.transcript(&mut from);
    story += "-- flood\n";
    bench.seconds(8, &flood());
    for _ in 0..2 {
        bench.sample_of("front", Answer::Failed(Fault::Status { got: 503 }));
        bench.seconds(1, &flood());
    }
    bench.seconds(60, &flood());
    story += &bench.transcript(&mut from);
    story += "-- the flood ends, sign-in stays dead\n";
    bench.seconds(70, &fight());
    story += &bench.transcript(&mut from);
    story += "-- the visitor is passed on\n";
    bench.seconds(2, &quiet());
    for _ in 0..3 {
        bench.well_at("front");
        bench.seconds(1, &quiet());
    }
    bench.seconds(50, &quiet());
    bench.well_at("front");
    bench.seconds(120, &quiet());
    story += &bench.transcript(&mut from);
    assert_snapshot!(story, @r"
    03:00:00 auth is Operational
    03:00:00 shop is Operational
    03:00:15 usual of api: 10000
    03:00:15 usual of auth: 10000
    -- flood
    03:01:02 + service.auth surge [Critical]
    03:01:02 incident-1 service.auth Failing: Sign-in receives 2,000 times its usual traffic since 03:01 UTC, 89 % of it from 3 networks: 203.0.113.0/24, 198.51.100.0/24, AS64500; 20,000 requests/s
    03:01:02 page-1 opens
    03:01:02 auth is PartialOutage
    03:01:09 + probe.front status [Critical]
    03:01:09 incident-1 service.auth Failing: Sign-in receives 2,000 times its usual traffic since 03:01 UTC, 89 % of it from 3 networks: 203.0.113.0/24, 198.51.100.0/24, AS64500; 20,000 requests/s
    03:01:09 auth is MajorOutage
    03:02:02 post Identified “Sign-in is very busy”: Sign-in is receiving far more requests than usual. Those who have used it before go first; if you come for the first time, you may have to wait or to try again. We are holding back the excess. Shop is not affected. Next update by 03:32 UTC.
    -- the flood ends, sign-in stays dead
    03:02:12 + service.api limit-conflict [Critical]
    03:02:12 incident-1 service.auth Failing: Sign-in receives 2,000 times its usual traffic since 03:01 UTC, 89 % of it from 3 networks: 203.0.113.0/24, 198.51.100.0/24, AS64500; 20,000 requests/s; API is affected
    03:02:12 api is PartialOutage
    03:02:16 - alert-1
    03:02:16 incident-1 service.api Failing: API rate-limits its own caller auth-web: 92 % of its 429 responses (api-client of auth-web, then per-address of api) since 03:02 UTC; see `mainstay trace 4bf92f3577b34da6a3ce929d0e0e4736`; it began with a surge on Sign-in (2,000 times its usual traffic), over since 03:02 UTC; Sign-in is affected
    03:03:02 post Identified “Sign-in is failing”: Sign-in is failing, or may fail, for some of you. One part of our system turns away requests of another. This was detected automatically, and our team is being notified. Shop is not affected. Next update by 03:33 UTC.
    -- the visitor is passed on
    03:03:23 - alert-2
    03:03:23 auth is PartialOutage
    03:04:00 - alert-3
    03:04:00 incident-1 service.api Recovering: API no longer rate-limits its own caller auth-web since 03:04 UTC; monitoring
    03:04:00 api is Unknown
    03:04:00 auth is Operational
    03:05:30 incident-1 over: API rate-limited its own caller auth-web: 92 % of its 429 responses (api-client of auth-web, then per-address of api); it began with a surge on Sign-in (2,000 times its usual traffic), over since 03:02 UTC; 2 services affected for 3 min
    03:05:30 page-1 closes
    03:05:30 post Resolved “Sign-in is failing”: Sign-in works again. It was affected from 03:01 UTC until 03:04 UTC (3 min).
    ");
    assert_eq!(bench.count(|it| matches!(it, EventKind::IncidentOpened { .. })), 1);
    assert_eq!(bench.count(|it| matches!(it, EventKind::PageOpened { .. })), 1);
    assert!(!bench.engine.incidents()[&FIRST].is_open());
    bench.same_after_replay();
}
