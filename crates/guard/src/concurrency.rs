//! How many requests a pool is given at once: found by trying, without ever emptying the pool to measure it.
//!
//! Every tenth of a second, when ten answers at least were seen: a median far above the usual takes a tenth off; a pool that is
//! used to four fifths and answers as usual gets one more, or a quarter more until the first sign of slowness. Medians of few
//! answers are noisy, so they are smoothed before they are compared. What is usual follows falling latency quickly, and
//! rising latency slowly (0.2 % a window), and only while the pool is not full: else the waiting that we cause ourselves
//! would become usual. When taking off does not help, the slowness is the servers' own, and becomes usual. When hardly anybody
//! stays until an answer comes, half is taken off, whatever is usual, and not all of it is given again for a minute.
//!
//! Above the pool's real capacity latency rises in proportion to the limit while throughput stays (Little's law), so "no growth
//! above a quarter more than usual" is "no growth without throughput".

use crate::tick::{Tick, micros};
use std::time::Duration;

/// How long is counted before it is judged.
pub(crate) const WINDOW: Duration = Duration::from_millis(100);

/// The longest that a request is believed to go on after it was given up.
const GOES_ON_MOST: Duration = Duration::from_secs(1);
const SAMPLES_LEAST: usize = 10;
const SAMPLES_MOST: usize = 256;
/// Of the usual: above, the limit shrinks; below, it may grow.
const SLOW: f64 = 1.5;
const WELL: f64 = 1.25;
/// Less than this above the usual, in microseconds, is no sign of anything: where an answer takes a fraction of a millisecond, a
/// busy neighbour on the processor doubles it.
const NOISE: f64 = 5_000.0;
/// How fast the usual follows: of the gap when latency falls, by this factor when it rises; and how many windows make the
/// first opinion.
const FALLS: f64 = 0.03;
const RISES: f64 = 1.002;
const LEARNING: u32 = 10;
/// What is left of the limit when hardly anybody gets an answer; three quarters of it are the most for a while.
const HOPELESS: f64 = 0.5;
const REMEMBERED: Duration = Duration::from_secs(60);
/// What the median is to the usual after it was accepted as the new usual.
const ACCEPTED: f64 = 1.2;

/// The limit of requests at once.
#[derive(Clone, Debug)]
pub(crate) struct Concurrency {
    limit: f64,
    least: f64,
    most: f64,
    /// The usual median, in microseconds; 0 until the first is known.
    usual: f64,
    /// The medians, smoothed; 0 until the first is known.
    smooth: f64,
    /// The last one.
    last: f64,
    /// Windows judged, as far as they matter.
    judged: u32,
    /// Before the first sign of slowness it grows by a quarter.
    fast: bool,
    /// Whether the last window was full: what was answered in the first full one was begun before.
    was_full: bool,
    /// Where hardly anybody got an answer, and until when that is remembered.
    hopeless: (f64, Tick),
    /// Where the present shrinking began: limit and median.
    shrinking: Option<(f64, f64)>,
    /// Windows at the least limit that were slow all the same.
    at_least: u32,
    /// How long a permit is held, in microseconds: a moving average.
    held: f64,
    /// Permits that came back since a tick, and how many do in a second: a moving average.
    back: (u32, Tick),
    rate: f64,
    began: Tick,
    /// Requests at work, times how long, in this window; and how many since when.
    work: f64,
    working: (u32, Tick),
    latencies: Vec<u64>,
    count: usize,
    /// How many of them are only known to have taken longer.
    cut: usize,
}

impl Concurrency {
    pub(crate) fn new(begin: u32, now: Tick) -> Self {
        let begin = f64::from(begin.max(1));
        Self {
            limit: begin,
            least: begin.min(2.0),
            most: f64::INFINITY,
            usual: 0.0,
            smooth: 0.0,
            last: 0.0,
            judged: 0,
            fast: true,
            was_full: false,
            hopeless: (f64::INFINITY, now),
            shrinking: None,
            at_least: 0,
            held: 0.0,
            back: (0, now),
            rate: 0.0,
            began: now,
            work: 0.0,
            working: (0, now),
            latencies: Vec::with_capacity(SAMPLES_MOST),
            count: 0,
            cut: 0,
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// More than this the servers may not be given together.
    pub(crate) fn at_most(&mut self, most: u64) {
        self.most = (most as f64).max(1.0);
        self.limit = self.limit.min(self.most);
    }

    /// Only this share of the pool is left: nobody takes over the load of those who are gone before it was seen to fit.
    pub(crate) fn shrink_to(&mut self, share: f64) {
        self.limit = (self.limit * share).max(self.least.min(self.most));
        self.shrinking = None;
    }

    /// From now on so many are at work.
    pub(crate) fn working(&mut self, inflight: u32, now: Tick) {
        let (before, since) = std::mem::replace(&mut self.working, (inflight, now));
        self.work += f64::from(before) * micros(now.since(since)) as f64;
    }

    /// A permit came back after this time.
    pub(crate) fn returned(&mut self, held: Duration) {
        self.back.0 += 1;
        let held = micros(held) as f64;
        let weight = 1.0 / (2.0 * self.limit).max(10.0);
        self.held = if self.held == 0.0 { held } else { self.held + weight * (held - self.held) };
    }

    /// Nobody waited for the answer any longer; it would have taken more than this time.
    pub(crate) fn cut_short(&mut self, held: Duration) {
        self.cut += 1;
        self.took(held);
    }

    /// How long a server goes on with a request that was given up after this time: it rarely notices, and who asks and
    /// leaves again and again must not get more from it than others.
    pub(crate) fn goes_on(&self, held: Duration) -> Duration {
        let smooth = Duration::from_micros(self.smooth as u64).min(GOES_ON_MOST);
        smooth.saturating_sub(held).max(smooth / 2)
    }

    /// An answer took this time.
    pub(crate) fn took(&mut self, latency: Duration) {
        if self.latencies.len() < SAMPLES_MOST {
            self.latencies.push(micros(latency));
        } else {
            self.latencies[self.count % SAMPLES_MOST] = micros(latency);
        }
        self.count += 1;
    }

    /// Whether a time is clearly longer than usual, or nothing is usual yet.
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        micros(took) as f64 > self.above(SLOW)
    }

    /// So many times the usual, and clearly more than the noise.
    fn above(&self, times: f64) -> f64 {
        (times * self.usual).max(self.usual + NOISE * (times - 1.0) * 2.0)
    }

    /// What an answer usually takes.
    pub(crate) fn usual(&self) -> Duration {
        Duration::from_micros(self.usual as u64)
    }

    /// Counts what came back lately.
    pub(crate) fn count(&mut self, now: Tick) {
        let (back, since) = std::mem::replace(&mut self.back, (0, now));
        let secs = now.since(since).as_secs_f64();
        if secs > 0.0 {
            let back = f64::from(back);
            let many = back.max(self.rate * secs);
            self.rate += many / (many + 20.0) * (back / secs - self.rate);
        }
    }

    /// Requests a second that go through when the limit is used (Little's law), or that really went through of late: while
    /// the limit changes, how long permits were held still tells of the old one. `None` while nothing is known.
    pub(crate) fn drain(&self) -> Option<f64> {
        (self.held > 0.0).then(|| (self.limit.floor() * 1e6 / self.held).max(self.rate))
    }

    /// Judges the window if it is over.
    pub(crate) fn turn(&mut self, now: Tick) {
        // What was changed shows only after as long as an answer takes.
        let window = micros(WINDOW).max(self.smooth as u64);
        if micros(now.since(self.began)) < window || self.latencies.len() < SAMPLES_LEAST {
            return;
        }
        if 2 * self.cut > self.count {
            // Hardly anybody stays to the end. How long it would have taken is not known, only that it is far too much.
            self.fast = false;
            self.shrinking = None;
            self.hopeless = (self.limit, now.after(REMEMBERED));
            self.limit = (self.limit * HOPELESS).max(self.least.min(self.most));
            self.begin(now);
            return;
        }
        let middle = self.latencies.len() / 2;
        let median = (*self.latencies.select_nth_unstable(middle).1 as f64).max(1.0);
        let weight = self.latencies.len() as f64 / (self.latencies.len() as f64 + 40.0);
        self.smooth =
            if self.smooth == 0.0 { median } else { self.smooth * (median / self.smooth).powf(weight) };
        self.working(self.working.0, now);
        let used = self.work / micros(now.since(self.began)) as f64;
        if self.hopeless.1 <= now {
            self.hopeless.0 = f64::INFINITY;
        }
        let full = used >= 0.8 * self.limit.floor();
        self.judge(median, full);
        self.was_full = full;
        self.begin(now);
    }

    fn begin(&mut self, now: Tick) {
        self.latencies.clear();
        self.count = 0;
        self.cut = 0;
        self.work = 0.0;
        self.began = now;
    }

    fn judge(&mut self, median: f64, full: bool) {
        let smooth = self.smooth;
        if self.judged < LEARNING {
            // The mean of what was seen so far: the first window alone may have been a lucky one.
            self.judged += 1;
            self.usual = if self.judged == 1 {
                median
            } else {
                self.usual * (median / self.usual).powf(1.0 / f64::from(self.judged))
            };
        } else if smooth < self.usual {
            self.usual += FALLS * (smooth - self.usual);
        } else if !full {
            self.usual = (self.usual * RISES).min(smooth);
        }
        if self.shrinking.is_none() {
            self.last = median;
        }
        // The smoothed one lags: what was slow a moment ago is not cut down for it.
        if median.min(smooth) > self.above(SLOW) {
            self.fast = false;
            self.shrink(median, full);
            return;
        }
        self.at_least = 0;
        if smooth > self.above(WELL) {
            self.fast = false;
        } else if full && self.was_full && 5 * self.cut < self.count {
            // One more, or a sixteenth: a wide limit follows growing traffic as quickly as a narrow one.
            let more = (self.limit / if self.fast { 4.0 } else { 16.0 }).max(1.0);
            let most = self.most.min(0.75 * self.hopeless.0).max(self.limit);
            self.limit = (self.limit + more).min(most);
            self.shrinking = None;
        }
    }

    fn shrink(&mut self, median: f64, full: bool) {
        // Two windows together: one is too noisy to tell whether it helps.
        let median = (median * std::mem::replace(&mut self.last, median)).sqrt();
        match self.shrinking {
            // A limit that nobody feels cannot be what makes it slow.
            _ if !full => self.shrinking = None,
            None => self.shrinking = Some((self.limit, median)),
            Some((before, then)) if self.limit <= 0.7 * before => {
                if median >= 0.87 * then {
                    self.accept();
                    self.limit = before.min(self.most);
                    return;
                }
                self.shrinking = Some((self.limit, median));
            }
            Some((before, then)) => self.shrinking = Some((before, then.max(median))),
        }
        if self.limit <= self.least && self.shrinking.is_some() {
            self.at_least += 1;
            if self.at_least >= 5 {
                self.accept();
            }
        }
        self.limit = (self.limit * 0.9).max(self.least.min(self.most));
    }

    /// The slowness is the servers' own.
    fn accept(&mut self) {
        self.usual = self.smooth / ACCEPTED;
        self.shrinking = None;
        self.at_least = 0;
    }
}
