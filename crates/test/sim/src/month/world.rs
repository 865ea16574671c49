//! What the edge counts and what probes answer at an instant of the month.

use super::calendar::{AWAY, Calendar, DAY, DRAINS, EACH, FOLLOWS, HOUR, MINUTE, SERVERS, WARMS, within};
use crate::world::World as Names;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::database::{
    Archiver, Connections, Crowd, DatabaseSeen, NodeAnswer, NodeFacts, NodeSeen, Position, Reading, Role,
    Session, Sessions, Slot, Standby, Standbys, Upstream, Work, Wraparound,
};
use types::fault::Phase;
use types::probe_result::{Phases, ProbeResult};
use types::traffic::{
    ConnectsStatus, OpensStatus, PoolStatus, Rollup, ServerState, ServerStatus, ServiceTraffic,
};
use types::{Answer, Config, Fault, PoolId, ServiceId, Time};

/// WebSockets of each server.
const SOCKETS: u64 = 100;
/// The number of answers of probes of which one has an accident of its own: a packet that is lost.
const ACCIDENTS: u32 = 2_500;
const SECOND: Duration = Duration::from_secs(1);

/// The world, second by second.
#[derive(Debug)]
pub(super) struct World {
    pub(super) calendar: Calendar,
    rng: Rng,
    /// Load that wanders within minutes, about 0.
    load: f64,
    /// Bytes of the write-ahead log, and transactions, since the beginning.
    wal: u64,
    transactions: u64,
    replicated: u64,
}

/// State of one server.
struct Server {
    state: ServerState,
    since: u64,
    why: Option<&'static str>,
}

impl World {
    pub(super) fn new(calendar: Calendar, seed: u64) -> Self {
        let rng = Rng::with_seed(seed ^ 0x0DAD);
        Self { calendar, rng, load: 0.0, wal: 1 << 40, transactions: 0, replicated: 0 }
    }

    /// A number with mean 0 and standard deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0
    }

    /// A second passes.
    pub(super) fn pass(&mut self, at: u64) {
        let keep: f64 = 0.995;
        self.load = keep * self.load + (1.0 - keep * keep).sqrt() * 0.12 * self.normal();
        let rate = self.rate(at);
        self.transactions += (rate * 3.0) as u64;
        self.replicated += (rate * 1.5) as u64;
        let backup = within(&self.calendar.backups, at).map_or(0, |_| 6 << 20);
        let vacuum = within(&self.calendar.vacuums, at).map_or(0, |_| 20 << 20);
        self.wal += (rate * 8_000.0) as u64 + backup + vacuum;
    }

    /// Requests a second: quiet nights, fewer on weekends.
    fn rate(&self, at: u64) -> f64 {
        let of_day = (at % DAY) as f64 / DAY as f64;
        let shape = 0.12 + 0.88 * (0.5 - 0.5 * (TAU * (of_day - 0.04)).cos()).powf(1.5);
        let week = if matches!(at / DAY % 7, 0 | 6) { 0.6 } else { 1.0 };
        60.0 * shape * week * self.load.exp()
    }

    fn is_slow(&self, at: u64) -> bool {
        self.calendar.fault.as_ref().is_some_and(|(slow, _)| slow.contains(&at))
    }

    /// Whether the old primary is stopped and the new one not promoted yet.
    fn has_no_primary(&self, at: u64) -> bool {
        (self.calendar.stopped()..self.calendar.promoted()).contains(&at)
    }

    /// Servers that are out because of the fault.
    fn fallen(&self, at: u64) -> bool {
        self.calendar.fault.as_ref().is_some_and(|(slow, back)| (slow.start + 15..*back).contains(&at))
    }

    /// Seconds that an answer takes, where nothing is broken.
    fn latency(&mut self, at: u64, base: f64) -> f64 {
        let backup = if within(&self.calendar.backups, at).is_some() { 1.15 } else { 1.0 };
        let vacuum = if within(&self.calendar.vacuums, at).is_some() { 1.1 } else { 1.0 };
        let report = if self.calendar.report.contains(&at) { 1.8 } else { 1.0 };
        let spike = if self.rng.u32(0..300) == 0 { 6.0 } else { 1.0 };
        let busy = 1.0 + 0.25 * (self.rate(at) / 60.0);
        base * busy * backup * vacuum * report * spike * (self.load + 0.1 * self.normal()).exp()
    }

    fn servers(&self, at: u64) -> Vec<Server> {
        let count = self.calendar.servers(at);
        (0..count).map(|number| self.server(number, at)).collect()
    }

    fn server(&self, number: usize, at: u64) -> Server {
        let serving = |since: u64| Server { state: ServerState::Serving, since, why: None };
        let down = |since: u64, why| Server { state: ServerState::Down, since, why: Some(why) };
        if self.fallen(at) && number >= 2 {
            return down(15, "response timeout");
        }
        let leaves = self.calendar.more.end.saturating_sub(10 * MINUTE);
        if number >= SERVERS && at >= leaves {
            return Server { state: ServerState::Draining, since: at - leaves, why: None };
        }
        if let Some(begin) = self.calendar.deploy(at) {
            let turn = begin + number as u64 * EACH;
            let into = at.saturating_sub(turn);
            return match into {
                _ if at < turn => serving(HOUR),
                0..DRAINS => Server { state: ServerState::Draining, since: into, why: None },
                _ if into < DRAINS + AWAY => down(into - DRAINS, "no connection: Connection refused"),
                _ if into < DRAINS + AWAY + WARMS => {
                    Server { state: ServerState::Warming, since: into - DRAINS - AWAY, why: None }
                }
                _ => serving(into - DRAINS - AWAY - WARMS),
            };
        }
        let blip = self.calendar.blips.iter().find(|(of, range)| *of == number && range.contains(&at));
        match blip {
            Some((_, range)) => down(at - range.start, "response timeout"),
            None => serving(HOUR),
        }
    }

    /// Opens in this second: those of clients whose server was just replaced come back within three seconds.
    fn opens(&mut self, at: u64) -> OpensStatus {
        let usual = u64::from(self.rng.u32(0..10) == 0);
        let replaced = self.calendar.deploy(at).map(|begin| (at - begin) % EACH);
        let (came, waiting) = match replaced.and_then(|into| into.checked_sub(DRAINS)) {
            Some(0) => (SOCKETS * 6 / 10, 30),
            Some(1) => (SOCKETS * 3 / 10, 10),
            Some(2) => (SOCKETS / 10, 0),
            _ => (0, 0),
        };
        OpensStatus {
            admitted: usual + came,
            held: waiting.into(),
            waiting,
            per_sec: 40,
            limit_per_sec: 80,
            ..OpensStatus::default()
        }
    }

    /// What the edge counted in the second before.
    pub(super) fn rollup(&mut self, at: u64) -> Rollup {
        let servers = self.servers(at);
        let serving = servers.iter().filter(|server| server.state.serves()).count() as u64;
        let replaced = servers.iter().filter(|server| server.state == ServerState::Down && server.since == 0);
        let replaced = replaced.count() as u64;
        let opens = self.opens(at);
        let expected = self.rate(at);
        let asked = (expected + expected.sqrt() * self.normal()).round().max(0.0) as u64;
        // What was at a server when it went away, and a few errors at any time.
        let mut failed = replaced.min(asked) + u64::from(self.rng.u32(0..400) == 0 && asked > 0);
        let mut shed = 0;
        if self.fallen(at) {
            (failed, shed) = if self.is_slow(at) { (asked / 2, asked - asked / 2) } else { (0, asked / 3) };
        }
        if self.has_no_primary(at) {
            failed = asked - asked / 10;
        }
        let latency = if self.is_slow(at) { 3.0 } else { self.latency(at, 0.06) };
        let api = ServiceTraffic {
            requests: asked + opens.admitted,
            passed: asked + opens.admitted - shed,
            shed,
            failed: failed.min(asked),
            p50: Duration::from_secs_f64(latency),
            p99: Duration::from_secs_f64(latency * 4.0),
            opens: opens.admitted,
            ..ServiceTraffic::default()
        };
        let status = |(number, server): (usize, Server)| ServerStatus {
            address: format!("10.0.0.{}:80", number + 1),
            state: server.state,
            since: SECOND * u32::try_from(server.since).unwrap_or(u32::MAX),
            why: server.why.map(str::to_owned),
            inflight: 1,
            connections: SOCKETS as u32,
            connects: ConnectsStatus::default(),
            answered: if server.state.serves() { asked / serving.max(1) } else { 0 },
            failed: 0,
            latency: Duration::from_secs_f64(latency),
        };
        let servers = servers.into_iter().enumerate().map(status).collect();
        let pool = PoolStatus { servers, limit: 200, opens, ..PoolStatus::default() };
        Rollup {
            interval: SECOND,
            services: BTreeMap::from([(ServiceId::from("api"), api)]),
            pools: BTreeMap::from([(PoolId::from("api"), pool)]),
            unknown_hosts: BTreeMap::new(),
            connections: 2_000,
            calls: Vec::new(),
        }
    }

    /// The answer that a probe gets.
    pub(super) fn answer(&mut self, config: &Config, probe: &Probe, at: u64, now: Time) -> ProbeResult {
        let timed_out = Fault::TimedOut { phase: Phase::FirstByte };
        let api_fails = (self.fallen(at) && self.rng.bool() || self.has_no_primary(at))
            && probe.about.name.contains("api.acme.app");
        let answer = match &probe.kind {
            ProbeKind::Database { .. } => self.database(at, now),
            ProbeKind::Http { .. } | ProbeKind::Tls { .. } if self.rng.u32(0..ACCIDENTS) == 0 => {
                Answer::Failed(timed_out)
            }
            ProbeKind::Http { .. } if api_fails => Answer::Failed(timed_out),
            _ => Names { spells: Vec::new() }.answer(config, probe, now).answer,
        };
        let total = match &answer {
            Answer::Failed(_) => probe.timeout,
            _ if probe.about.name.contains("api.") || matches!(probe.kind, ProbeKind::Database { .. }) => {
                Duration::from_secs_f64(self.latency(at, 0.04))
            }
            _ => Duration::from_secs_f64(0.03 * (0.15 * self.normal()).exp()),
        };
        ProbeResult::new(probe.id.clone(), Phases { total, ..Phases::default() }, answer)
    }

    fn database(&mut self, at: u64, now: Time) -> Answer {
        let names = ["db1.acme.app:5432", "db2.acme.app:5432", "db3.acme.app:5432"];
        let replicas = 1..=self.calendar.replicas(at);
        let (stopped, promoted) = (self.calendar.stopped(), self.calendar.promoted());
        let first = match () {
            () if at < stopped => self.primary(at),
            () if at < promoted + FOLLOWS => NodeAnswer::Failed(Fault::Refused),
            () => NodeAnswer::Facts(Box::new(self.replica(1, at))),
        };
        let mut nodes = vec![NodeSeen { node: names[0].to_owned(), answer: first }];
        for number in replicas {
            let is_away = number == 1 && within(&self.calendar.reboots, at).is_some();
            let lost = self.rng.u32(0..ACCIDENTS) == 0;
            let answer = match () {
                () if number == 1 && at >= promoted => self.primary(at),
                () if is_away => NodeAnswer::Failed(Fault::Refused),
                () if lost => NodeAnswer::Failed(Fault::TimedOut { phase: Phase::Connect }),
                () => NodeAnswer::Facts(Box::new(self.replica(number, at))),
            };
            nodes.push(NodeSeen { node: names.get(number).copied().unwrap_or_default().to_owned(), answer });
        }
        Answer::Database(Box::new(DatabaseSeen { at: now, nodes, backups: Reading::Absent }))
    }

    /// The longest statement: a dump or vacuum, the report of the month, or one of everyday.
    fn longest(&self, at: u64) -> Session {
        let since = |range: &std::ops::Range<u64>| SECOND * u32::try_from(at - range.start).unwrap_or(0);
        let session = |application: &str, age, statement: &str| Session {
            pid: 4_711,
            application: application.to_owned(),
            state: "active".to_owned(),
            age,
            statement: statement.to_owned(),
        };
        if let Some(range) = within(&self.calendar.backups, at) {
            return session("pg_dump", since(range), "COPY public.entries (id, note) TO stdout");
        }
        if let Some(range) = within(&self.calendar.vacuums, at) {
            return session("psql", since(range), "VACUUM (ANALYZE)");
        }
        if self.calendar.report.contains(&at) {
            let statement = "select workspace, sum(seconds) from entries group by workspace";
            return session("reports", since(&self.calendar.report), statement);
        }
        session("api", Duration::from_millis(40 + at % 200), "select seconds from totals where workspace = ?")
    }

    fn primary(&mut self, at: u64) -> NodeAnswer {
        if self.is_slow(at) {
            return NodeAnswer::Saturated { said: "sorry, too many clients already".to_owned() };
        }
        let used = 30 + (self.rate(at) / 60.0 * 25.0) as u32 + self.rng.u32(0..6);
        // A deploy opens new connections before old ones are closed.
        let used = used + self.calendar.deploy(at).map_or(0, |_| 6);
        let crowd: Option<Crowd> = None;
        let sessions = Sessions {
            active: 2 + self.rng.u32(0..6),
            longest_statement: Some(self.longest(at)),
            crowd,
            ..Sessions::default()
        };
        let connected = (1..=self.calendar.replicas(at)).map(|number| Standby {
            name: format!("replica-{number}"),
            state: "streaming".to_owned(),
            sync_state: "async".to_owned(),
            lag_bytes: Some(self.lag(number, at).0),
        });
        let age = (at / DAY % 7) as u32;
        NodeAnswer::Facts(Box::new(NodeFacts {
            role: Role::Primary,
            uptime: Duration::from_secs(90 * DAY + at),
            connections: Reading::Known(Connections { used, max: 103, reserved: 3, refused: None }),
            sessions: Reading::Known(sessions),
            blocked: Reading::Known(Vec::new()),
            position: Reading::Known(self.position(at, self.wal)),
            standbys: Reading::Known(Standbys { synchronous: String::new(), connected: connected.collect() }),
            slots: Reading::Known(vec![Slot {
                name: "replica_1".to_owned(),
                active: within(&self.calendar.reboots, at).is_none(),
                wal_status: Some("reserved".to_owned()),
                retained_bytes: self.lag(1, at).0 + (16 << 20),
            }]),
            archiver: Reading::Known(Archiver {
                on: true,
                archived: self.wal >> 24,
                failed: 0,
                since_archived: Some(Duration::from_secs(at % 300)),
                since_failed: None,
            }),
            wraparound: Reading::Known(Wraparound { database: "app".to_owned(), percent: 10 + 3 * age }),
            work: Reading::Known(Work {
                transactions: self.transactions,
                rows_read: self.transactions * 40,
                own_transactions: at / 10,
                ..Work::default()
            }),
            ..NodeFacts::default()
        }))
    }

    fn position(&self, at: u64, bytes: u64) -> Position {
        let timeline = if at < self.calendar.promoted() { 1 } else { 2 };
        Position { system_identifier: Some("7301".to_owned()), timeline: Some(timeline), bytes }
    }

    /// How far a replica is behind: bytes, and time.
    fn lag(&self, number: usize, at: u64) -> (u64, Duration) {
        let since = at.saturating_sub(self.calendar.replica);
        let behind = match () {
            // The second one has the state of its base backup, and catches up.
            () if number == 2 && since < 8 * MINUTE => 900 * (8 * MINUTE - since) / (8 * MINUTE),
            () if within(&self.calendar.vacuums, at).is_some() => 40,
            () if within(&self.calendar.backups, at).is_some() => 8,
            // After a restart it catches up.
            () if number == 1 => {
                let reboots = self.calendar.reboots.iter();
                let since = reboots.filter(|it| at >= it.end).map(|it| at - it.end).min();
                since.filter(|since| *since < 60).map_or(0, |since| 60 - since)
            }
            () => 0,
        };
        (behind * (8 << 20), Duration::from_secs(behind))
    }

    fn replica(&mut self, number: usize, at: u64) -> NodeFacts {
        let (lag_bytes, lag) = self.lag(number, at);
        let started = self.calendar.reboots.iter().filter(|it| at >= it.end).map(|it| it.end).max();
        let uptime = started.map_or(90 * DAY + at, |started| at - started);
        NodeFacts {
            role: Role::Replica,
            uptime: Duration::from_secs(uptime),
            connections: Reading::Known(Connections { used: 12, max: 103, reserved: 3, refused: None }),
            sessions: Reading::Known(Sessions { active: 1, ..Sessions::default() }),
            position: Reading::Known(self.position(at, self.wal.saturating_sub(lag_bytes))),
            upstream: Reading::Known(Upstream {
                streaming: !self.has_no_primary(at),
                from: Some(
                    if at < self.calendar.promoted() { "db1.acme.app" } else { "db2.acme.app" }.to_owned(),
                ),
                paused: false,
                lag_bytes: Some(lag_bytes),
                lag: Some(lag),
                error: None,
            }),
            work: Reading::Known(Work {
                transactions: self.replicated,
                rows_read: self.replicated * 60,
                own_transactions: at / 10,
                ..Work::default()
            }),
            ..NodeFacts::default()
        }
    }
}
