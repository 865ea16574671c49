//! Adaptive concurrency limit of a pool: found by trying, without ever emptying the pool to measure it.
//!
//! Every tenth of a second, or after a few responses: a lower quartile far above the usual one reduces the limit; a
//! pool that is used to four fifths and answers as usual gets one more, or a quarter more until the first sign of
//! slowness. The lower quartile, because a site has fast and slow paths: which of them are requested changes the
//! median, overload makes all of them slow.
//!
//! While calm ([`Use::Calm`]) the limit counts clients, not requests: twice the number known to fit, doubled
//! whenever as many were served quickly as were admitted. A limit that is not reached does not make servers slow,
//! and servers that are slow under the usual demand are slow by themselves.
//!
//! How significant a few responses are depends on how much their times scatter, so that is learned as well (the
//! quartiles, one by the other). Where all take the same time, four of them are enough, and the excess is removed
//! in one step: down to half, then nothing is judged until what was begun before has been answered. Where times
//! scatter randomly, twenty are awaited, medians are smoothed, the limit shrinks by a tenth at a time, and more
//! waiting is accepted: there it is a smaller part of what the slowest wait anyway.
//!
//! The usual time is learned from the quiet time before a surge, even from a few requests a second. It follows
//! falling latency quickly, and rising latency slowly (0.2 % a window), and only while the pool is not full:
//! otherwise waiting that the edge causes itself would become usual. Without a quiet time, the limit is halved for
//! as long as that makes responses faster. When reducing the limit does not help, the slowness is the servers' own,
//! and becomes usual. When hardly any client stays until a response comes, the limit is halved, whatever is usual,
//! and not fully restored for a minute.
//!
//! Above the pool's real capacity latency rises in proportion to the limit while throughput stays (Little's law), so
//! "no growth above a quarter more than usual" is "no growth without throughput".

use crate::proven::Proven;
use crate::tick::{Tick, micros};
use crate::window::{Quartiles, Window};
use std::time::Duration;

/// Length of a measuring window.
pub(crate) const WINDOW: Duration = Duration::from_millis(100);

/// The longest that a request is believed to go on after it was given up.
const GOES_ON_MOST: Duration = Duration::from_secs(1);
/// Answers that are judged where all take the same time, and those more where times scatter; fewer when they
/// were long in coming, or when hardly any client stays for them.
const SAMPLES: f64 = 4.0;
const SAMPLES_OF_CHANCE: f64 = 16.0;
const SAMPLES_LATE: f64 = 6.0;
const SAMPLES_HOPELESS: f64 = 4.0;
const LATE: Duration = Duration::from_secs(1);
/// A window of this number of answers has half a say in what is smoothed, where times scatter.
const SMOOTHED: f64 = 40.0;
/// Answers over which the scatter is learned.
const SCATTER_OF: f64 = 200.0;
/// Of the usual: above, the limit shrinks; below, it may grow. And how much more where times scatter.
const SLOW: (f64, f64) = (1.5, 0.5);
const WELL: (f64, f64) = (1.25, 0.3);
/// Less than this above the usual, in microseconds, is no sign of anything: where a response takes a fraction of a
/// millisecond, a busy neighbour on the processor doubles it.
const NOISE: f64 = 5_000.0;
/// Where clients wait though nothing is known to be wrong: the least time between two looks, and how long those in
/// flight may take before they are believed to last.
const HURRY: Duration = Duration::from_millis(10);
const IN_VAIN: Duration = Duration::from_millis(500);
/// How fast the usual follows: of the gap when latency falls, by this factor when it rises; of the gap where the
/// limit cannot be made less; and how many windows make the first opinion.
const FALLS: f64 = 0.03;
const RISES: f64 = 1.002;
const RISES_AT_LEAST: f64 = 0.1;
const LEARNING: u32 = 10;
/// The first of them may have been a lucky one: what is added where times scatter.
const LUCKY: f64 = 0.4;
/// What is left of the limit when it is slow: what is believed to fit, and this much at least, where times scatter
/// and where not.
const LEFT: (f64, f64) = (0.9, 0.5);
/// What is left of the limit when hardly any client gets a response; three quarters of it are the most for a while.
const HOPELESS: f64 = 0.5;
const REMEMBERED: Duration = Duration::from_secs(60);
/// What the median is to the usual after it was accepted as the new usual.
const ACCEPTED: f64 = 1.2;
/// Before servers of which nothing is known, this multiple of the limit is a crowd.
const CROWD: f64 = 2.0;
/// A median below this part of the one before is clearly quicker, with half the limit; and one that is not below
/// this, with seven tenths of it, is no quicker.
const LESS: f64 = 0.7;
const QUICKER: f64 = 0.75;
const NO_QUICKER: f64 = 0.87;

/// The result of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Answers are as quick as usual.
    Well,
    /// They are slow.
    Slow,
    /// They are slow, or no client stays for them, while as many are at work as the limit allows: it is too much.
    TooMuch,
}

/// How the limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The limit is in force. At the onset of a flood what was begun before is as slow as what is begun now, and
    /// proves nothing.
    Bound { onset: bool },
    /// It was never seen to be needed; how many clients wait for it all the same. And whether more is asked than usual.
    Calm { waiting: usize, more: bool },
}

impl Use {
    fn calm_and_waiting(self) -> bool {
        matches!(self, Self::Calm { waiting: 1.., .. })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Concurrency {
    limit: f64,
    least: f64,
    most: f64,
    /// The usual median, in microseconds; 0 until the first is known.
    usual: f64,
    /// What was judged, smoothed; 0 until the first is known.
    smooth: f64,
    /// The medians, smoothed: what a response takes, whatever is asked.
    typical: f64,
    proven: Proven,
    /// Whether less was seen to make answers quicker since the limit came into force.
    helped: bool,
    /// Whether the limit has just come into force, and answers were not as usual since.
    tightens: bool,
    /// Since when clients wait and none was answered.
    unanswered: Tick,
    /// Whether a window was judged since it was last asked, and what came of it.
    found: Option<Found>,
    /// The last one.
    last: f64,
    /// How much times scatter: from nothing (always the same) to one (as by chance); and of how many answers that is
    /// known.
    scatter: (f64, f64),
    /// Until then answers are to what was begun under a much wider limit.
    settled: Tick,
    /// The median before the limit was halved, while that is tried.
    tasting: Option<f64>,
    /// Windows judged, as far as they matter.
    judged: u32,
    /// Before the first sign of slowness it grows by a quarter.
    fast: bool,
    /// Whether the last window was full: what was answered in the first full one was begun before.
    was_full: bool,
    /// Where hardly any client got a response, and until when that is remembered.
    hopeless: (f64, Tick),
    /// Where the present shrinking began: limit and median.
    shrinking: Option<(f64, f64)>,
    /// How long a permit is held, in microseconds: a moving average.
    held: f64,
    /// Permits that came back since a tick, and how many do in a second: a moving average.
    back: (u32, Tick),
    rate: f64,
    window: Window,
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
            typical: 0.0,
            proven: Proven::new(begin, now),
            helped: false,
            tightens: false,
            unanswered: now,
            found: None,
            last: 0.0,
            scatter: (1.0, 4.0),
            settled: now,
            tasting: None,
            judged: 0,
            fast: true,
            was_full: false,
            hopeless: (f64::INFINITY, now),
            shrinking: None,
            held: 0.0,
            back: (0, now),
            rate: 0.0,
            window: Window::new(now),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Sets the most concurrent requests of the servers together.
    pub(crate) fn at_most(&mut self, most: u64) {
        self.most = (most as f64).max(1.0);
        self.limit = self.limit.min(self.most);
    }

    /// Only this share of the servers is left: the others do not take over the load of the lost ones before it was
    /// seen to fit.
    pub(crate) fn shrink_to(&mut self, share: f64) {
        self.limit = (self.limit * share).max(self.least.min(self.most));
        self.proven.shrink_to(share);
        self.shrinking = None;
    }

    /// Sets the number of requests in progress.
    pub(crate) fn working(&mut self, inflight: u32, now: Tick) {
        self.window.working(inflight, now);
    }

    /// Counts a permit that came back after this time.
    pub(crate) fn returned(&mut self, held: Duration) {
        self.back.0 += 1;
        let held = micros(held) as f64;
        let weight = 1.0 / (2.0 * self.limit).max(10.0);
        self.held = if self.held == 0.0 { held } else { self.held + weight * (held - self.held) };
    }

    /// Counts a response that no client waited for any longer; it would have taken more than this time.
    pub(crate) fn cut_short(&mut self, held: Duration, now: Tick) {
        self.unanswered = now;
        self.window.cut_short(held);
    }

    /// How long a server continues with a request that was abandoned after this time: it rarely notices, and a
    /// client that asks and leaves again and again must not get more from it than others. What has taken long
    /// already takes longer.
    pub(crate) fn goes_on(&self, held: Duration) -> Duration {
        let typical = Duration::from_micros(self.typical as u64).min(GOES_ON_MOST);
        typical.saturating_sub(held).max(typical.max(held).min(GOES_ON_MOST) / 2)
    }

    /// A response took this time.
    pub(crate) fn took(&mut self, latency: Duration, now: Tick) {
        self.unanswered = now;
        self.window.took(latency);
    }

    /// Whether a client that leaves after this time has waited for a response: half of the usual time, which was
    /// learned from those that stayed; when all leave before it nothing else is seen.
    pub(crate) fn is_long(&self, held: Duration) -> bool {
        micros(held) as f64 > 0.5 * self.usual
    }

    /// This many times the usual, and clearly more than the noise.
    fn above(&self, (times, scattered): (f64, f64)) -> f64 {
        let times = times + scattered * self.scatter.0;
        (times * self.usual).max(self.usual + NOISE * (times - 1.0) * 2.0)
    }

    /// Returns the usual response time.
    pub(crate) fn usual(&self) -> Duration {
        Duration::from_micros(self.usual as u64)
    }

    /// Updates the rate of returned permits.
    pub(crate) fn count(&mut self, now: Tick) {
        let (back, since) = std::mem::replace(&mut self.back, (0, now));
        let secs = now.since(since).as_secs_f64();
        if secs > 0.0 {
            let back = f64::from(back);
            let many = back.max(self.rate * secs);
            self.rate += many / (many + 20.0) * (back / secs - self.rate);
        }
    }

    /// Requests a second that are served when the limit is used (Little's law), or that were really served
    /// recently: while the limit changes, the time for which permits were held still reflects the old one. `None`
    /// while nothing is known.
    pub(crate) fn drain(&self) -> Option<f64> {
        (self.held > 0.0).then(|| (self.limit.floor() * 1e6 / self.held).max(self.rate))
    }

    /// Sets the limit; it is not known yet whether it helps.
    pub(crate) fn set_limit(&mut self, limit: f64) {
        self.limit = limit.clamp(self.least.min(self.most), self.most);
        self.shrinking = None;
        self.helped = false;
    }

    /// The limit is no longer needed.
    pub(crate) fn relax(&mut self) {
        self.helped = false;
        self.shrinking = None;
    }

    /// Whether a lower limit was seen to make responses faster.
    pub(crate) fn has_helped(&self) -> bool {
        self.helped
    }

    /// Whether recent responses were clearly slower than usual.
    pub(crate) fn is_slow(&self) -> bool {
        self.judged > 0 && self.smooth > self.above(SLOW)
    }

    /// Takes the result of the last window.
    pub(crate) fn found(&mut self) -> Option<Found> {
        self.found.take()
    }

    /// Clients wait without a known reason: as soon as as many were served as were admitted, the limit is doubled.
    pub(crate) fn hurry(&mut self, now: Tick) {
        let span = now.since(self.window.began());
        let turned_over = self.window.samples() as f64 >= self.limit.floor();
        if now < self.settled || self.judged == 0 || !turned_over || span < HURRY.max(self.usual()) {
            return;
        }
        if let Some(seen) = self.window.quartiles()
            && self.is_well(seen)
        {
            self.proven.saw(seen.high, self.window.peak(), now);
            self.widen(now);
        }
    }

    /// Whether all responses, the slower ones too, are as fast as ever.
    fn is_well(&self, seen: Quartiles) -> bool {
        seen.low <= self.above(WELL)
            && self.proven.is_quick(seen.high, self.scatter.0)
            && !self.window.cut_more_than(5)
    }

    /// Whether no client was answered for longer than usual, so that those in flight must be long-lasting requests.
    fn waits_in_vain(&self, now: Tick) -> bool {
        let usual = Duration::from_micros(self.usual.max(self.typical) as u64);
        now.since(self.unanswered) >= IN_VAIN.max(3 * usual)
    }

    fn widen(&mut self, now: Tick) {
        self.limit = (2.0 * self.limit).min(self.most);
        self.shrinking = None;
        self.tasting = None;
        self.unanswered = now;
        self.window.begin(now);
    }

    /// Judges the window if it is over.
    pub(crate) fn turn(&mut self, now: Tick, used: Use) {
        if !used.calm_and_waiting() {
            self.unanswered = now;
        } else if self.waits_in_vain(now) {
            self.widen(now);
            return;
        }
        if now < self.settled {
            return;
        }
        if self.window.began() < self.settled {
            self.window.begin(now);
        }
        // A change of the limit shows only after the duration of a response.
        let least = WINDOW.max(Duration::from_micros(self.typical as u64));
        let span = now.since(self.window.began());
        let calm = !matches!(used, Use::Bound { .. });
        if matches!(used, Use::Calm { waiting: 0, .. }) {
            self.proven.fade(now);
            let used = 1.25 * self.window.peak();
            self.limit = self.limit.min(self.proven.most().max(used).min(self.most));
        }
        let hopeless = self.window.cut_more_than(2) && self.window.touched(self.limit);
        let scattered = match () {
            () if hopeless => SAMPLES_HOPELESS,
            () if span > LATE => SAMPLES_LATE,
            () => SAMPLES_OF_CHANCE,
        };
        let samples = (SAMPLES + scattered * self.scatter.0) as usize;
        if span < least || self.window.samples() < samples {
            return;
        }
        if hopeless {
            // Hardly any client stays to the end. How long responses would have taken is not known, only that it is
            // far too long.
            self.fast = false;
            self.shrinking = None;
            self.hopeless = (self.limit, now.after(REMEMBERED));
            self.helped = true;
            // Requests begun under the wider limit are equally hopeless, and say nothing about the new one.
            self.settled = now.after(Duration::from_micros(self.typical as u64).clamp(IN_VAIN, GOES_ON_MOST));
            self.limit = (self.limit * HOPELESS).max(self.least.min(self.most));
            self.found = Some(Found::TooMuch);
        } else if let Some(seen) = self.window.quartiles() {
            if self.hopeless.1 <= now {
                self.hopeless.0 = f64::INFINITY;
            }
            self.smooth(seen);
            if calm && self.is_well(seen) {
                self.proven.saw(seen.high, self.window.peak(), now);
            }
            // While calm the limit is twice the number known to fit.
            let fits = if calm { self.limit.min(self.proven.clients()) } else { self.limit };
            let full = self.window.full(fits, now);
            self.judge(seen.low, full, used, now);
            self.was_full = full;
        }
        self.window.begin(now);
    }

    fn smooth(&mut self, seen: Quartiles) {
        let weight = seen.samples / (seen.samples + SMOOTHED * self.scatter.0.powi(2));
        let follow =
            |known: f64, seen: f64| if known == 0.0 { seen } else { known * (seen / known).powf(weight) };
        self.smooth = follow(self.smooth, seen.low);
        self.typical = follow(self.typical, seen.median);
        let scatter = (seen.high / seen.low).ln().min(1.0);
        self.scatter.1 = (self.scatter.1 + seen.samples).min(SCATTER_OF);
        self.scatter.0 += (seen.samples / self.scatter.1).min(1.0) * (scatter - self.scatter.0);
    }

    fn judge(&mut self, low: f64, full: bool, used: Use, now: Tick) {
        if self.judged == 0 {
            // Only a crowd is worth looking for the least limit first.
            let crowd = !matches!(used, Use::Calm { waiting, .. } if (waiting as f64) < CROWD * self.limit);
            if !self.taste(low, full && crowd, now) {
                self.judged = 1;
            }
            return;
        }
        let smooth = self.smooth;
        self.learn(low, full);
        if self.shrinking.is_none() {
            self.last = low;
        }
        // The smoothed one lags: what was slow a moment ago is not cut down for it.
        // Where clients wait in the calm, a little slower is enough to look into it: they would wait forever.
        let strict = used.calm_and_waiting() || self.tightens;
        let slow = low.min(smooth) > self.above(if strict { WELL } else { SLOW });
        // In force from now on, and not raised before responses are fast.
        self.tightens = slow && strict && full;
        if slow && full && matches!(used, Use::Calm { more: false, .. }) {
            // Demand is as usual: the slowness has another cause.
            self.accept();
            self.limit = self.most;
            self.found = Some(Found::Well);
            return;
        }
        self.found = Some(match slow {
            true if full => Found::TooMuch,
            true => Found::Slow,
            false => Found::Well,
        });
        // Quick again, with clearly less: where times scatter, a little less proves nothing.
        let enough = 0.95 - (0.95 - LESS) * self.scatter.0;
        if !slow && self.shrinking.is_some_and(|(before, _)| self.limit <= enough * before) {
            self.helped = true;
        }
        if slow {
            self.fast = false;
            self.shrink(low, full, used, now);
        } else if smooth > self.above(WELL) {
            self.fast = false;
        } else if full && self.was_full && !self.window.cut_more_than(5) {
            // One more, or a sixteenth: a wide limit follows growing traffic as quickly as a narrow one.
            let more = (self.limit / if self.fast { 4.0 } else { 16.0 }).max(1.0);
            let most = self.most.min(0.75 * self.hopeless.0).max(self.limit);
            self.limit = (self.limit + more).min(most);
            self.shrinking = None;
        }
    }

    /// Learns the usual time at first. When the pool is full immediately, the limit is halved for as long as that
    /// makes responses clearly faster. Returns whether that continues.
    fn taste(&mut self, median: f64, full: bool, now: Tick) -> bool {
        let goes_on = self.tasting.map_or(full, |before| median < QUICKER * before);
        if goes_on && self.limit > self.least {
            self.helped |= self.tasting.is_some();
            self.tasting = Some(median);
            self.limit = (self.limit / 2.0).max(self.least);
            self.settled = now.after(Duration::from_micros(median as u64));
            self.smooth = 0.0;
            return true;
        }
        self.usual = median * (1.0 + LUCKY * self.scatter.0);
        if self.tasting.take().is_some_and(|before| before <= SLOW.0 * self.usual) {
            self.limit = (2.0 * self.limit).min(self.most);
        }
        false
    }

    /// The usual time follows the measured one.
    fn learn(&mut self, median: f64, full: bool) {
        if self.judged < LEARNING && !full {
            // The mean of the windows so far; a surge that began within the window counts partly.
            let most = if self.window.touched(self.limit) { SLOW.0 * self.usual } else { f64::INFINITY };
            self.judged += 1;
            self.usual *= (median.min(most) / self.usual).powf(1.0 / f64::from(self.judged));
        } else if self.smooth < self.usual {
            self.usual += FALLS * (self.smooth - self.usual);
        } else if !full {
            self.usual = (self.usual * RISES).min(self.smooth);
        } else if self.limit <= self.least {
            self.usual += RISES_AT_LEAST * (self.smooth - self.usual);
        }
    }

    fn shrink(&mut self, median: f64, full: bool, used: Use, now: Tick) {
        // Where times scatter, two windows together: one is too noisy to show whether it helps.
        let last = std::mem::replace(&mut self.last, median);
        let median = median * (last / median).powf(0.5 * self.scatter.0);
        match self.shrinking {
            // A limit that is not reached cannot be the cause of slowness.
            _ if !full => {
                self.shrinking = None;
                return;
            }
            None => self.shrinking = Some((self.limit, median)),
            Some((before, then)) if self.limit <= LESS * before => {
                if median >= NO_QUICKER * then && used != (Use::Bound { onset: true }) {
                    self.accept();
                    self.limit = before.min(self.most);
                    self.found = Some(Found::Well);
                    return;
                }
                self.helped |= median < NO_QUICKER * then;
                self.shrinking = Some((self.limit, median));
            }
            Some((before, then)) => self.shrinking = Some((before, then.max(median))),
        }
        let felt = median.min(self.smooth);
        let (gently, boldly) = LEFT;
        let calm = !matches!(used, Use::Bound { .. });
        let tight = calm || self.tightens;
        let fits = self.above(if tight { WELL } else { SLOW }) / felt;
        // A limit raised on trial is reduced quickly.
        let boldly = if calm { 0.5 * boldly } else { boldly };
        let least = boldly + (gently - boldly) * self.scatter.0;
        let left = fits.clamp(least, gently);
        self.limit = (self.limit * left).max(self.least.min(self.most));
        if left < gently {
            self.settled = now.after(Duration::from_micros(felt as u64));
        }
    }

    /// The slowness is the servers' own.
    fn accept(&mut self) {
        let before = std::mem::replace(&mut self.usual, self.smooth / ACCEPTED);
        self.proven.slow_down(self.usual / before.max(1.0));
        self.shrinking = None;
    }
}
