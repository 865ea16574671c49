//! The counts of all threads together: once a second for the mind, on demand as OpenMetrics text.

use super::histogram::Histogram;
use super::names::{Lane, Names};
use super::tally::{LaneTally, Tally, VERDICTS};
use super::{Kind, Seeing, book, lock, trace};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use types::trace::Verdict;
use types::traffic::{Asked, CallerRefused, PoolSeen, ServerState, ServiceTraffic};
use types::{PoolId, Rollup, ServiceId};

/// Counts since the process began, and what is usual.
#[derive(Debug, Default)]
pub(super) struct Totals {
    all: Tally,
    /// The counts of the last second, for their memory.
    spare: Vec<Tally>,
    /// By lane: the 99th hundredth of the latencies, smoothed over about a minute, in microseconds.
    p99: Vec<f64>,
    pools: BTreeMap<PoolId, PoolSeen>,
    connections: u64,
    complained: Option<Instant>,
}

/// How often dropped access lines are complained of.
const COMPLAINS: Duration = Duration::from_secs(10);
/// Names of strangers in a roll-up.
const STRANGERS_TOLD: usize = 10;

/// Names of certificates on /metrics.
const CERTIFICATES_TOLD: usize = 1_000;

/// A request is slow when it takes so many times what 99 of 100 stay below ...
const SLOW_TIMES: f64 = 3.0;
/// ... but not below this many microseconds, and always beyond that many.
const SLOW_US: (f64, f64) = (5_000.0, 10_000_000.0);
/// How much of a new second's 99th hundredth goes into the smoothed one.
const P99_NEW: f64 = 0.05;
/// Latencies in a second below which its 99th hundredth says nothing.
const P99_COUNT_MIN: u64 = 20;

impl Seeing {
    /// What went through in the last `span`; call it once a second. `services` are those that the policy in force serves,
    /// `pools` how they stand.
    #[must_use]
    pub fn roll_up<'a>(
        &self,
        span: Duration,
        services: impl IntoIterator<Item = &'a ServiceId>,
        pools: BTreeMap<PoolId, PoolSeen>,
        connections: u64,
    ) -> Rollup {
        let totals = &mut *lock(&self.totals);
        self.complain(totals);
        let mut rollup = Rollup { span, connections, ..Rollup::default() };
        rollup
            .services
            .extend(services.into_iter().map(|service| (service.clone(), ServiceTraffic::default())));
        let second = self.collect(totals);
        let mut by_service: BTreeMap<ServiceId, LaneTally> = BTreeMap::new();
        for (service, _, tally) in named(&second, &self.shared.names) {
            let all = by_service.entry(service).or_default();
            all.add(tally);
            all.add_tops(tally);
        }
        for (service, tally) in by_service {
            let traffic = self.traffic(&tally);
            rollup.services.insert(service, traffic);
        }
        let strangers = second.strangers.first(STRANGERS_TOLD).into_iter();
        rollup.strangers = strangers
            .map(|(name, count)| (name.to_string(), count))
            .filter(|(_, count)| *count > 0)
            .collect();
        totals.spare.push(second);
        totals.pools.clone_from(&pools);
        totals.connections = connections;
        rollup.pools = pools;
        rollup
    }

    /// Says that access lines were dropped. Not their writer says it: where nobody reads, it stands still.
    fn complain(&self, totals: &mut Totals) {
        if totals.complained.is_none_or(|at| at.elapsed() >= COMPLAINS) {
            let lines = self.shared.lines_told.news();
            if lines > 0 {
                tracing::warn!(lines, "access lines were dropped: whoever reads them is too slow, or gone");
                totals.complained = Some(Instant::now());
            }
        }
    }

    /// Takes the counts out of every thread's book, adds them up, and tells the threads what is slow.
    fn collect(&self, totals: &mut Totals) -> Tally {
        let mut second = totals.spare.pop().unwrap_or_default();
        second.clear();
        let slow: Vec<u32> = totals.p99.iter().map(|p99| slow(*p99)).collect();
        for book in &self.books {
            let mut counted = totals.spare.pop().unwrap_or_default();
            counted.clear();
            let slow = slow.clone();
            let old = {
                let mut pages = book.open();
                std::mem::swap(&mut pages.tally, &mut counted);
                std::mem::replace(&mut pages.slow, slow)
            };
            drop(old);
            second.add_thread(&counted);
            totals.spare.push(counted);
        }
        totals.all.add(&second);
        totals.p99.resize(totals.p99.len().max(second.lanes.len()), 0.0);
        for (p99, lane) in totals.p99.iter_mut().zip(&second.lanes) {
            if lane.latency.count() >= P99_COUNT_MIN {
                let new = lane.latency.quantile(0.99).as_micros() as f64;
                *p99 = if *p99 == 0.0 { new } else { *p99 + (new - *p99) * P99_NEW };
            }
        }
        second
    }

    fn traffic(&self, tally: &LaneTally) -> ServiceTraffic {
        let verdict = |verdict: Verdict| tally.verdicts[verdict as usize];
        let asked = |who: usize| Asked { asked: tally.asked[who].0, served: tally.asked[who].1 };
        let callers = tally.callers.iter().filter_map(|refused| {
            let caller = self.shared.names.of_caller(refused.caller)?;
            // Of the latest traces the one that shows most limits; of equal ones, the last.
            let shown = refused
                .examples
                .iter()
                .map(|id| (self.limits(*id), id))
                .max_by_key(|(limits, _)| limits.len());
            let (limits, id) = shown.unzip();
            let limits = limits.unwrap_or_default();
            Some((caller, CallerRefused { count: refused.count, trace: id.map(ToString::to_string), limits }))
        });
        ServiceTraffic {
            requests: tally.requests,
            passed: verdict(Verdict::Passed) + verdict(Verdict::Failed),
            known: asked(0),
            first: asked(1),
            own: asked(2),
            denied: verdict(Verdict::Denied),
            limited: tally.limited.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            shed: verdict(Verdict::Shed),
            server_429: tally.server_429,
            failed: tally.failed,
            p50: tally.latency.quantile(0.5),
            p99: tally.latency.quantile(0.99),
            networks: tally.tops.as_ref().map(|tops| tops.networks()).unwrap_or_default(),
            visitors: tally.tops.as_ref().map(|tops| tops.visitors()).unwrap_or_default(),
            paths: tally.tops.as_ref().map(|tops| tops.paths()).unwrap_or_default(),
            callers_refused: callers.collect(),
        }
    }

    /// The limits that a trace shows, outermost first.
    fn limits(&self, id: super::TraceId) -> Vec<String> {
        let mut all = Vec::new();
        for seen in self.find(id) {
            let service = self.shared.names.of_lane(seen.lane).map(|(service, _)| service.0);
            if let Some(limit) = seen.limit {
                let words = trace::rule(&seen, &limit, service.as_deref());
                if !all.contains(&words) {
                    all.push(words);
                }
            }
        }
        all
    }

    /// Appends all that was counted since the process began as OpenMetrics text, without the closing `# EOF`. As new
    /// as the last roll-up.
    pub fn metrics(&self, out: &mut String) {
        let totals = &*lock(&self.totals);
        let kept = Kind::ALL.map(|kind| {
            let taken = self.books.iter().map(|book| book.open().rings.taken(kind));
            (kind, taken.fold((0, 0), |sum, taken| (sum.0 + taken.0, sum.1 + taken.1)))
        });
        let mut page = Page { out, names: &self.shared.names };
        page.lanes(&totals.all);
        page.servers(&totals.all);
        page.pools(&totals.pools);
        page.head("connections", "gauge", "Connections open.");
        page.line("connections", &[], totals.connections);
        page.head(
            "records",
            "counter",
            "Requests by what makes them worth keeping, and how many of them were kept.",
        );
        for (kind, (came, kept)) in kept {
            page.line("records_total", &[("kind", kind.as_str()), ("kept", "no")], came - kept);
            page.line("records_total", &[("kind", kind.as_str()), ("kept", "yes")], kept);
        }
        page.head(
            "told",
            "counter",
            "Records handed on as access lines and spans, and those dropped for want of room or of a taker.",
        );
        for (what, told) in self.shared.told() {
            page.line("told_total", &[("what", what), ("outcome", "sent")], told.sent());
            page.line("told_total", &[("what", what), ("outcome", "dropped")], told.dropped());
        }
    }

    /// Appends until when the certificates for these names are good.
    pub fn certificate_metrics(&self, ends: &[(String, types::Time)], out: &mut String) {
        let mut page = Page { out, names: &self.shared.names };
        let name = "certificate_expiry_timestamp_seconds";
        page.head(name, "gauge", "When the certificate that is shown for a name ends to be good.");
        for (of, end) in ends.iter().take(CERTIFICATES_TOLD) {
            page.line(name, &[("name", of)], end.as_second());
        }
    }
}

fn slow(p99: f64) -> u32 {
    if p99 == 0.0 { book::SLOW_UNKNOWN_US } else { (p99 * SLOW_TIMES).clamp(SLOW_US.0, SLOW_US.1) as u32 }
}

/// The lanes that saw something.
fn named<'a>(tally: &'a Tally, names: &Names) -> impl Iterator<Item = (ServiceId, PoolId, &'a LaneTally)> {
    tally.lanes.iter().enumerate().filter_map(|(at, tally)| {
        let (service, pool) = names.of_lane(Lane(u16::try_from(at).ok()?))?;
        (tally.requests > 0 || tally.sent > 0).then_some((service, pool, tally))
    })
}

/// Bounds of the buckets on /metrics: 2^n microseconds, which our own buckets meet exactly; 0.5 ms to 33 s.
const BOUNDS_LOG2: std::ops::RangeInclusive<u32> = 9..=25;

/// A name, its help, and where the number stands.
type Single<T, N> = (&'static str, &'static str, fn(&T) -> N);

const STATES: [ServerState; 5] = [
    ServerState::Serving,
    ServerState::Warming,
    ServerState::Ejected,
    ServerState::Down,
    ServerState::Draining,
];

struct Page<'a> {
    out: &'a mut String,
    names: &'a Names,
}

impl Page<'_> {
    fn lanes(&mut self, all: &Tally) {
        let names = self.names;
        let each = || named(all, names);
        self.head("requests", "counter", "Requests by verdict.");
        for (service, pool, tally) in each() {
            for verdict in VERDICTS {
                let count = tally.verdicts[verdict as usize];
                self.line(
                    "requests_total",
                    &[("service", &service.0), ("pool", &pool.0), ("verdict", verdict.as_str())],
                    count,
                );
            }
        }
        self.head(
            "responses",
            "counter",
            "Answers by the hundreds of their status; none where the visitor was gone.",
        );
        for (service, pool, tally) in each() {
            for (code, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(tally.codes) {
                self.line(
                    "responses_total",
                    &[("service", &service.0), ("pool", &pool.0), ("code", code)],
                    count,
                );
            }
        }
        self.head("limited", "counter", "Requests refused by a limit of the configuration.");
        for (service, pool, tally) in each() {
            for (limit, count) in &tally.limited {
                self.line(
                    "limited_total",
                    &[("service", &service.0), ("pool", &pool.0), ("limit", limit.as_str())],
                    count,
                );
            }
        }
        self.head(
            "visitors",
            "counter",
            "Requests of known visitors, first-time ones and own callers, served or not.",
        );
        for (service, pool, tally) in each() {
            for (who, (asked, served)) in ["known", "first", "own"].into_iter().zip(tally.asked) {
                let labels = |yes| {
                    [
                        ("service", service.0.as_str()),
                        ("pool", pool.0.as_str()),
                        ("who", who),
                        ("served", yes),
                    ]
                };
                self.line("visitors_total", &labels("yes"), served);
                self.line("visitors_total", &labels("no"), asked.saturating_sub(served));
            }
        }
        let single: [Single<LaneTally, u64>; 6] = [
            ("server_429", "429s that servers answered with.", |tally| tally.server_429),
            ("failed", "5xx of servers, and failures to get a whole answer.", |tally| tally.failed),
            ("left", "Requests whose visitor left before the end.", |tally| tally.left),
            ("retries", "Requests asked again at another server.", |tally| tally.retries),
            ("received_bytes", "Bytes of bodies from visitors.", |tally| tally.received),
            ("sent_bytes", "Bytes of bodies to visitors.", |tally| tally.sent),
        ];
        for (name, help, count) in single {
            self.head(name, "counter", help);
            for (service, pool, tally) in each() {
                let labels = [("service", service.0.as_str()), ("pool", pool.0.as_str())];
                self.line(&format!("{name}_total"), &labels, count(tally));
            }
        }
        self.head(
            "request_duration_seconds",
            "histogram",
            "Time from the request's head to the answer's, where let through.",
        );
        for (service, pool, tally) in each() {
            self.histogram(
                "request_duration_seconds",
                &[("service", &service.0), ("pool", &pool.0)],
                &tally.latency,
            );
        }
    }

    fn servers(&mut self, all: &Tally) {
        let mut each: Vec<_> = all
            .servers
            .iter()
            .filter_map(|((lane, server), tally)| {
                let (service, pool) = self.names.of_lane(*lane)?;
                Some((service.0, pool.0, server.to_string(), tally))
            })
            .collect();
        each.sort_by(|left, right| (&left.0, &left.1, &left.2).cmp(&(&right.0, &right.1, &right.2)));
        self.head("server_requests", "counter", "Requests that a server answered or failed.");
        for (service, pool, server, tally) in &each {
            let labels = |outcome| {
                [("service", service.as_str()), ("pool", pool), ("server", server), ("outcome", outcome)]
            };
            self.line("server_requests_total", &labels("answered"), tally.answered);
            self.line("server_requests_total", &labels("failed"), tally.failed);
        }
        self.head(
            "server_duration_seconds",
            "histogram",
            "Time from the request's head to the answer's, by server.",
        );
        for (service, pool, server, tally) in &each {
            let labels = [("service", service.as_str()), ("pool", pool), ("server", server)];
            self.histogram("server_duration_seconds", &labels, &tally.latency);
        }
    }

    fn pools(&mut self, pools: &BTreeMap<PoolId, PoolSeen>) {
        self.head("pool_servers", "gauge", "Servers of a pool by their state.");
        for (pool, seen) in pools {
            for state in STATES {
                let count = seen.servers.iter().filter(|server| server.state == state).count();
                let word = state.as_str().replace(' ', "_");
                self.line("pool_servers", &[("pool", &pool.0), ("state", &word)], count);
            }
        }
        let single: [Single<PoolSeen, u32>; 5] = [
            ("pool_limit", "Requests at once that a pool is given now.", |pool| pool.limit),
            ("pool_inflight", "Requests at once that a pool has.", |pool| pool.inflight),
            ("pool_waiting", "Requests that wait for a pool.", |pool| pool.waiting),
            ("pool_panics", "1 when too few are well, so that all but the draining are asked.", |pool| {
                pool.panics.into()
            }),
            ("pool_certificate_wrong", "1 when servers show a certificate for another name.", |pool| {
                pool.certificate.is_some().into()
            }),
        ];
        for (name, help, value) in single {
            self.head(name, "gauge", help);
            for (pool, seen) in pools {
                self.line(name, &[("pool", &pool.0)], value(seen));
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], all: &Histogram) {
        let bucket = format!("{name}_bucket");
        for log2 in BOUNDS_LOG2 {
            let bound = (f64::from(1u32 << log2) / 1e6).to_string();
            self.line(&bucket, &[labels, &[("le", bound.as_str())]].concat(), all.below(log2));
        }
        self.line(&bucket, &[labels, &[("le", "+Inf")]].concat(), all.count());
        self.line(&format!("{name}_sum"), labels, all.sum().as_secs_f64());
        self.line(&format!("{name}_count"), labels, all.count());
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# TYPE mainstay_edge_{name} {kind}\n# HELP mainstay_edge_{name} {help}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.out, "mainstay_edge_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            self.out.push_str(if at == 0 { "{" } else { "," });
            let _ = write!(self.out, "{label}=\"");
            for each in text.chars() {
                match each {
                    '"' => self.out.push_str("\\\""),
                    '\\' => self.out.push_str("\\\\"),
                    '\n' => self.out.push_str("\\n"),
                    each => self.out.push(each),
                }
            }
            self.out.push('"');
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}
