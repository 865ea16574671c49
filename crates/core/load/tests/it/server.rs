//! A simulated server with a known capacity, in virtual time, and load tests of it.

use load::{Asked, Measured, Next, Observed, Search, Step, StepJudge};
use std::collections::BTreeMap;
use std::time::Duration;
use types::Time;
use types::config::{LoadBounds, LoadTarget};
use types::load_test::LoadTest;

/// How often a step is looked at, in seconds.
const LOOK: f64 = 0.1;
/// Timeout of a request, in seconds.
const TIMEOUT: f64 = 4.0;

/// A queue with several places, each of which serves one request at a time.
pub(crate) struct Server {
    /// Places.
    pub(crate) places: usize,
    /// Seconds of one request.
    pub(crate) each: f64,
    /// Part by which the duration varies.
    pub(crate) noise: f64,
    /// Waiting requests from which on further ones are answered 503.
    pub(crate) sheds: Option<usize>,
    /// Waiting requests from which on it is slower by this factor, for good.
    pub(crate) collapses: Option<(usize, f64)>,
    /// Whether it refuses every connection.
    pub(crate) is_dead: bool,
    /// Share of requests that fail, at any rate.
    pub(crate) fails: f64,
    /// From when to when it stands still, in seconds since the test began.
    pub(crate) pause: Option<(f64, f64)>,
    pub(crate) random: fastrand::Rng,
    pub(crate) free: Vec<f64>,
    pub(crate) has_collapsed: bool,
    /// Requests by whole second.
    pub(crate) came: BTreeMap<u64, u64>,
}

impl Server {
    /// One with this capacity in requests per second.
    pub(crate) fn new(places: usize, capacity: f64) -> Self {
        Self {
            places,
            each: places as f64 / capacity,
            noise: 0.0,
            sheds: None,
            collapses: None,
            is_dead: false,
            fails: 0.0,
            pause: None,
            random: fastrand::Rng::with_seed(7),
            free: vec![0.0; places],
            has_collapsed: false,
            came: BTreeMap::new(),
        }
    }

    /// When a request that comes at `now` has its answer, and whether that is a good one.
    fn serve(&mut self, now: f64) -> (f64, bool) {
        *self.came.entry(now as u64).or_default() += 1;
        if self.is_dead || self.random.f64() < self.fails {
            return (now + 0.001, false);
        }
        let waiting = self.free.iter().map(|free| (free - now).max(0.0)).sum::<f64>() / self.each;
        let waiting = (waiting as usize).saturating_sub(self.places);
        if self.sheds.is_some_and(|most| waiting > most) {
            return (now + 0.001, false);
        }
        self.has_collapsed |= self.collapses.is_some_and(|(most, _)| waiting > most);
        let slower = self.collapses.filter(|_| self.has_collapsed).map_or(1.0, |(_, factor)| factor);
        let each = self.each * slower * (1.0 + self.noise * (self.random.f64() * 2.0 - 1.0));
        let soonest = self.free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
        let mut begin = soonest.max(now);
        if let Some((_, to)) = self.pause.filter(|(from, to)| (*from..*to).contains(&begin)) {
            begin = to;
        }
        *soonest = begin + each;
        (*soonest, true)
    }
}

/// A target with a bound.
pub(crate) fn target(bound: u32) -> LoadTarget {
    LoadTarget {
        name: "staging".to_owned(),
        url: "http://staging.acme.com/".to_owned(),
        service: None,
        servers: 1,
        allow: LoadBounds { rate: bound, lasting: Duration::from_secs(600), connections: 10_000 },
        method: "GET".to_owned(),
        headers: BTreeMap::new(),
        body: None,
        status: Vec::new(),
        max_latency: Duration::from_secs(1),
        error_budget: 0.05,
    }
}

/// Runs a whole test in virtual time.
pub(crate) fn run(server: &mut Server, target: &LoadTarget, asked: &Asked) -> LoadTest {
    let mut search = Search::new(target, asked).unwrap();
    let mut now = 0.0;
    loop {
        match search.next(Duration::from_secs_f64(now)) {
            Next::Run(step) => {
                let judge = StepJudge::new(target, step, search.totals());
                let (measured, overload) = run_step(server, target, step, judge, &mut now);
                search.measured(measured, overload);
            }
            Next::Recover(recovery) => {
                let until = now + recovery.lasting.as_secs_f64();
                let mut has_recovered = false;
                while now < until && !has_recovered {
                    let (done, is_good) = server.serve(now);
                    has_recovered = is_good && done - now <= recovery.latency.as_secs_f64();
                    now += 0.25;
                }
                search.recovered(has_recovered);
            }
            Next::End(_) => break,
        }
    }
    search.into_test(Time::UNIX_EPOCH, Duration::from_secs_f64(now))
}

fn run_step(
    server: &mut Server,
    target: &LoadTarget,
    step: Step,
    mut judge: StepJudge,
    now: &mut f64,
) -> (types::load_test::LoadStep, Option<load::Overload>) {
    let begin = *now;
    let interval = 1_000.0 / step.rate_milli as f64;
    let max = target.max_latency.as_secs_f64();
    // Due, ended, whether the answer was good in time.
    let mut requests: Vec<(f64, f64, bool)> = Vec::new();
    let mut overload = None;
    let mut at: f64 = 0.0;
    while overload.is_none() && at < step.lasting.as_secs_f64() - 1e-9 {
        at = (at + LOOK).min(step.lasting.as_secs_f64());
        while (requests.len() as f64) * interval < at - 1e-9 && (requests.len() as u64) < step.requests() {
            let due = begin + requests.len() as f64 * interval;
            let (done, is_good) = server.serve(due);
            let in_time = done - due <= TIMEOUT;
            requests.push((due, done.min(due + TIMEOUT), is_good && in_time));
        }
        overload = judge.observe(observed(&requests, begin + at, at, max));
    }
    // A step that ended early does not wait for its answers.
    let end = if overload.is_some() { begin + at } else { begin + at + TIMEOUT };
    let mut latencies: Vec<u64> = requests
        .iter()
        .filter(|(due, done, is_good)| *is_good || done - due >= TIMEOUT)
        .map(|(due, done, _)| ((done.min(end) - due) * 1e6) as u64)
        .collect();
    latencies.sort_unstable();
    let part = |share: f64| {
        let index = (latencies.len() as f64 * share).ceil() as usize;
        latencies.get(index.max(1) - 1).copied().unwrap_or(0)
    };
    let measured = Measured {
        last: observed(&requests, end, at, max),
        p50_us: part(0.5),
        p90_us: part(0.9),
        p99_us: part(0.99),
        max_us: latencies.last().copied().unwrap_or(0),
    };
    let last = requests.iter().map(|(_, done, _)| *done).fold(begin + at, f64::max);
    *now = if overload.is_some() { begin + at } else { last };
    (judge.finish(measured), overload)
}

fn observed(requests: &[(f64, f64, bool)], now: f64, at: f64, max: f64) -> Observed {
    let count = |of: &dyn Fn(&(f64, f64, bool)) -> bool| requests.iter().filter(|it| of(it)).count() as u64;
    Observed {
        at: Duration::from_secs_f64(at),
        due: requests.len() as u64,
        good: count(&|(_, done, is_good)| *done <= now && *is_good),
        failed: count(&|(_, done, is_good)| *done <= now && !is_good),
        slow: count(&|(due, done, _)| done.min(now) - due > max),
        late: 0,
    }
}
