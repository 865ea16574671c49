//! What is remembered of the members of a pool behind another load balancer, since boot.

use super::peak::PeakWatch;
use crate::activity::Activity;
use crate::restarts::Restarts;
use std::collections::BTreeMap;
use std::time::Duration;
use types::Time;
use types::pool::{MemberState, PoolCounts, PoolMember, PoolSeen};
use types::time::between;

/// Time for which a member that is no longer listed is remembered by name.
const GONE_FOR: Duration = Duration::from_hours(24);
/// Members that are no longer listed, at most.
const GONE_MAX: usize = 200;

/// A pool since boot.
#[derive(Debug, Default)]
pub(crate) struct PoolMemory {
    pub(crate) peak: PeakWatch,
    members: BTreeMap<String, MemberMemory>,
    looked_at: Option<Time>,
    /// The newest numbers.
    pub(crate) newest: Option<Numbers>,
    /// The newest counts, and their time.
    pub(crate) counts: Option<(Time, PoolCounts)>,
}

/// A member since boot.
#[derive(Debug)]
struct MemberMemory {
    state: MemberState,
    since: Option<Time>,
    has_served: bool,
    work: Option<u64>,
    activity: Activity,
    restarts: Restarts,
}

/// How many members of a pool serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) serving: u32,
    /// All members, and the peak when that is more.
    pub(crate) of: u32,
    /// Since when fewer than the minimum, or than half of them, serve.
    pub(crate) short_since: Option<Time>,
}

impl PoolMemory {
    /// Takes note of a look.
    pub(crate) fn follow(&mut self, seen: &PoolSeen, now: Time) {
        let before = self.looked_at.replace(now);
        let listed: BTreeMap<&str, &PoolMember> =
            seen.members.iter().map(|member| (member.name.as_str(), member)).collect();
        for (name, known) in &mut self.members {
            if !listed.contains_key(name.as_str()) && known.state != MemberState::Absent {
                (known.state, known.since) = (MemberState::Absent, Some(now));
                (known.work, known.activity) = (None, Activity::default());
            }
        }
        for member in listed.values() {
            self.note(member, before, now);
        }
        self.forget(&listed, now);
    }

    fn note(&mut self, member: &PoolMember, before: Option<Time>, now: Time) {
        let is_new = !self.members.contains_key(&member.name);
        let known = self.members.entry(member.name.clone()).or_insert_with(|| MemberMemory {
            state: member.state,
            // Of a member that was there at the first look only its load balancer knows.
            since: member.since.or(before.map(|_| now)),
            has_served: false,
            work: None,
            activity: Activity::default(),
            restarts: Restarts::default(),
        });
        match (member.state, &member.why) {
            (MemberState::Serving, _) => known.restarts.listens(now),
            (MemberState::Down, Some(why)) if refuses(why) => known.restarts.refuses(1, now),
            _ => {}
        }
        if known.state != member.state {
            known.state = member.state;
            known.since = Some(member.since.unwrap_or(now));
        }
        let serves = member.state == MemberState::Serving;
        known.has_served |= serves;
        let gained = match (known.work, member.work) {
            (Some(was), Some(is)) => is.checked_sub(was),
            (None, Some(is)) if is_new && before.is_some() => Some(is),
            _ => None,
        };
        known.work = member.work;
        match gained.filter(|_| serves && !member.backup) {
            Some(gained) => {
                let before = before.filter(|_| !is_new).unwrap_or(now);
                known.activity.note(gained > 0, before, now);
            }
            None => known.activity = Activity::default(),
        }
    }

    /// Forgets members that have been gone for long, and those of many that never served.
    fn forget(&mut self, listed: &BTreeMap<&str, &PoolMember>, now: Time) {
        self.members.retain(|name, known| {
            let recent = known.since.is_some_and(|since| between(since, now) < GONE_FOR);
            listed.contains_key(name.as_str()) || (known.has_served && recent)
        });
        let mut gone: Vec<(Time, String)> = self
            .members
            .iter()
            .filter(|(name, _)| !listed.contains_key(name.as_str()))
            .map(|(name, known)| (known.since.unwrap_or(now), name.clone()))
            .collect();
        gone.sort();
        let excess = gone.len().saturating_sub(GONE_MAX);
        for (_, name) in gone.into_iter().take(excess) {
            self.members.remove(&name);
        }
    }

    /// Since when a member has been in its state.
    pub(crate) fn since(&self, name: &str) -> Option<Time> {
        self.members.get(name)?.since
    }

    /// Ends and starts of a member.
    pub(crate) fn restarts(&self, name: &str) -> Option<&Restarts> {
        self.members.get(name).map(|known| &known.restarts)
    }

    /// Whether a member works.
    pub(crate) fn activity(&self, name: &str) -> Activity {
        self.members.get(name).map(|known| known.activity).unwrap_or_default()
    }

    /// The members that served and left the list, the latest first.
    pub(crate) fn gone(&self, seen: &PoolSeen) -> Vec<(&str, Time)> {
        let is_listed = |name: &str| seen.members.iter().any(|member| member.name == name);
        let mut gone: Vec<(&str, Time)> = self
            .members
            .iter()
            .filter(|(name, known)| known.has_served && !is_listed(name))
            .filter_map(|(name, known)| Some((name.as_str(), known.since?)))
            .collect();
        gone.sort_by_key(|(name, since)| (std::cmp::Reverse(*since), *name));
        gone
    }

    /// Notes the newest numbers.
    pub(crate) fn set_numbers(&mut self, serving: u32, of: u32, is_short: bool, now: Time) {
        let since = self.newest.and_then(|newest| newest.short_since);
        let short_since = is_short.then(|| since.unwrap_or(now));
        self.newest = Some(Numbers { serving, of, short_since });
    }
}

/// Whether a balancer says that a member refuses connections: the texts of HAProxy, Envoy, Traefik and of the system.
fn refuses(why: &str) -> bool {
    why.contains("L4CON") || why.to_ascii_lowercase().contains("connection refused")
}
