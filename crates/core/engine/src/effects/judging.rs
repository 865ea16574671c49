//! From samples to an effect.

use super::signals::{EDGE_FAILED, EDGE_LATENCY, LATENCY, STEP_CALM, Signal};
use super::tasks::Task;
use statistics::effect::{self, Judgement, POINTS_MAX, POINTS_MIN, combine};
use std::ops::Range;
use std::time::Duration;
use types::effect::ChangePoint;
use types::time::{between, earlier, later};
use types::{Effect, Time};

/// Points of the past that are compared with.
const USUAL: usize = 240;
/// Placebo moments that must remain, enough for one of two signals to be clear: with a short history, fewer points of each side
/// are used.
const MOMENTS: usize = 40;
/// Share of the steps around a change that need a sample. With fewer, longer steps are compared.
const SAMPLED_MIN: f64 = 0.75;
/// Points after which the effect of a change is final when its incident has ended. Without a verdict by then, more points may
/// still bring one.
const POINTS_AFTER_END: usize = 12;
/// Samples of the last seconds may not be stored yet.
const LAG: Duration = Duration::from_secs(3);

/// Samples of one series that a task needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Subject of the series.
    pub subject: String,
    /// Its metric.
    pub metric: &'static str,
    /// From, until before.
    pub range: Range<Time>,
}

/// One stored sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Time of the measurement.
    pub at: Time,
    /// Its value.
    pub value: f64,
    /// Whether it was good.
    pub ok: bool,
}

/// The result of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What was judged.
    pub of: Vec<ChangePoint>,
    /// The effect, the same for all of them.
    pub effect: Effect,
    /// Whether later samples cannot change it.
    pub is_final: bool,
}

impl Task {
    /// The samples that [`Task::judge`] needs: two ranges for each signal, the past before the incident and the time around
    /// the change.
    #[must_use]
    pub fn reads(&self, now: Time) -> Vec<Read> {
        let read =
            |signal: &Signal, range| Read { subject: signal.subject.clone(), metric: signal.metric, range };
        let ranges = |signal: &Signal| {
            let longest = signal.longest();
            let past = back(self.onset, longest.step, USUAL)..self.onset;
            // One more on each side: whole steps are fewer, the longer they are.
            let begin = back(self.first, longest.step, self.before(&longest) + 1);
            let around = begin..ahead(self.last, longest.step, self.after(&longest, now) + 2);
            [read(signal, past), read(signal, around)]
        };
        self.signals.iter().flat_map(ranges).collect()
    }

    /// Judges by the samples of [`Task::reads`], in the same order.
    #[must_use]
    pub fn judge(&self, now: Time, samples: &[Vec<Point>]) -> Judged {
        let pairs = self.signals.iter().zip(samples.chunks(2));
        let judgements: Vec<Judgement> = pairs
            .map(|(signal, samples)| {
                let [past, around] = samples else { return self.judge_signal(signal, now, &[], &[]) };
                self.judge_signal(signal, now, past, around)
            })
            .collect();
        let figures = || judgements.iter().zip(&self.signals);
        let of = |users: bool| -> Vec<Judgement> {
            let part = figures().filter(|(_, signal)| signal.is_seen_by_users() == users);
            part.map(|(judgement, _)| *judgement).collect()
        };
        let verdict = combine(&of(true), &of(false));
        let figure = figures()
            .find(|(judgement, _)| judgement.verdict == verdict && judgement.figure().is_some())
            .or_else(|| figures().find(|(judgement, _)| judgement.figure().is_some()));
        let steps = self.signals.first().map_or(0, |leading| self.after(leading, now));
        let seen = self.signals.first().map_or(0, |leading| self.after(&leading.longest(), now));
        let effect = Effect {
            verdict,
            signal: figure.map(|(_, signal)| signal.subject.clone()),
            figure: figure.and_then(|(judgement, _)| judgement.figure()),
            points: u32::try_from(steps).unwrap_or(u32::MAX),
            together_with: u32::try_from(self.of.len().saturating_sub(1)).unwrap_or(u32::MAX),
        };
        let is_final = seen >= POINTS_MAX
            || (self.is_over && verdict.is_known() && steps >= POINTS_AFTER_END)
            || self.until.is_some_and(|until| until <= earlier(now, LAG));
        Judged { of: self.of.clone(), effect, is_final }
    }

    fn judge_signal(&self, signal: &Signal, now: Time, past: &[Point], around: &[Point]) -> Judgement {
        let signal = &self.at_its_step(signal, now, past, around);
        let [usual, before, after] = self.points(signal, now, past, around);
        // Sides that are longer than the history allows leave no moments to compare with.
        let (past, recent) = (answered(&usual), answered(&before));
        let gap = signal.gap();
        let most = (past.max(recent).saturating_sub(MOMENTS + gap) / 2).clamp(POINTS_MIN, POINTS_MAX);
        let is_short = most < POINTS_MAX && recent <= past;
        let skipped = if is_short { before.len().saturating_sub(most) } else { 0 };
        effect::judge(&effect::Signal {
            measure: signal.measure,
            usual: &usual,
            before: before.get(skipped..).unwrap_or_default(),
            gap,
            after: after.get(..most).unwrap_or(&after),
        })
    }

    /// The signal at the step at which it is judged. Quick signals give a first verdict within half a minute; the longer the
    /// change is ago, the longer is the step, so that a slow recovery is seen, too: as far as the history suffices.
    fn at_its_step(&self, signal: &Signal, now: Time, past: &[Point], around: &[Point]) -> Signal {
        let longest = signal.longest();
        let multiples = signal.multiples();
        let elapsed = self.after_at_most(signal, now, POINTS_MAX * multiples);
        let wanted = elapsed.div_ceil(POINTS_MAX).clamp(1, multiples);
        let [_, before, after] = self.points(signal, now, past, around);
        let steps = before.len() + after.len();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let is_sparse = ((answered(&before) + answered(&after)) as f64) < SAMPLED_MIN * steps as f64;
        if is_sparse {
            return longest;
        }
        let suffices = |signal: &Signal| {
            let [usual, before, _] = self.points(signal, now, past, around);
            answered(&usual).max(answered(&before)) >= MOMENTS + signal.gap() + 2 * POINTS_MAX
        };
        let mut longer = (2..=wanted).rev().map(|times| signal.times(times));
        longer.find(suffices).unwrap_or_else(|| signal.clone())
    }

    /// The points of a signal: usual ones, those before the change, those since.
    fn points(&self, signal: &Signal, now: Time, past: &[Point], around: &[Point]) -> [Vec<Option<f64>>; 3] {
        let is_latency = matches!(signal.metric, LATENCY | EDGE_LATENCY);
        let steps = |samples: &[Point], from: Time, count: usize| {
            bucketed(samples, is_latency, signal.step, from, count)
        };
        let count = self.before(signal);
        [
            steps(past, back(self.onset, signal.step, USUAL), USUAL),
            steps(around, back(self.first, signal.step, count), count),
            steps(around, self.in_effect(signal), self.after(signal, now)),
        ]
    }

    /// Whole steps between the group before, or the onset, and the change.
    fn before(&self, signal: &Signal) -> usize {
        whole_steps(self.from, self.first, signal.step).min(USUAL)
    }

    /// The instant from which a signal is expected to show the change.
    fn in_effect(&self, signal: &Signal) -> Time {
        ahead(self.last, signal.step, signal.gap())
    }

    /// Whole steps since the change was in effect, until the next group.
    fn after(&self, signal: &Signal, now: Time) -> usize {
        self.after_at_most(signal, now, POINTS_MAX)
    }

    fn after_at_most(&self, signal: &Signal, now: Time, most: usize) -> usize {
        let end = self.until.unwrap_or(Time::MAX).min(earlier(now, LAG));
        whole_steps(self.in_effect(signal), end, signal.step).min(most)
    }
}

impl Signal {
    /// The signal with longer steps.
    fn times(&self, times: usize) -> Self {
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        Self { step: self.step.saturating_mul(times), ..self.clone() }
    }

    /// Whether it is of the requests at the edge, not of a probe.
    fn is_seen_by_users(&self) -> bool {
        matches!(self.metric, EDGE_FAILED | EDGE_LATENCY)
    }

    /// Steps that a change takes to come into effect: ten seconds of quick signals, for a restart, a health check, a reload.
    pub(super) fn gap(&self) -> usize {
        match self.multiples() {
            1 => 0,
            steps => steps,
        }
    }

    /// Steps of [`STEP_CALM`], the longest at which the signal is judged; 1 where its own is longer.
    fn multiples(&self) -> usize {
        let times = STEP_CALM.as_millis() / self.step.as_millis().max(1);
        usize::try_from(times).unwrap_or(usize::MAX).max(1)
    }

    /// The signal with its longest step.
    fn longest(&self) -> Self {
        self.times(self.multiples())
    }
}

fn answered(points: &[Option<f64>]) -> usize {
    points.iter().flatten().count()
}

fn whole_steps(from: Time, to: Time, step: Duration) -> usize {
    let steps = between(from, to).as_millis() / step.as_millis().max(1);
    usize::try_from(steps).unwrap_or(usize::MAX)
}

/// The instant `steps` before `at`.
fn back(at: Time, step: Duration, steps: usize) -> Time {
    earlier(at, step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)))
}

/// The instant `steps` after `at`.
fn ahead(at: Time, step: Duration, steps: usize) -> Time {
    later(at, step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)))
}

/// One value for each step: the median of good latencies, the mean of anything else; `None` without a sample.
pub(crate) fn bucketed(
    samples: &[Point],
    is_latency: bool,
    step: Duration,
    from: Time,
    count: usize,
) -> Vec<Option<f64>> {
    let mut steps: Vec<Vec<f64>> = vec![Vec::new(); count];
    for sample in samples.iter().filter(|sample| sample.at >= from && (sample.ok || !is_latency)) {
        if let Some(values) = steps.get_mut(whole_steps(from, sample.at, step)) {
            values.push(sample.value);
        }
    }
    let value = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => None,
            _ if is_latency => values.get(values.len() / 2).copied(),
            #[expect(clippy::cast_precision_loss, reason = "a few samples")]
            len => Some(values.iter().sum::<f64>() / len as f64),
        }
    };
    steps.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::signals::FAILED;
    use statistics::effect::Measure;
    use types::IncidentId;
    use types::time::later;

    const STEP: Duration = Duration::from_secs(10);

    fn at(step: i64) -> Time {
        at_secs(step * 10)
    }

    fn at_secs(secs: i64) -> Time {
        Time::from_second(1_800_000_000 + secs).unwrap()
    }

    fn signal(metric: &'static str) -> Signal {
        let measure =
            if metric == LATENCY { Measure::Latency { ceiling: Some(5.0) } } else { Measure::FailureShare };
        Signal { subject: "front".to_owned(), metric, measure, step: STEP }
    }

    /// The incident begins at step 0, the change is made at step 30.
    fn task(signals: Vec<Signal>) -> Task {
        Task {
            of: vec![ChangePoint::Note { incident: IncidentId(1), seq: 7 }],
            signals,
            onset: at(0),
            from: at(0),
            first: at(30),
            last: at(30),
            until: None,
            is_over: false,
        }
    }

    /// What a store would return, with the samples in the middle of their steps.
    fn answer(task: &Task, now: Time, value: impl Fn(&str, i64) -> Option<(f64, bool)>) -> Vec<Vec<Point>> {
        let read = |read: Read| {
            let steps = (-400..200).map(|step| (step, later(at(step), STEP / 2)));
            let within = steps.filter(|(_, at)| read.range.contains(at) && *at <= now);
            within
                .filter_map(|(step, at)| value(read.metric, step).map(|(value, ok)| Point { at, value, ok }))
                .collect()
        };
        task.reads(now).into_iter().map(read).collect()
    }

    /// A value with the noise of a fixed sequence, within 5 %.
    fn noisy(value: f64, step: i64) -> f64 {
        value * (1.0 + 0.05 * ((step * 7_919).rem_euclid(101) as f64 / 50.0 - 1.0))
    }

    fn judged(task: &Task, steps: i64, value: impl Fn(&str, i64) -> Option<(f64, bool)>) -> Judged {
        let now = later(at(30 + steps), LAG);
        task.judge(now, &answer(task, now, value))
    }

    fn said(judged: &Judged) -> String {
        format!("{}, {} steps", judged.effect, judged.effect.points)
    }

    #[test]
    fn latency_is_judged_before_and_after() {
        let latency = |after: f64| {
            move |_: &str, step: i64| {
                let level = if step < 0 {
                    0.2
                } else if step < 30 {
                    1.9
                } else {
                    after
                };
                Some((noisy(level, step), true))
            }
        };
        let task = task(vec![signal(LATENCY)]);
        for (steps, after, expected) in [
            (3, 0.4, "too early"),
            (12, 0.4, "helped: latency of front 1.9 s -> 400 ms, -79 %"),
            (24, 1.9, "no effect: latency of front 1.9 s -> 1.9 s, "),
            (12, 3.8, "made it worse: latency of front 1.9 s -> 3.8 s, "),
        ] {
            let judged = judged(&task, steps, latency(after));
            assert!(said(&judged).starts_with(expected), "{}", said(&judged));
            assert_eq!(judged.is_final, steps >= 24, "{expected}");
        }
    }

    #[test]
    fn failures_count_as_much_as_latency() {
        let task = task(vec![signal(FAILED), signal(LATENCY)]);
        let outage = |until: i64| {
            move |metric: &str, step: i64| {
                let is_down = (0..until).contains(&step);
                Some(match metric {
                    FAILED => (f64::from(u8::from(is_down)), true),
                    _ => (noisy(0.1, step), !is_down),
                })
            }
        };
        let helped = judged(&task, 8, outage(30));
        assert_eq!(said(&helped), "helped: failures of front 100.0 % -> 0.0 %, -100 %, 8 steps");
        let not = judged(&task, 24, outage(99));
        assert_eq!(said(&not), "no effect: failures of front 100.0 % -> 100.0 %, +0 %, 24 steps");
    }

    #[test]
    fn without_samples_there_is_no_data() {
        let task = task(vec![signal(LATENCY), signal(FAILED)]);
        assert_eq!(said(&judged(&task, 24, |_, _| None)), "no data, 24 steps");
        let silent = |_: &str, step: i64| (step < 30).then(|| (noisy(1.0, step), true));
        assert_eq!(said(&judged(&task, 24, silent)), "no data, 24 steps", "silence is no improvement");
        assert_eq!(said(&Task::judge(&task, at(60), &[])), "no data, 24 steps");
    }

    #[test]
    fn short_history_uses_fewer_points() {
        let task = task(vec![signal(LATENCY)]);
        let young = |history: i64| {
            move |_: &str, step: i64| {
                let level = if (0..30).contains(&step) { 1.9 } else { 0.2 };
                (step >= -history).then(|| (noisy(level, step), true))
            }
        };
        for (history, verdict) in [(0, "no data"), (45, "helped"), (240, "helped")] {
            let judged = judged(&task, 24, young(history));
            assert_eq!(judged.effect.verdict.to_string(), verdict, "{history} steps of history");
        }
    }

    /// Samples of a quick signal every two seconds, none where `value` has none: the incident begins at second 0, the change is
    /// made at second 60.
    fn quick(task: &Task, until: i64, value: impl Fn(&str, i64) -> Option<f64>) -> Judged {
        let now = later(at_secs(until), LAG);
        let read = |read: Read| {
            let steps = (-2_500..2_000).map(|second| 2 * second + 1).filter(|second| *second <= until);
            let within = steps.filter(|second| read.range.contains(&at_secs(*second)));
            let sample =
                |second| Some(Point { at: at_secs(second), value: value(read.metric, second)?, ok: true });
            within.filter_map(sample).collect()
        };
        task.judge(now, &task.reads(now).into_iter().map(read).collect::<Vec<_>>())
    }

    fn quick_task(metrics: &[&'static str]) -> Task {
        let step = Duration::from_secs(2);
        let mut task = task(metrics.iter().map(|metric| Signal { step, ..signal(metric) }).collect());
        (task.first, task.last) = (at_secs(60), at_secs(60));
        task
    }

    #[test]
    fn quick_signal_is_judged_within_half_a_minute_and_watched_for_minutes() {
        let task = quick_task(&[FAILED]);
        let down_until =
            |end: i64| move |_: &str, second: i64| Some(if (0..end).contains(&second) { 0.9 } else { 0.0 });
        for (seconds, end, verdict, is_final) in [
            (10, 64, "too early", false),
            (24, 64, "helped", false),
            (24, 999, "no effect", false),
            (48, 130, "no effect", false),
            // It took effect after 70 seconds.
            (240, 130, "helped", true),
            (240, 999, "no effect", true),
        ] {
            let judged = quick(&task, 60 + seconds, down_until(end));
            let found = (judged.effect.verdict.to_string(), judged.is_final);
            assert_eq!(found, (verdict.to_owned(), is_final), "{seconds} s after, down until {end}");
        }
    }

    #[test]
    fn short_history_is_judged_by_the_first_points_of_a_quick_signal() {
        let task = quick_task(&[FAILED]);
        let young =
            |_: &str, second: i64| (second > -110).then(|| if (0..64).contains(&second) { 0.9 } else { 0.0 });
        for seconds in [24, 48, 240] {
            let judged = quick(&task, 60 + seconds, young);
            assert_eq!(judged.effect.verdict.to_string(), "helped", "{seconds} s after");
        }
    }

    #[test]
    fn signal_with_few_samples_is_judged_by_longer_steps() {
        let mut task = quick_task(&[FAILED]);
        // A request every six seconds.
        let sparse = |_: &str, second: i64| {
            (second.rem_euclid(6) == 1).then(|| if (0..64).contains(&second) { 0.9 } else { 0.0 })
        };
        let judged = |seconds: i64| quick(&task, 60 + seconds, sparse).effect.verdict.to_string();
        assert_eq!((judged(40), judged(120)), ("too early".to_owned(), "helped".to_owned()));
        // The fix ended the incident: what is final is the verdict, not that there was none yet.
        task.is_over = true;
        let is_final = |seconds: i64| quick(&task, 60 + seconds, sparse).is_final;
        assert_eq!((is_final(40), is_final(120)), (false, true));
    }

    #[test]
    fn slow_signal_that_leads_does_not_delay_a_quick_one() {
        let mut task = quick_task(&[FAILED]);
        task.signals.insert(0, Signal { step: Duration::from_secs(30), ..signal(LATENCY) });
        let judged = quick(&task, 84, |metric, second| {
            (metric == FAILED).then(|| if (0..64).contains(&second) { 0.9 } else { 0.0 })
        });
        assert_eq!(judged.effect.to_string(), "helped: failures of front 90.0 % -> 0.0 %, -100 %");
    }

    #[test]
    fn effect_is_final_with_enough_points_or_the_next_change() {
        let helped =
            |_: &str, step: i64| Some((noisy(if (0..30).contains(&step) { 1.9 } else { 0.2 }, step), true));
        let mut task = task(vec![signal(LATENCY)]);
        assert!(!judged(&task, 23, helped).is_final);
        task.is_over = true;
        assert!(!judged(&task, 11, helped).is_final);
        assert!(judged(&task, 12, helped).is_final);
        assert!(!judged(&task, 12, |_, _| None).is_final, "answers may come");
        assert!(judged(&task, 24, |_, _| None).is_final);
        task.is_over = false;
        task.until = Some(at(37));
        let next = judged(&task, 8, helped);
        assert_eq!((next.is_final, next.effect.points), (true, 7), "later samples belong to the next change");
    }
}
