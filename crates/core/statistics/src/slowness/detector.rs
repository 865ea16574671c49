//! The detector of one series.

use super::settings::{ANSWERS_MAX, Settings};
use super::window::Window;
use crate::order::median;
use std::collections::VecDeque;
use std::time::Duration;

/// Limit of a single score: 4 median deviations.
const SCORE_MAX: f64 = 4.0;
/// Subtracted from each score: what is usual.
const ALLOWANCE: f64 = 1.5;
/// Least median deviation, in logarithms.
const DEVIATION_MIN: f64 = 0.05;
/// Points before anything is judged.
const WARM_UP: usize = 24;
/// Points that describe the present level; also those that must be near the former level for a recovery.
const RECENT: usize = 12;
/// Shortest latency in seconds, because zero has no logarithm.
const LATENCY_MIN: f64 = 1e-6;
/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// A recovery reaches at most this factor above the former level, and less than half of the way back is never enough.
const RECOVERED_WITHIN: f64 = 1.2;

/// Judges one latency series. About 1.3 KB; an answer costs some hundred operations and does not allocate in steady state.
///
/// `At` is the time of an answer: any type, returned as it was passed in. Answers arrive in order.
#[derive(Debug, Clone)]
pub struct SlownessDetector<At> {
    settings: Settings,
    usual: Window,
    /// Logarithms of the answers of the next point, and the time of the first of them.
    pending: [f64; ANSWERS_MAX as usize],
    pending_count: u8,
    pending_since: Option<At>,
    sum: f64,
    /// Level and deviation when the sum left zero: what has risen since is not part of "usual".
    rise: Option<Rise<At>>,
    recent: VecDeque<(At, f64)>,
    slow: Option<State<At>>,
}

#[derive(Debug, Clone)]
struct Rise<At> {
    since: At,
    level: f64,
}

#[derive(Debug, Clone)]
struct State<At> {
    since: At,
    level: f64,
    /// Logarithm of the factor at detection.
    shift: f64,
    points: u32,
}

/// A series that is slower than usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow<At> {
    /// The first of the slow answers, not the time of detection.
    pub since: At,
    /// Usual median before.
    pub from: Duration,
    /// Median of the last 12 points at most.
    pub to: Duration,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change<At> {
    /// The series is slow.
    Slow(Slow<At>),
    /// The last 12 points are near the former level again.
    Recovered {
        /// The first of them.
        since: At,
        /// The former level.
        usual: Duration,
        /// Their median.
        to: Duration,
    },
    /// The series was slow for a day: the new level is the usual one from now on, and is learned from the start.
    Accepted {
        /// The former level.
        from: Duration,
        /// The new one.
        to: Duration,
    },
}

impl<At: Copy> SlownessDetector<At> {
    /// A detector without history. The first 24 points are only learned from.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            usual: Window::new(),
            pending: [0.0; ANSWERS_MAX as usize],
            pending_count: 0,
            pending_since: None,
            sum: 0.0,
            rise: None,
            recent: VecDeque::with_capacity(RECENT),
            slow: None,
        }
    }

    /// A detector of a series that is slow and was for this long, without its history: for a restart. The end is found as
    /// without the restart; afterwards the usual level is learned from the start.
    #[must_use]
    pub fn resume(settings: Settings, slow: Slow<At>, lasted: Duration) -> Self {
        let log = |latency: Duration| latency.as_secs_f64().max(LATENCY_MIN).ln();
        let level = log(slow.from);
        // `accepted_after` points are a day.
        let points = lasted.as_secs_f64() / DAY * f64::from(settings.accepted_after);
        let points = points.min(f64::from(u32::MAX)) as u32;
        let state = State { since: slow.since, level, shift: log(slow.to) - level, points };
        Self { slow: Some(state), ..Self::new(settings) }
    }

    /// Drops the point and the rise in progress: answers before and after a gap are not consecutive.
    pub fn interrupt(&mut self) {
        (self.pending_count, self.pending_since) = (0, None);
        if self.slow.is_none() {
            (self.sum, self.rise) = (0.0, None);
            self.recent.clear();
        }
    }

    /// Whether the series is slow.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// The usual median; `None` before the first answer.
    #[must_use]
    pub fn usual(&self) -> Option<Duration> {
        let level = self.slow.as_ref().map(|slow| slow.level);
        level.or_else(|| (self.usual.len() > 0).then(|| self.usual.median_and_deviation().0)).map(duration)
    }

    /// The present slowness, with the present level; also `None` between [`Self::resume`] and the first point.
    #[must_use]
    pub fn slow(&self) -> Option<Slow<At>> {
        let slow = self.slow.as_ref()?;
        Some(Slow { since: slow.since, from: duration(slow.level), to: duration(self.present()?) })
    }

    /// Takes the latency of an answer. A missing answer is not a latency: pass none. Zero counts as a microsecond.
    pub fn observe(&mut self, at: At, latency: Duration) -> Option<Change<At>> {
        let since = *self.pending_since.get_or_insert(at);
        if let Some(place) = self.pending.get_mut(usize::from(self.pending_count)) {
            *place = latency.as_secs_f64().max(LATENCY_MIN).ln();
            self.pending_count += 1;
        }
        if self.pending_count < self.settings.answers_per_point.min(ANSWERS_MAX) {
            return None;
        }
        let first = *self.pending.first()?;
        let point = median(self.pending.get_mut(..usize::from(self.pending_count))?)?;
        (self.pending_count, self.pending_since) = (0, None);
        if self.slow.is_some() {
            self.observe_slow(since, point)
        } else {
            self.observe_usual(since, point, first)
        }
    }

    /// Learns from the first answer of a point, so that the deviation is that of single answers: the medians of a minute are
    /// so regular that ordinary load would look exceptional beside them.
    fn observe_usual(&mut self, at: At, log: f64, first: f64) -> Option<Change<At>> {
        if self.usual.len() < WARM_UP {
            self.usual.push(first);
            return None;
        }
        let (median, deviation) = self.usual.median_and_deviation();
        let score = ((log - median) / deviation.max(DEVIATION_MIN)).clamp(-SCORE_MAX, SCORE_MAX);
        // Not above the limit, so that a long rise that is too small to matter is forgotten as soon as it ends.
        self.sum = (self.sum + score - ALLOWANCE).clamp(0.0, self.settings.limit);
        self.usual.push(first);
        if self.sum <= 0.0 {
            self.rise = None;
            self.recent.clear();
            return None;
        }
        let rise = self.rise.get_or_insert(Rise { since: at, level: median });
        let (since, level) = (rise.since, rise.level);
        self.remember(at, log);
        if self.sum < self.settings.limit {
            return None;
        }
        let shift = self.present()? - level;
        if shift < self.settings.factor_min.ln() {
            return None;
        }
        self.slow = Some(State { since, level, shift, points: 0 });
        self.slow().map(Change::Slow)
    }

    fn observe_slow(&mut self, at: At, log: f64) -> Option<Change<At>> {
        self.remember(at, log);
        let present = self.present()?;
        let first = self.recent.front()?.0;
        let slow = self.slow.as_mut()?;
        slow.points += 1;
        let (level, points) = (slow.level, slow.points);
        let near = (slow.shift / 2.0).min(RECOVERED_WITHIN.ln());
        if points >= self.settings.accepted_after {
            self.restart(Window::new());
            return Some(Change::Accepted { from: duration(level), to: duration(present) });
        }
        let full =
            self.recent.len() == RECENT && usize::try_from(points).is_ok_and(|points| points >= RECENT);
        if full && present <= level + near {
            let usual = std::mem::replace(&mut self.usual, Window::new());
            self.restart(usual);
            return Some(Change::Recovered { since: first, usual: duration(level), to: duration(present) });
        }
        None
    }

    fn restart(&mut self, usual: Window) {
        self.usual = usual;
        (self.sum, self.rise, self.slow) = (0.0, None, None);
        self.recent.clear();
    }

    fn remember(&mut self, at: At, log: f64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((at, log));
    }

    fn present(&self) -> Option<f64> {
        let mut logs = [0.0; RECENT];
        let logs = logs.get_mut(..self.recent.len())?;
        logs.iter_mut().zip(&self.recent).for_each(|(place, (_, log))| *place = *log);
        median(logs)
    }
}

fn duration(log: f64) -> Duration {
    Duration::try_from_secs_f64(log.exp()).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
