//! The shrinking pool: a database that runs full takes the servers of a pool down; the database is fixed, the pool is not;
//! what is added sits idle. One incident, and its first line says each time what to look at.

use crate::{Bench, person};
use insta::assert_snapshot;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use testkit::config::read;
use testkit::probe::http;
use types::database::{
    Connections, Crowd, DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen, Reading, Role, Sessions, Work,
};
use types::pool::{MemberState, PoolMember, PoolSeen};
use types::{Answer, Command, EventKind, IncidentId, Time, Urgency};

const CONFIG: &str = r#"
[site]
name = "Acme"

[service.api]
title = "API"
depends_on = ["pool.api", "database.main"]

[service.shop]
title = "Shop"

[pool.api]
from = "haproxy:http://10.0.0.2:8404/stats;csv"
min_healthy = 10

[database.main]
url = "env:MAIN_DB_URL"

[probe.front]
http = "http://192.0.2.7/"
service = "api"

[probe.goods]
http = "http://192.0.2.8/"
service = "shop"

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

/// The world: how many of 20 servers serve, and how full the database is.
struct World {
    bench: Bench,
    secs: u64,
    serving: usize,
    connections: u32,
    replicas: Vec<&'static str>,
    story: String,
    last: String,
}

impl World {
    fn new() -> Self {
        let bench = Bench::with(read(CONFIG));
        Self {
            bench,
            secs: 0,
            serving: 20,
            connections: 40,
            replicas: Vec::new(),
            story: String::new(),
            last: String::new(),
        }
    }

    fn pool(&self) -> Answer {
        let members = (1..=20).map(|n| {
            let name = format!("api-{n:02}");
            if n > 20 - self.serving {
                PoolMember::new(name, MemberState::Serving)
            } else {
                PoolMember {
                    why: Some("Layer7 timeout (L7TOUT)".into()),
                    ..PoolMember::new(name, MemberState::Down)
                }
            }
        });
        Answer::Pool(Box::new(PoolSeen { at: self.bench.now, queued: 0, members: members.collect() }))
    }

    fn database(&self) -> Answer {
        let crowd = Crowd {
            sessions: 90,
            longest: Duration::from_secs(14),
            statement: "select * from events where note like ?".into(),
        };
        let full = self.connections >= 100;
        let sessions = Sessions { active: 95, crowd: full.then_some(crowd), ..Sessions::default() };
        let node = |name: &str, role, used, per_sec: u64| NodeSeen {
            node: name.to_owned(),
            answer: NodeAnswer::Facts(Box::new(NodeFacts {
                role,
                uptime: Duration::from_secs(90 * 86_400),
                connections: Reading::Known(Connections { used, max: 103, reserved: 3, refused: None }),
                sessions: Reading::Known(sessions.clone()),
                work: Reading::Known(Work {
                    transactions: self.secs * per_sec,
                    rows_read: self.secs * per_sec * 50,
                    ..Work::default()
                }),
                ..NodeFacts::default()
            })),
        };
        let primary = node("db1:5432", Role::Primary, self.connections, 200);
        let replicas = self.replicas.iter().map(|name| node(name, Role::Replica, 3, 0));
        let nodes = std::iter::once(primary).chain(replicas).collect();
        Answer::Database(Box::new(DatabaseSeen { at: self.bench.now, nodes, backups: Reading::Absent }))
    }

    /// Time passes; the first line of the open incident whenever it changes.
    fn pass(&mut self, what: &str, secs: u64) {
        writeln!(self.story, "-- {what}").unwrap();
        for _ in 0..secs {
            self.secs += 1;
            self.bench.later(1);
            if self.secs.is_multiple_of(2) {
                let pool = self.pool();
                self.bench.sample_of("pool.api", pool);
            }
            if self.secs.is_multiple_of(5) {
                let database = self.database();
                self.bench.sample_of("database.main", database);
            }
            self.bench.sample_of("front", http(200));
            self.bench.sample_of("goods", http(200));
            let views = self.bench.engine.views();
            let open: Vec<String> =
                views.now.open.iter().map(|open| open.incident.diagnosis.summary.clone()).collect();
            let open = open.join("\n       ");
            if open != self.last {
                writeln!(self.story, "{:>4} s {open}", self.secs).unwrap();
                self.last = open;
            }
            let due = self.bench.engine.due(self.bench.now);
            for page in due.iter().filter(|due| due.urgency == Urgency::Page) {
                writeln!(self.story, "{:>4} s page: {}", self.secs, page.title).unwrap();
            }
        }
    }
}

#[test]
fn database_stays_the_cause_then_the_pool_is_and_idle_replicas_name_it() {
    let mut w = World::new();
    w.pass("all well", 80);
    w.connections = 100;
    w.pass("connections run out", 20);
    w.serving = 2;
    w.pass("health checks time out", 20);
    w.connections = 30;
    w.pass("the query is fixed", 60);
    w.replicas = vec!["db2:5432"];
    w.pass("a replica is added", 30);
    w.serving = 20;
    w.pass("the servers are brought back", 90);
    assert_snapshot!(w.story);
    assert_eq!(w.bench.count(|it| matches!(it, EventKind::IncidentOpened { .. })), 1);
    w.bench.same_after_replay();
}

#[test]
fn pool_that_shrinks_by_itself_is_paged_within_seconds_with_its_members() {
    let mut w = World::new();
    w.pass("all well", 80);
    w.serving = 2;
    w.pass("servers leave", 20);
    w.serving = 20;
    w.pass("they are back", 60);
    assert_snapshot!(w.story);
    assert_eq!(w.bench.count(|it| matches!(it, EventKind::PageOpened { .. })), 1);
}

/// Samples before an incident are compared with as "usual": those of an earlier incident of the same outage are not.
#[test]
fn effects_are_compared_with_the_time_before_the_first_incident_of_the_outage() {
    let mut w = World::new();
    w.pass("all well", 80);
    w.connections = 100;
    w.pass("connections run out", 20);
    w.connections = 30;
    w.pass("the query is fixed", 20);
    w.serving = 2;
    w.pass("servers leave", 20);
    w.bench.note_on(IncidentId(2), "servers started again");
    w.pass("it is too early to say", 5);
    let since = w.bench.since();
    assert_eq!(since.len(), 2, "the pool is an incident of its own: {}", w.story);
    let tasks = w.bench.engine.effect_tasks();
    assert_eq!(tasks.len(), 1);
    let reads = tasks[0].reads(w.bench.now);
    let usual: BTreeSet<Time> = reads.iter().step_by(2).map(|read| read.range.end).collect();
    assert_eq!(usual, BTreeSet::from([since[0]]), "the usual past ends with the first incident");

    w.bench.later(3_600);
    w.serving = 20;
    w.pass("all well", 90);
    w.bench.later(3_600);
    w.serving = 2;
    w.pass("servers leave on the next day", 20);
    w.bench.note_on(IncidentId(3), "servers started again");
    let since = w.bench.since();
    let tasks = w.bench.engine.effect_tasks();
    let task = tasks.iter().find(|task| task.of().iter().all(|of| of.incident() == IncidentId(3))).unwrap();
    let ends: Vec<Time> = task.reads(w.bench.now).iter().step_by(2).map(|read| read.range.end).collect();
    assert!(ends.iter().all(|end| *end == since[2]), "an outage of its own: {ends:?} {since:?}");
}

impl Bench {
    fn note_on(&mut self, incident: IncidentId, text: &str) {
        let command = Command::Note { incident, text: text.to_owned() };
        self.input((person("ana"), command)).unwrap();
    }

    /// Starts of all incidents, in order.
    fn since(&self) -> Vec<Time> {
        let opened = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::IncidentOpened { since, .. } => Some(*since),
            _ => None,
        });
        opened.collect()
    }
}
