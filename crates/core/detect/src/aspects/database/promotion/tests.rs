//! A promotion, step by step: what is said after each round.

use super::*;
use crate::aspect::Aspect;
use crate::aspects::database::{NodeMemory, judge};
use crate::violation::{Judgement, Verdict};
use types::Fault;
use types::database::{DatabaseThresholds, NodeSeen, Position, Reading};
use types::time::later;

fn start() -> Time {
    "2026-11-22T08:29:00Z".parse().unwrap()
}

fn client(application: &str, address: &str, sessions: u32) -> ClientGroup {
    ClientGroup { application: application.into(), address: address.into(), sessions, writes: 0 }
}

fn node(role: Role, timeline: u64, clients: &[ClientGroup]) -> NodeAnswer {
    let position = Position { system_identifier: Some("7".into()), timeline: Some(timeline), bytes: 1 << 30 };
    NodeAnswer::Facts(Box::new(NodeFacts {
        role,
        position: Reading::Known(position),
        clients: Reading::Known(clients.to_vec()),
        ..NodeFacts::default()
    }))
}

/// A database with the nodes `a` and `b`, and its memory from round to round.
#[derive(Default)]
struct Watched {
    primary: PrimaryMemory,
    before: Option<DatabaseSeen>,
}

impl Watched {
    /// What a round after a number of seconds says about roles and clients.
    fn round(&mut self, secs: u64, a: NodeAnswer, b: NodeAnswer) -> Vec<String> {
        let verdict = self.judged(secs, a, b);
        let of_roles = |fault: &Fault| {
            let codes = ["promoted", "left-behind", "two-primaries", "no-primary", "writes-refused"];
            codes.iter().any(|code| fault.as_str() == format!("database-{code}"))
        };
        let bad = verdict.aspects.into_values().filter_map(|judgement| match judgement {
            Judgement::Bad(violation) if of_roles(&violation.fault) => {
                Some(format!("{:?}: {}", violation.severity, violation.fault))
            }
            _ => None,
        });
        bad.collect()
    }

    fn judged(&mut self, secs: u64, a: NodeAnswer, b: NodeAnswer) -> Verdict {
        let at = later(start(), Duration::from_secs(secs));
        let nodes = [("a", a), ("b", b)].map(|(node, answer)| NodeSeen { node: node.into(), answer });
        let seen = DatabaseSeen { at, nodes: nodes.into(), backups: Reading::Absent };
        self.primary.follow(&seen, at);
        let services =
            ClientServices(BTreeMap::from([("10.0.0.11".into(), BTreeSet::from(["Sign-in".into()]))]));
        let capacity = Capacity {
            nodes: &NodeMemory::default(),
            primary: &self.primary,
            services: &services,
            starved_by: None,
            short_since: None,
            zone: &jiff::tz::TimeZone::UTC,
            now: at,
        };
        let before = self.before.replace(seen.clone());
        judge(&seen, before.as_ref(), &DatabaseThresholds::default(), &capacity)
    }

    /// Four ordinary rounds, with clients at the primary `a`.
    fn with_clients(clients: &[ClientGroup]) -> Self {
        let mut watched = Self::default();
        for round in 0..4 {
            let said =
                watched.round(round * 10, node(Role::Primary, 1, clients), node(Role::Replica, 1, &[]));
            assert_eq!(said, Vec::<String>::new());
        }
        watched
    }
}

fn dead() -> NodeAnswer {
    NodeAnswer::Failed(Fault::Refused)
}

const LOST: &str = "Critical: has no node that accepts writes: a refuses connections; b is a replica";
const PROMOTED: &str = "Info: has lost its primary a since 08:29:40 UTC (refuses connections); b was promoted at 08:29:50 UTC (timeline 2)";

#[test]
fn promotion_is_followed_with_its_clients() {
    let api = [client("api", "10.0.0.11", 4)];
    let mut watched = Watched::with_clients(&api);
    assert_eq!(watched.round(40, dead(), node(Role::Replica, 1, &[])), [LOST]);
    assert_eq!(watched.round(50, dead(), node(Role::Primary, 2, &[])), [PROMOTED], "clients get a minute");
    let absent = "Warning: has clients that have not connected to b, which was promoted: \
         api at 10.0.0.11 (4 connections, server of Sign-in), connected to a before";
    assert_eq!(watched.round(110, dead(), node(Role::Primary, 2, &[])), [absent, PROMOTED]);
    let elsewhere = [client("api", "10.0.0.99", 1)];
    assert_eq!(watched.round(120, dead(), node(Role::Primary, 2, &elsewhere)), [PROMOTED]);
    let back = watched.round(130, node(Role::Replica, 2, &[]), node(Role::Primary, 2, &elsewhere));
    assert_eq!(back, Vec::<String>::new(), "the old primary follows the new one");
}

#[test]
fn session_of_a_person_is_not_missed() {
    let mut watched = Watched::with_clients(&[]);
    let psql = [client("psql", "10.0.0.5", 1)];
    watched.round(40, node(Role::Primary, 1, &psql), node(Role::Replica, 1, &[]));
    watched.round(50, dead(), node(Role::Primary, 2, &[]));
    assert_eq!(watched.round(200, dead(), node(Role::Primary, 2, &[])).len(), 1, "only the promotion");
}

#[test]
fn old_primary_that_accepts_writes_again_is_named_with_its_clients() {
    let (api, job) = (client("api", "10.0.0.11", 3), client("", "10.0.0.12", 1));
    let mut watched = Watched::with_clients(std::slice::from_ref(&api));
    watched.round(40, dead(), node(Role::Replica, 1, &[]));
    watched.round(50, dead(), node(Role::Primary, 2, &[]));
    let said = watched.round(
        60,
        node(Role::Primary, 1, std::slice::from_ref(&api)),
        node(Role::Primary, 2, std::slice::from_ref(&job)),
    );
    assert_eq!(
        said,
        [
            "Warning: has clients that are connected to its old primary a and not to b, which was promoted: \
             api at 10.0.0.11 (3 connections, server of Sign-in)",
            "Critical: has 2 nodes that accept writes, of one cluster (system identifier 7): a (timeline 1) and b \
             (timeline 2); stop a, which was replaced, before clients write to both; connected to a: api at 10.0.0.11 \
             (3 connections, server of Sign-in); to b: 10.0.0.12 (1 connection)",
        ]
    );
}

#[test]
fn clients_of_a_primary_that_became_a_replica_are_named() {
    let (api, reports) = (client("api", "10.0.0.11", 2), client("reports", "10.0.0.13", 1));
    let mut watched = Watched::with_clients(std::slice::from_ref(&api));
    let writing = ClientGroup { writes: 2, ..api.clone() };
    let new = || node(Role::Primary, 2, &[]);
    assert_eq!(
        watched.round(40, node(Role::Replica, 2, &[writing, reports.clone()]), new()),
        [
            "Warning: has clients that are connected to its old primary a and not to b, which was promoted: \
             api at 10.0.0.11 (2 connections, server of Sign-in)",
            "Warning: has clients that write to its replica a, which refuses it (\"cannot execute in a read-only \
             transaction\"): api at 10.0.0.11 (2 connections, server of Sign-in)",
        ],
        "readers of a replica are at home there"
    );
    let moved = watched.round(50, node(Role::Replica, 2, &[reports]), node(Role::Primary, 2, &[api]));
    assert_eq!(moved, Vec::<String>::new());
}

#[test]
fn ordinary_changes_are_no_promotion() {
    let cases = [
        ("restart", node(Role::Primary, 1, &[]), node(Role::Replica, 1, &[])),
        ("same timeline elsewhere", dead(), node(Role::Primary, 1, &[])),
    ];
    for (name, a, b) in cases {
        let mut watched = Watched::with_clients(&[client("api", "10.0.0.11", 4)]);
        watched.round(40, dead(), node(Role::Replica, 1, &[]));
        assert_eq!(watched.round(50, a, b), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn alert_from_before_a_start_ends_when_everything_answers() {
    let mut watched = Watched::default();
    assert_eq!(watched.round(0, dead(), node(Role::Primary, 2, &[])), Vec::<String>::new());
    assert_eq!(
        watched.round(10, node(Role::Replica, 2, &[]), node(Role::Primary, 2, &[])),
        Vec::<String>::new()
    );
}

#[test]
fn promotion_is_known_after_a_restart_between_loss_and_promotion() {
    let first = Watched::with_clients(&[]);
    let known = first.primary.news(None).unwrap();
    assert_eq!((known.node.as_str(), known.timeline), ("a", 1));
    assert_eq!(first.primary.news(Some(&known)), None, "it is recorded once");
    let mut watched = Watched { primary: PrimaryMemory::of(Some(&known)), before: None };
    assert_eq!(watched.round(40, dead(), node(Role::Replica, 1, &[])), [LOST]);
    assert_eq!(watched.primary.news(Some(&known)), None, "nothing is learned from a loss");
    assert_eq!(watched.round(50, dead(), node(Role::Primary, 2, &[])), [PROMOTED]);
    let promoted = watched.primary.news(Some(&known)).unwrap();
    assert_eq!((promoted.node.as_str(), promoted.timeline), ("b", 2));
    // The application never noticed.
    let api = [client("api", "10.0.0.11", 3)];
    let said = watched.round(60, node(Role::Primary, 1, &api), node(Role::Primary, 2, &[])).join("\n");
    assert!(said.contains("connected to its old primary a and not to b"), "{said}");
}

#[test]
fn old_primary_does_not_replace_the_new_one_that_misses_a_round() {
    let api = [client("api", "10.0.0.11", 3)];
    let mut watched = Watched::with_clients(&api);
    watched.round(40, dead(), node(Role::Replica, 1, &[]));
    watched.round(50, dead(), node(Role::Primary, 2, &[]));
    let known = watched.primary.news(None).unwrap();
    let both = [
        watched.round(60, node(Role::Primary, 1, &api), node(Role::Primary, 2, &[])),
        watched.round(70, node(Role::Primary, 1, &api), dead()),
        watched.round(80, node(Role::Primary, 1, &api), node(Role::Primary, 2, &[])),
    ];
    assert_eq!(both[0], both[2], "clients are left behind as before");
    assert_eq!(watched.primary.news(Some(&known)), None, "nothing changed that the journal has to know");
    assert_eq!(watched.round(90, dead(), node(Role::Primary, 2, &api)), [PROMOTED], "at its first time");
}

#[test]
fn alert_from_before_a_start_stays_while_two_nodes_accept_writes() {
    let cases = [(node(Role::Primary, 1, &[]), false), (node(Role::Replica, 2, &[]), true)];
    for (a, ends) in cases {
        let verdict = Watched::default().judged(0, a, node(Role::Primary, 2, &[]));
        for code in ["database-promoted", "database-left-behind"] {
            let judgement = verdict.aspects.get(&Aspect::Database(code));
            assert_eq!(matches!(judgement, Some(Judgement::Good)), ends, "{code} {judgement:?}");
        }
    }
}
