//! Jobs that report by heartbeats: what is known of each, and whether it is late, failed or takes too long.

use crate::alert::NewAlert;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use types::config::Heartbeat;
use types::fault::HeartbeatFault;
use types::heartbeat::{Due, Pinged};
use types::time::{between, later};
use types::{Fault, Ping, PingKind, Time};

/// Pings that are kept of each job.
const RECENT_MAX: usize = 20;
/// Newest pings whose output is kept.
const OUTPUTS_MAX: usize = 3;
/// Runs of a job that may be under way at the same time.
const RUNS_MAX: usize = 16;
/// Times without monitoring that are kept.
const GAPS_MAX: usize = 32;
/// A job that reports a little early, by a clock that is ahead, has reported for the time that comes.
const EARLY_MAX: Duration = Duration::from_secs(60);
/// A shorter time without monitoring, as at a restart, loses no ping of a client that tries again.
const GAP_MIN: Duration = Duration::from_secs(60);

/// What is known of one job: a fold of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// When it was configured.
    declared: Time,
    /// Its last success.
    succeeded: Option<Time>,
    /// The runs that have begun and not ended, by their id.
    started: BTreeMap<Option<String>, Time>,
    /// The failure after which nothing succeeded.
    failed: Option<Pinged>,
    /// The last pings, oldest first.
    recent: VecDeque<Pinged>,
}

impl Job {
    pub(crate) fn declared(at: Time) -> Self {
        Self {
            declared: at,
            succeeded: None,
            started: BTreeMap::new(),
            failed: None,
            recent: VecDeque::new(),
        }
    }

    pub(crate) fn pinged(&mut self, at: Time, ping: &Ping) {
        match ping.kind {
            PingKind::Started => {
                if self.started.len() >= RUNS_MAX && !self.started.contains_key(&ping.run) {
                    self.started.pop_first();
                }
                self.started.insert(ping.run.clone(), at);
            }
            PingKind::Succeeded => {
                self.ended(ping.run.as_ref());
                self.succeeded = Some(at);
                self.failed = None;
            }
            PingKind::Failed { .. } => {
                self.ended(ping.run.as_ref());
                self.failed = Some(Pinged { at, ping: ping.clone() });
            }
            PingKind::Logged => {}
        }
        self.recent.push_back(Pinged { at, ping: ping.clone() });
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        let old = self.recent.len().saturating_sub(OUTPUTS_MAX);
        self.recent.iter_mut().take(old).for_each(|pinged| pinged.ping.output = None);
    }

    /// An end without an id ends every run: the job sends no ids.
    fn ended(&mut self, run: Option<&String>) {
        match run {
            Some(run) => _ = self.started.remove(&Some(run.clone())),
            None => self.started.clear(),
        }
    }

    /// The last pings, newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Pinged> {
        self.recent.iter().rev()
    }

    /// When it was configured.
    pub(crate) fn declared_at(&self) -> Time {
        self.declared
    }

    /// Its last success.
    #[must_use]
    pub fn succeeded(&self) -> Option<Time> {
        self.succeeded
    }

    /// Since when it has been running: the oldest run that has not ended.
    #[must_use]
    pub fn running_since(&self) -> Option<Time> {
        self.started.values().min().copied()
    }
}

/// A time in which nothing was monitored, and no ping could arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    from: Time,
    to: Time,
}

/// Times without monitoring, oldest first, bounded.
#[derive(Debug, Default)]
pub(crate) struct Gaps(VecDeque<Gap>);

impl Gaps {
    pub(crate) fn add(&mut self, from: Time, to: Time) {
        if between(from, to) >= GAP_MIN {
            self.0.push_back(Gap { from, to });
            if self.0.len() > GAPS_MAX {
                self.0.pop_front();
            }
        }
    }
}

/// The judgement of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) fault: Option<HeartbeatFault>,
    /// When it is due next.
    pub(crate) due: Option<Time>,
    /// When to judge again if nothing is reported.
    pub(crate) again: Option<Time>,
}

/// Judges a job at `now`.
pub(crate) fn judge(heartbeat: &Heartbeat, job: &Job, gaps: &Gaps, now: Time) -> Judged {
    let due = due(heartbeat, job, gaps);
    // While it runs, it is not late before it has had the grace for that, or its longest run.
    let allowed = heartbeat.max_run.unwrap_or(heartbeat.grace);
    let running = job.started.values().max().filter(|started| job.succeeded.is_none_or(|at| at < **started));
    let deadline = due.map(|due| later(due, heartbeat.grace));
    // One that begins when it is late already has not made it good.
    let in_time = |at: Time| running.filter(|started| **started <= at);
    let deadline = deadline.map(|at| in_time(at).map_or(at, |started| at.max(later(*started, allowed))));
    if let Some(Pinged { ping: Ping { kind: PingKind::Failed { exit }, output, .. }, .. }) = &job.failed {
        let output = output.as_ref().and_then(|output| output.lines().last());
        let output = output.map(|line| text::truncate::chars(line, 200));
        return Judged { fault: Some(HeartbeatFault::Failed { exit: *exit, output }), due, again: None };
    }
    let overdue = heartbeat.max_run.and_then(|most| {
        let started = *job.started.values().min()?;
        Some((later(started, most), HeartbeatFault::TooLong { started, most }))
    });
    let late = deadline.zip(due).map(|(at, due)| (at, HeartbeatFault::Late { due, last: job.succeeded }));
    let mut expected: Vec<(Time, HeartbeatFault)> = [overdue, late].into_iter().flatten().collect();
    expected.sort_by_key(|(at, _)| *at);
    let again = expected.iter().map(|(at, _)| *at).find(|at| *at > now);
    let fault = expected.into_iter().find(|(at, _)| *at <= now).map(|(_, fault)| fault);
    Judged { fault, due, again }
}

/// When a job is due, after its last success. A time at which nothing was monitored is passed over: whether it reported then is not
/// known.
fn due(heartbeat: &Heartbeat, job: &Job, gaps: &Gaps) -> Option<Time> {
    let mut due = next(&heartbeat.due, job.succeeded.unwrap_or(job.declared), job.succeeded.is_some())?;
    for gap in &gaps.0 {
        if gap.to >= due && gap.from <= later(due, heartbeat.grace) {
            due = next(&heartbeat.due, gap.to, false)?;
        }
    }
    Some(due)
}

/// The next time after `after`. `is_report` when that is a report, which may have come a little early.
fn next(due: &Due, after: Time, is_report: bool) -> Option<Time> {
    match due {
        Due::Every(period) => Some(later(after, *period)),
        Due::Cron { cron, timezone } => {
            let first = cron.next(after, timezone)?;
            let Some(second) = cron.next(first, timezone) else { return Some(first) };
            let early = EARLY_MAX.min(between(first, second) / 4);
            Some(if is_report && between(after, first) < early { second } else { first })
        }
    }
}

/// The alert about a fault.
pub(crate) fn alert(heartbeat: &Heartbeat, fault: HeartbeatFault, job: &Job) -> NewAlert {
    let since = match &fault {
        HeartbeatFault::Late { due, .. } => *due,
        HeartbeatFault::TooLong { started, .. } => *started,
        HeartbeatFault::Failed { .. } => job.failed.as_ref().map_or(job.declared, |failed| failed.at),
    };
    let evidence = format!("due {}, within {}", heartbeat.due, types::time::spoken(heartbeat.grace));
    NewAlert { fault: Fault::Heartbeat { heartbeat: fault }, severity: heartbeat.severity, since, evidence }
}
