//! Hosts, databases and members of pools behind other load balancers that end and are started again, and again.
//!
//! While that lasts it replaces the judgement of the single answers: a good one between two ends is no recovery.

use crate::aspect::Aspect;
use crate::pool::memory::PoolMemory;
use crate::pool::words::count;
use crate::restarts::{Looping, Restarts};
use crate::violation::{Verdict, Violation};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;
use types::database::{DatabaseSeen, NodeAnswer, Role};
use types::fault::CrashLoop;
use types::pool::{MemberState, PoolMember, PoolSeen};
use types::probe_result::Answer;
use types::time::{clock, earlier};
use types::{Fault, Severity, Time};

/// Members of a pool that are named.
const NAMED_MAX: usize = 3;
/// Time from the first end of a host or database to the last for an alert. One that is away for moments within half a minute
/// is not worth a page: no failure of it lasted as long as its probe demands.
const LASTS: Duration = Duration::from_secs(60);

/// Replaces the judgement of an answer of a host while its process restarts again and again.
pub(crate) fn of_host(verdict: Verdict, answer: &Answer, restarts: &mut Restarts, now: Time) -> Verdict {
    match answer {
        Answer::Http(_) | Answer::Tcp { .. } | Answer::Tls(_) => restarts.listens(now),
        Answer::Failed(Fault::Refused) => restarts.refuses(1, now),
        _ => {}
    }
    // A certificate probe beside one of the host says nothing about its answers.
    match lasting(restarts, now) {
        Some(looping) if verdict.aspects.contains_key(&Aspect::Answer) => {
            let last = "connection refused".to_owned();
            verdict.bad(alone(&looping, last, Severity::Critical)).with_health()
        }
        _ => verdict,
    }
}

/// Ends and starts of the nodes of a database since boot, by their uptime.
#[derive(Debug, Default)]
pub(crate) struct NodeRestarts(BTreeMap<String, Restarts>);

impl NodeRestarts {
    /// Takes note of a round, and replaces its judgement while a node restarts again and again.
    pub(crate) fn judge(
        &mut self,
        verdict: Verdict,
        seen: &DatabaseSeen,
        zone: &TimeZone,
        now: Time,
    ) -> Verdict {
        self.0.retain(|name, _| seen.nodes.iter().any(|node| node.node == *name));
        let mut worst: Option<(Severity, Looping, String)> = None;
        for node in &seen.nodes {
            let restarts = self.0.entry(node.node.clone()).or_default();
            let mut severity = Severity::Critical;
            if let NodeAnswer::Facts(facts) = &node.answer {
                if facts.uptime > Duration::ZERO {
                    restarts.started(earlier(seen.at, facts.uptime));
                }
                // The primary goes on without it.
                if facts.role == Role::Replica {
                    severity = Severity::Warning;
                }
            }
            let Some(looping) = lasting(restarts, now) else { continue };
            let last = format!("{} started at {}", node.node, clock(looping.last, zone));
            if worst.as_ref().is_none_or(|(other, ..)| severity > *other) {
                worst = Some((severity, looping, last));
            }
        }
        match worst {
            Some((severity, looping, last)) => verdict.bad(alone(&looping, last, severity)).with_health(),
            None => verdict,
        }
    }
}

/// Adds the judgement of the members of a pool behind another load balancer, as far as that says that they refuse connections.
pub(crate) fn of_members(
    verdict: Verdict,
    seen: &PoolSeen,
    memory: &PoolMemory,
    min_healthy: Option<u32>,
    now: Time,
) -> Verdict {
    let meant = |member: &&PoolMember| {
        !member.backup
            && matches!(member.state, MemberState::Serving | MemberState::Down | MemberState::Checking)
    };
    let members: Vec<&PoolMember> = seen.members.iter().filter(meant).collect();
    let loops = members
        .iter()
        .filter_map(|member| Some((&member.name, memory.restarts(&member.name)?.looping(now)?)));
    let mut loops: Vec<(&String, Looping)> = loops.collect();
    loops.sort_by_key(|(_, looping)| std::cmp::Reverse(looping.times));
    let Some((_, worst)) = loops.first() else { return verdict.good(Aspect::Restarts) };
    let crash_loop = CrashLoop {
        servers: loops.iter().take(NAMED_MAX).map(|(name, _)| (*name).clone()).collect(),
        looping: count(loops.len()),
        of: count(members.len()),
        times: worst.times,
        within: worst.within,
        up: worst.up,
        last: "connection refused".to_owned(),
    };
    let is_short = crash_loop.steady() < min_healthy.unwrap_or(1);
    let severity = if is_short { Severity::Critical } else { Severity::Warning };
    verdict.bad(Violation::new(Fault::CrashLoop { crash_loop }, severity).after_count(1)).with_health()
}

/// The crash loop of a resource that is one server, once it has lasted.
fn lasting(restarts: &Restarts, now: Time) -> Option<Looping> {
    restarts.looping(now).filter(|looping| looping.within >= LASTS)
}

/// A resource that is one server.
fn alone(looping: &Looping, last: String, severity: Severity) -> Violation {
    let Looping { times, within, up, .. } = *looping;
    let crash_loop = CrashLoop { servers: Vec::new(), looping: 1, of: 1, times, within, up, last };
    let seen = format!(
        "it ended {times} times, and ran for {:.0} s each time; look at the last lines of its log before an end and at its \
         exit status",
        up.as_secs_f64()
    );
    Violation::new(Fault::CrashLoop { crash_loop }, severity).after_count(1).seen(seen)
}
