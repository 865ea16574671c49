//! One look at a pool behind another load balancer: its members as that balancer states them, without judgement. The
//! prober fills it in; `detect` judges it.

use crate::Time;
use crate::shown::clean;
use serde::{Deserialize, Serialize};

/// Members of one pool at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSeen {
    /// Time of the look.
    pub at: Time,
    /// Requests that wait for a member; 0 when the balancer does not say.
    #[serde(default)]
    pub queued: u64,
    /// The members, in the order of their names.
    pub members: Vec<PoolMember>,
}

/// One member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolMember {
    /// Name or address, as the balancer writes it. Unique within the pool.
    pub name: String,
    /// Its state.
    pub state: MemberState,
    /// Whether it gets requests only when no other member serves.
    #[serde(default)]
    pub backup: bool,
    /// What the balancer says about its state.
    #[serde(default)]
    pub why: Option<String>,
    /// When it entered this state, if the balancer says so.
    #[serde(default)]
    pub since: Option<Time>,
    /// Requests or connections that it got since the balancer started.
    #[serde(default)]
    pub work: Option<u64>,
    /// Requests or connections that it has now.
    #[serde(default)]
    pub inflight: Option<u64>,
    /// The most that the balancer gives it at the same time.
    #[serde(default)]
    pub limit: Option<u64>,
}

impl PoolMember {
    /// A member in this state, of which nothing else is known.
    pub fn new(name: impl Into<String>, state: MemberState) -> Self {
        Self {
            name: name.into(),
            state,
            backup: false,
            why: None,
            since: None,
            work: None,
            inflight: None,
            limit: None,
        }
    }
}

/// State of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Gets new requests; a backup, when they are needed.
    Serving,
    /// Ejected: a health check fails, or too many requests failed.
    Down,
    /// Taken out by a person or a program.
    Maintenance,
    /// Gets no new requests and ends those that it has.
    Draining,
    /// Not checked yet, as after the start of the balancer.
    Checking,
    /// Known by name only: not listed, or a slot without an address.
    Absent,
}

impl MemberState {
    /// Returns the display text, the end of "api-01 is ...".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Down => "down",
            Self::Maintenance => "in maintenance",
            Self::Draining => "draining",
            Self::Checking => "not checked yet",
            Self::Absent => "no longer listed",
        }
    }
}

/// Members of a pool by state. Backups are counted by themselves only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCounts {
    /// All but backups and slots without an address.
    pub declared: u32,
    /// Those that get requests.
    pub serving: u32,
    /// Those of them without any work since the last look.
    pub idle: u32,
    /// Ejected ones.
    pub down: u32,
    /// Taken out by a person or a program.
    pub maintenance: u32,
    /// Those that get no new requests.
    pub draining: u32,
    /// Not checked yet.
    pub checking: u32,
    /// Backups that would answer.
    pub backups: u32,
}

impl PoolSeen {
    /// Escapes external text in it, which ends up on terminals and pages.
    pub(crate) fn clean(&mut self) {
        for member in &mut self.members {
            clean(&mut member.name);
            member.why.iter_mut().for_each(clean);
        }
    }
}
