//! Counters, by phase and group.

use super::clients::Group;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Latencies kept of each group and phase.
const LATENCIES_MAX: usize = 1_000_000;
/// Resolution of the course of success.
const GRAIN: Duration = Duration::from_millis(50);
/// An hour of it.
const GRAINS_MAX: usize = 72_000;
/// Good visits of a phase from which its median time says something.
const GOOD_LEAST: u64 = 50;
/// Shortest phase whose median is compared, in seconds.
const SECS_LEAST: f64 = 5.0;
/// Duration of good service that counts as recovered.
const STEADY: usize = 20;

/// Result of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All requests succeeded in time.
    Good,
    /// The last response was an error.
    Refused,
    /// No response within the deadline.
    Timeout,
    /// The connection could not be made, or broke.
    Failed,
}

#[derive(Debug)]
pub(super) struct Tally {
    groups: Vec<(String, bool)>,
    start: Instant,
    phases: Vec<Phase>,
    /// Per group and grain since the start: visits that were due then, how many of them became good, and how many
    /// became good in it, whenever they were due.
    course: Vec<Vec<[u32; 3]>>,
    /// Clients of each group that hold a cookie.
    pub(super) introduced: Vec<u32>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    begun: Instant,
    ended: Option<Instant>,
    groups: Vec<Counts>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    wanted: f64,
    pub(super) visits: u64,
    pub(super) unsent: u64,
    pub(super) requests: u64,
    pub(super) reconnected: u64,
    again: u64,
    good: u64,
    refused: u64,
    late: u64,
    failed: u64,
    answers: BTreeMap<u16, [u64; 3]>,
    /// Microseconds.
    latencies: Vec<u32>,
}

impl Tally {
    pub(super) fn new(groups: &[Group]) -> Self {
        Self {
            groups: groups.iter().map(|group| (group.name.clone(), group.recognized)).collect(),
            start: Instant::now(),
            phases: Vec::new(),
            course: vec![Vec::new(); groups.len()],
            introduced: vec![0; groups.len()],
        }
    }

    pub(super) fn begin(&mut self, name: &str, rates: &[f64]) -> usize {
        let now = Instant::now();
        if let Some(last) = self.phases.last_mut() {
            last.ended = Some(now);
        }
        let wanted = |n| rates.get(n).copied().unwrap_or(0.0);
        let groups =
            (0..self.groups.len()).map(|n| Counts { wanted: wanted(n), ..Counts::default() }).collect();
        self.phases.push(Phase { name: name.to_owned(), begun: now, ended: None, groups });
        self.phases.len() - 1
    }

    /// Ends the traffic.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(last) = self.phases.last_mut() {
            last.ended.get_or_insert(now);
        }
    }

    pub(super) fn counts(&mut self, phase: usize, group: usize) -> Option<&mut Counts> {
        self.phases.get_mut(phase)?.groups.get_mut(group)
    }

    /// A visit was due.
    pub(super) fn visit(&mut self, phase: usize, group: usize, due: Instant, sent: bool) {
        if let Some(counts) = self.counts(phase, group) {
            counts.visits += 1;
            counts.unsent += u64::from(!sent);
        }
        self.mark(group, due, 0);
    }

    /// Counts a response.
    pub(super) fn answer(
        &mut self,
        phase: usize,
        group: usize,
        status: u16,
        words: [bool; 2],
        took: Duration,
    ) {
        let Some(counts) = self.counts(phase, group) else { return };
        let [count, retry_after, limits] = counts.answers.entry(status).or_default();
        *count += 1;
        *retry_after += u64::from(words[0]);
        *limits += u64::from(words[1]);
        if is_good(status) && counts.latencies.len() < LATENCIES_MAX {
            counts.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// A visit has ended.
    pub(super) fn end(&mut self, phase: usize, group: usize, due: Instant, end: End, again: bool) {
        if let Some(counts) = self.counts(phase, group) {
            match end {
                End::Good => counts.good += 1,
                End::Refused => counts.refused += 1,
                End::Timeout => counts.late += 1,
                End::Failed => counts.failed += 1,
            }
            counts.again += u64::from(again && end == End::Good);
        }
        if end == End::Good {
            self.mark(group, due, 1);
            self.mark(group, Instant::now(), 2);
        }
    }

    fn mark(&mut self, group: usize, due: Instant, what: usize) {
        let grain = grain(due.saturating_duration_since(self.start)).min(GRAINS_MAX - 1);
        let Some(course) = self.course.get_mut(group) else { return };
        if course.len() <= grain {
            course.resize(grain + 1, [0; 3]);
        }
        if let Some(marks) = course.get_mut(grain) {
            marks[what] += 1;
        }
    }

    pub(super) fn report(&self) -> Report {
        let since = |at: Instant| at.saturating_duration_since(self.start).as_secs_f64();
        let phases = self.phases.iter().map(|phase| {
            let ended = phase.ended.unwrap_or_else(Instant::now);
            let secs = ended.saturating_duration_since(phase.begun).as_secs_f64();
            let mut all: Vec<u32> =
                phase.groups.iter().flat_map(|counts| &counts.latencies).copied().collect();
            all.sort_unstable();
            let groups = phase.groups.iter().zip(&self.groups);
            PhaseReport {
                name: phase.name.clone(),
                begun_secs: since(phase.begun),
                secs,
                p50_ms: quantile(&all, 0.50),
                p99_ms: quantile(&all, 0.99),
                groups: groups
                    .map(|(counts, (name, recognized))| counts.report(name, *recognized, secs))
                    .collect(),
            }
        });
        Report {
            phases: phases.collect(),
            introduced: self.introduced.clone(),
            slot_ms: GRAIN.as_secs_f64() * 1e3,
            course: self.course.clone(),
        }
    }
}

impl Counts {
    fn report(&self, name: &str, recognized: bool, secs: f64) -> GroupReport {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let answers = self.answers.iter().map(|(&status, &[count, retry_after, limits])| {
            (status, Answers { count, with_retry_after: retry_after, with_limits: limits })
        });
        GroupReport {
            name: name.to_owned(),
            recognized,
            wanted_per_sec: self.wanted,
            sent_per_sec: (self.visits - self.unsent) as f64 / secs.max(1e-9),
            visits: self.visits,
            unsent: self.unsent,
            good: self.good,
            good_again: self.again,
            refused: self.refused,
            late: self.late,
            failed: self.failed,
            requests: self.requests,
            reconnected: self.reconnected,
            answers: answers.collect(),
            p50_ms: quantile(&sorted, 0.50),
            p99_ms: quantile(&sorted, 0.99),
        }
    }
}

/// In milliseconds, of sorted microseconds.
fn quantile(sorted: &[u32], share: f64) -> Option<f64> {
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.clamp(1, sorted.len().max(1)) - 1).map(|&micros| f64::from(micros) / 1e3)
}

/// Whether a status code is a success.
pub(super) fn is_good(status: u16) -> bool {
    (200..400).contains(&status)
}

fn grain(since: Duration) -> usize {
    usize::try_from(since.as_millis() / GRAIN.as_millis()).unwrap_or(usize::MAX)
}

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The phases.
    pub phases: Vec<PhaseReport>,
    /// Clients of each group that hold a cookie.
    pub introduced: Vec<u32>,
    /// Length of a slot of the course.
    pub slot_ms: f64,
    /// Per group and slot since the generator's start: visits that were due then, how many of them became good, and how
    /// many became good in it, whenever they were due.
    pub course: Vec<Vec<[u32; 3]>>,
}

/// One phase.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseReport {
    /// Its name.
    pub name: String,
    /// Seconds from the generator's start to its beginning.
    pub begun_secs: f64,
    /// How long it lasted.
    pub secs: f64,
    /// Median time of a request that succeeded, of all groups.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the same.
    pub p99_ms: Option<f64>,
    /// The groups.
    pub groups: Vec<GroupReport>,
}

/// One group in one phase. A visit belongs to the phase in which it was due.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// Whether the clients keep cookies.
    pub recognized: bool,
    /// Requested visits per second.
    pub wanted_per_sec: f64,
    /// Started visits per second.
    pub sent_per_sec: f64,
    /// Visits that were due.
    pub visits: u64,
    /// Of these never started: the generator was late, or all clients were busy.
    pub unsent: u64,
    /// Successful visits.
    pub good: u64,
    /// Of these after a retry.
    pub good_again: u64,
    /// Ended with an error status.
    pub refused: u64,
    /// Ended at the deadline.
    pub late: u64,
    /// Ended with a broken connection.
    pub failed: u64,
    /// Requests sent, with retries.
    pub requests: u64,
    /// Of these repeated because an idle connection had just been closed.
    pub reconnected: u64,
    /// Responses by status code.
    pub answers: BTreeMap<u16, Answers>,
    /// Median time of a request that succeeded.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the same.
    pub p99_ms: Option<f64>,
}

/// Answers of one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// How many.
    pub count: u64,
    /// Of these with a Retry-After.
    pub with_retry_after: u64,
    /// Of these with RateLimit or RateLimit-Policy.
    pub with_limits: u64,
}

impl Report {
    /// The last phase of this name.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&PhaseReport> {
        self.phases.iter().rfind(|phase| phase.name == name)
    }

    /// Median times in the last phase before `from` and in the first phase `to`, in milliseconds; `None` where hardly a request
    /// succeeded. A phase that has hardly begun does not count.
    #[must_use]
    pub fn p50_around(&self, from: &str, to: &str) -> Option<[f64; 2]> {
        let place = |name: &str| self.phases.iter().position(|one| one.name == name);
        let enough = |phase: &PhaseReport| phase.p50_ms.filter(|_| phase.good() >= GOOD_LEAST);
        let earlier = self.phases.get(..place(from)?)?;
        let before = earlier.iter().rev().find(|phase| phase.secs >= SECS_LEAST)?;
        Some([enough(before)?, enough(self.phases.get(place(to)?)?)?])
    }

    /// Seconds from the beginning of a phase until at least this share of the visits due was good for a whole second,
    /// with some due in it; `None` when that did not come about within the phase.
    #[must_use]
    pub fn back_to(&self, share: f64, phase: &str) -> Option<f64> {
        let phase = self.phase(phase)?;
        let first = (phase.begun_secs / GRAIN.as_secs_f64()).ceil() as usize;
        let last = ((phase.begun_secs + phase.secs) / GRAIN.as_secs_f64()) as usize;
        let at = |grain: usize| {
            let marks = self.course.iter().filter_map(|course| course.get(grain));
            marks.fold([0, 0], |sum: [u32; 2], marks| [sum[0] + marks[0], sum[1] + marks[1]])
        };
        (first..last.saturating_sub(STEADY)).find_map(|begin| {
            let [asked, good] = (begin..begin + STEADY)
                .map(at)
                .fold([0, 0], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
            let well = asked > 0 && f64::from(good) >= share * f64::from(asked);
            well.then(|| (begin as f64 * GRAIN.as_secs_f64() - phase.begun_secs).max(0.0))
        })
    }
}

impl PhaseReport {
    /// A group by its name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&GroupReport> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Visits that succeeded, of all groups.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.groups.iter().map(|group| group.good).sum()
    }

    /// Visits that were due, of all groups.
    #[must_use]
    pub fn visits(&self) -> u64 {
        self.groups.iter().map(|group| group.visits).sum()
    }
}

impl GroupReport {
    /// Share of the visits due that succeeded; 1 when there were none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.visits == 0 { 1.0 } else { self.good as f64 / self.visits as f64 }
    }
}
