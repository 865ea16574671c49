//! Looks at pools behind other load balancers: members that serve against the minimum and the peak, members without work,
//! and load balancers that give no usable answer.
//!
//! A server that was taken out on purpose, or removed, is not missed: without a configured minimum a pool has shrunk only
//! when servers that should serve do not.

use crate::aspect::Aspect;
use crate::pool::is_shrunken;
use crate::pool::memory::PoolMemory;
use crate::pool::words::{self, Out, count};
use crate::violation::{Verdict, Violation};
use jiff::tz::TimeZone;
use std::time::Duration;
use types::config::ExternalPool;
use types::fault::Starving;
use types::pool::{MemberState, PoolCounts, PoolMember, PoolSeen};
use types::time::clock;
use types::{Fault, Severity, Time};

/// Looks in a row after which a pool below its configured minimum is reported.
const LOOKS: u32 = 2;
/// Time without any server after which a pool without a configured minimum is reported: a restart takes seconds.
const EMPTY_FOR: Duration = Duration::from_secs(30);
/// Time for which a pool without a configured minimum has to be short, or without members: a deploy ends.
const SHRUNKEN_FOR: Duration = Duration::from_mins(5);
const GONE_FOR: Duration = Duration::from_mins(10);
/// Time for which a load balancer has to be unseen: it restarts or reloads.
const UNSEEN_FOR: Duration = Duration::from_secs(60);

/// A look with what it is judged by.
pub(crate) struct Look<'a> {
    pub(crate) pool: &'a ExternalPool,
    pub(crate) seen: &'a PoolSeen,
    pub(crate) memory: &'a PoolMemory,
    pub(crate) counts: PoolCounts,
    /// The most that served together in the last days.
    pub(crate) peak: u32,
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: Time,
}

/// Counts the members of a look. Members without an address are not declared, unless the configuration names them.
pub(crate) fn count_members(pool: &ExternalPool, seen: &PoolSeen, memory: &PoolMemory) -> PoolCounts {
    let active = |state: MemberState| {
        seen.members.iter().filter(move |member| member.state == state && !member.backup)
    };
    let in_state = |state: MemberState| count(active(state).count());
    let absent = if pool.members.is_empty() { 0 } else { in_state(MemberState::Absent) };
    let (serving, down) = (in_state(MemberState::Serving), in_state(MemberState::Down) + absent);
    let (maintenance, draining) = (in_state(MemberState::Maintenance), in_state(MemberState::Draining));
    let checking = in_state(MemberState::Checking);
    let idle = active(MemberState::Serving).filter(|member| memory.activity(&member.name).is_without_work());
    let backups = seen.members.iter().filter(|member| member.backup && member.state == MemberState::Serving);
    PoolCounts {
        declared: serving + down + maintenance + draining + checking,
        serving,
        idle: count(idle.count()),
        down,
        maintenance,
        draining,
        checking,
        backups: count(backups.count()),
    }
}

/// Members that are meant to serve: those that serve or fail, as far as they served before.
pub(crate) fn expected(counts: &PoolCounts, peak: u32) -> u32 {
    (counts.serving + counts.down + counts.checking).min(peak.max(counts.serving))
}

/// Whether fewer serve than the minimum, or than half of those that should.
pub(crate) fn is_short(pool: &ExternalPool, counts: &PoolCounts, peak: u32) -> bool {
    match pool.min_healthy {
        Some(min) => counts.serving < min,
        None => is_shrunken(counts.serving, expected(counts, peak)),
    }
}

/// Judges a look. `starved_by` finds the layer above the pool that is short.
pub(crate) fn judge(look: &Look<'_>, starved_by: impl FnOnce() -> Option<Starving>) -> Verdict {
    let verdict = Verdict::default().good(Aspect::Pool("pool-unseen"));
    let verdict = match look.members() {
        Judged::Enough => verdict.good(Aspect::Pool("pool-below-minimum")),
        Judged::Unknown => verdict,
        Judged::Short(violation) => verdict.bad(violation),
    };
    let verdict = match look.idle(starved_by) {
        Some(violation) => verdict.bad(violation),
        None => verdict.good(Aspect::Pool("pool-member-idle")),
    };
    verdict.with_health()
}

/// Judges a look that failed: nothing is known about the members. `was_healthy` stays.
pub(crate) fn unseen(pool: &ExternalPool, fault: &Fault, was_healthy: bool) -> Verdict {
    let what = match fault {
        Fault::PoolUnseen { why } => why.clone(),
        fault => fault.to_string(),
    };
    let fault_of_pool = Fault::PoolUnseen { why: format!("{} {what}", pool.balancer) };
    let violation = Violation::new(fault_of_pool, Severity::Warning).after_lasting(UNSEEN_FOR);
    Verdict { healthy: was_healthy, ..Verdict::unreached(fault).bad(violation) }
}

enum Judged {
    Enough,
    /// Some members are not checked yet.
    Unknown,
    Short(Violation),
}

impl Look<'_> {
    fn members(&self) -> Judged {
        let PoolCounts { serving, checking, down, .. } = self.counts;
        let short = |violation: Violation| Judged::Short(violation.seen(self.evidence()));
        if let Some(min) = self.pool.min_healthy {
            return match serving {
                serving if serving >= min => Judged::Enough,
                serving if serving + checking >= min => Judged::Unknown,
                _ => short(self.below(min).after_count(LOOKS)),
            };
        }
        // A pool that never served is not in use.
        if serving == 0 && checking == 0 && self.peak > 0 {
            return short(match down {
                0 => self.shrunken(self.peak).after_lasting(GONE_FOR),
                _ => self.below(1).after_lasting(EMPTY_FOR),
            });
        }
        let expected = expected(&self.counts, self.peak);
        match (is_shrunken(serving, expected), is_shrunken(serving + checking, expected)) {
            (true, true) => short(self.shrunken(expected).after_lasting(SHRUNKEN_FOR)),
            (true, false) => Judged::Unknown,
            (false, _) => Judged::Enough,
        }
    }

    fn below(&self, min_healthy: u32) -> Violation {
        let counts = &self.counts;
        let fault = Fault::PoolBelowMinimum {
            healthy: counts.serving,
            declared: counts.declared + self.gone(),
            min_healthy,
            out: self.out(),
            serving: self.serving(),
            backups: counts.backups,
            balancer: Some(self.pool.balancer.kind.as_str().to_owned()),
            refuses: false,
        };
        Violation::new(fault, Severity::Critical)
    }

    fn shrunken(&self, peak: u32) -> Violation {
        let fault = Fault::PoolShrunken {
            healthy: self.counts.serving,
            peak,
            out: self.out(),
            serving: self.serving(),
            balancer: Some(self.pool.balancer.kind.as_str().to_owned()),
            refuses: false,
        };
        Violation::new(fault, Severity::Warning)
    }

    fn active(&self, serves: bool) -> impl Iterator<Item = &PoolMember> {
        let members = self.seen.members.iter().filter(|member| !member.backup);
        members.filter(move |member| (member.state == MemberState::Serving) == serves)
    }

    fn serving(&self) -> Vec<String> {
        words::serving(self.active(true).map(|member| member.name.as_str()))
    }

    /// The members that do not serve, failed ones first, those that left the list, and the backups that answer instead.
    fn out(&self) -> Vec<String> {
        let is_slot =
            |member: &&PoolMember| member.state == MemberState::Absent && self.pool.members.is_empty();
        let mut members: Vec<&PoolMember> = self.active(false).filter(|member| !is_slot(member)).collect();
        members.sort_by_key(|member| (member.state, member.name.as_str()));
        let mut out: Vec<Out<'_>> = members
            .into_iter()
            .map(|member| Out {
                name: &member.name,
                state: member.state.as_str(),
                since: self.memory.since(&member.name),
                why: member.why.as_deref(),
            })
            .collect();
        let state = MemberState::Absent.as_str();
        let missing = usize::try_from(self.gone()).unwrap_or(usize::MAX);
        let gone = self.memory.gone(self.seen).into_iter().take(missing);
        out.extend(gone.map(|(name, since)| Out { name, state, since: Some(since), why: None }));
        let mut lines = words::out(&out, self.zone);
        if self.counts.serving == 0 && self.counts.backups > 0 {
            let backups = self
                .seen
                .members
                .iter()
                .filter(|member| member.backup && member.state == MemberState::Serving);
            let names = text::list::and_more(backups.map(|member| &member.name), 3);
            let answer = if self.counts.backups == 1 { "backup answers" } else { "backups answer" };
            lines.insert(0, format!("only the {answer}: {names}"));
        }
        lines
    }

    /// Number of members that left the list and are missing: as many as were replaced are not.
    fn gone(&self) -> u32 {
        count(self.memory.gone(self.seen).len()).min(self.peak.saturating_sub(self.counts.declared))
    }

    fn evidence(&self) -> String {
        let PoolCounts { declared, serving, down, maintenance, draining, checking, backups, idle: _ } =
            self.counts;
        let parts = [
            (down, "down"),
            (maintenance, "in maintenance"),
            (draining, "draining"),
            (checking, "not checked yet"),
            (backups, "backup in addition"),
        ];
        let parts: String = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, state)| format!(", {count} {state}"))
            .collect();
        let peak = self.peak;
        format!(
            "{declared} servers: {serving} serving{parts}; peak of 7 days {peak}; by {}",
            self.pool.balancer
        )
    }

    /// Members that serve and get nothing, while the others have more than they can take.
    fn idle(&self, starved_by: impl FnOnce() -> Option<Starving>) -> Option<Violation> {
        let idle_since = |member: &PoolMember| self.memory.activity(&member.name).idle_since(self.now);
        let (idle, busy): (Vec<&PoolMember>, Vec<&PoolMember>) =
            self.active(true).partition(|member| idle_since(member).is_some());
        let is_full = |member: &&&PoolMember| match (member.inflight, member.limit) {
            (Some(inflight), Some(limit)) => inflight.saturating_mul(10) >= limit.saturating_mul(9),
            _ => false,
        };
        let full = busy.iter().filter(is_full).count();
        let others = match self.seen.queued {
            0 if full > 0 && full * 2 >= busy.len() => {
                format!("{full} of {} others are at their limit", busy.len())
            }
            0 => return None,
            1 => "1 request waits for a server".to_owned(),
            many => format!("{many} requests wait for a server"),
        };
        let one = |member: &&PoolMember| {
            let since = idle_since(member).map(|since| format!(" since {}", clock(since, self.zone)));
            format!("{}{}", member.name, since.unwrap_or_default())
        };
        let mut names: Vec<String> = idle.iter().take(3).map(one).collect();
        if names.is_empty() || busy.is_empty() {
            return None;
        }
        if idle.len() > names.len() {
            names.push(format!("{} more", idle.len() - names.len()));
        }
        let fault = Fault::PoolMemberIdle { idle: names, others, starved_by: starved_by().map(Box::new) };
        Some(Violation::new(fault, Severity::Warning).after_count(LOOKS))
    }
}
