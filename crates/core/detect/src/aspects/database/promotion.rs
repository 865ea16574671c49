//! Promotion of a replica: which node was the primary, which one replaced it, and whether the clients followed.
//!
//! A node that accepts writes with the system identifier of the old primary and a higher timeline was promoted. Everything
//! else, such as another cluster under the same URL, is a new beginning.

#[cfg(test)]
mod tests;

use super::{Capacity, Check, Round, newest, violation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::database::{ClientGroup, DatabaseSeen, KnownPrimary, NodeAnswer, NodeFacts, Role};
use types::fault::DatabaseFault;
use types::time::{between, formatted};
use types::{Config, Kind, Resource, ServiceId, Severity, Time};

/// Rounds in which a client has to be connected before its absence is worth a word: a person's session is not.
const REGULAR_ROUNDS: u32 = 3;
/// Time that clients have to leave the old primary: pools connect again within seconds.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// Time that clients have to connect to the new one. Some wait for the next request.
const ARRIVES_WITHIN: Duration = Duration::from_mins(1);
/// Time after a promotion for which absent clients are missed: later they are not coming.
const MISSED_FOR: Duration = Duration::from_hours(1);
/// Clients that are named.
const NAMED_MAX: usize = 5;

/// What is remembered of the primary of a database: which one it is also over a restart, its clients since boot.
#[derive(Debug, Default)]
pub(crate) struct PrimaryMemory {
    primary: Option<Primary>,
    promotion: Option<Promotion>,
}

/// The newest primary.
#[derive(Debug)]
struct Primary {
    node: String,
    system_identifier: Option<String>,
    timeline: Option<u64>,
    /// Time of the first round in which it did not answer as the primary.
    lost: Option<Time>,
    /// Its clients in the last round in which they were known, with the number of rounds in a row.
    clients: BTreeMap<(String, String), (ClientGroup, u32)>,
}

/// One promotion.
#[derive(Debug)]
struct Promotion {
    from: String,
    since: Time,
    to: String,
    at: Time,
    timeline: u64,
    /// Regular clients of the old primary.
    expected: Vec<ClientGroup>,
}

impl PrimaryMemory {
    /// The memory at boot, with the primary of the journal.
    pub(crate) fn of(known: Option<&KnownPrimary>) -> Self {
        let primary = known.map(|known| Primary {
            node: known.node.clone(),
            system_identifier: Some(known.system_identifier.clone()),
            timeline: Some(known.timeline),
            lost: None,
            clients: BTreeMap::new(),
        });
        Self { primary, promotion: None }
    }

    /// The primary, if the journal does not know it yet.
    pub(crate) fn news(&self, known: Option<&KnownPrimary>) -> Option<KnownPrimary> {
        let primary = self.primary.as_ref()?;
        let primary = KnownPrimary {
            node: primary.node.clone(),
            system_identifier: primary.system_identifier.clone()?,
            timeline: primary.timeline?,
        };
        (known != Some(&primary)).then_some(primary)
    }

    /// Takes note of a round.
    pub(crate) fn follow(&mut self, seen: &DatabaseSeen, now: Time) {
        let is_listed = |name: &String| seen.nodes.iter().any(|node| node.node == *name);
        self.primary = self.primary.take().filter(|primary| is_listed(&primary.node));
        self.promotion = self.promotion.take().filter(|it| is_listed(&it.from) && is_listed(&it.to));
        let primary = newest(facts_of(seen)).filter(|(node, facts)| !self.is_replaced(node, facts));
        let Some((node, facts)) = primary else {
            if let Some(primary) = &mut self.primary {
                primary.lost.get_or_insert(now);
            }
            return;
        };
        match &mut self.primary {
            Some(primary) if primary.node == node => primary.note(facts),
            before => {
                let next = Primary::new(node, facts);
                self.promotion = before.as_ref().and_then(|before| before.promoted(&next, now));
                *before = Some(next);
            }
        }
    }

    /// Whether a node accepts writes on a timeline that a promotion has ended. It is not the primary again because the new
    /// one misses a round.
    fn is_replaced(&self, node: &str, facts: &NodeFacts) -> bool {
        let (Some(primary), Some(position)) = (&self.primary, facts.position.known()) else { return false };
        let timelines = position.timeline.zip(primary.timeline);
        primary.node != node
            && primary.system_identifier.is_some()
            && primary.system_identifier == position.system_identifier
            && timelines.is_some_and(|(old, new)| old < new)
    }
}

impl Primary {
    fn new(node: &str, facts: &NodeFacts) -> Self {
        let mut primary = Self {
            node: node.to_owned(),
            system_identifier: None,
            timeline: None,
            lost: None,
            clients: BTreeMap::new(),
        };
        primary.note(facts);
        primary
    }

    fn note(&mut self, facts: &NodeFacts) {
        self.lost = None;
        if let Some(position) = facts.position.known() {
            self.system_identifier.clone_from(&position.system_identifier);
            self.timeline = position.timeline;
        }
        if let Some(groups) = facts.clients.known() {
            let mut before = std::mem::take(&mut self.clients);
            let counted = groups.iter().map(|group| {
                let rounds = before.remove(&key(group)).map_or(0, |(_, rounds)| rounds);
                (key(group), (group.clone(), rounds.saturating_add(1)))
            });
            self.clients = counted.collect();
        }
    }

    /// The promotion of another node, if it continues this one.
    fn promoted(&self, to: &Self, now: Time) -> Option<Promotion> {
        let timeline = to.timeline?;
        let continues = self.system_identifier.is_some() && self.system_identifier == to.system_identifier;
        let regular = self.clients.values().filter(|(_, rounds)| *rounds >= REGULAR_ROUNDS);
        (continues && timeline > self.timeline?).then(|| Promotion {
            from: self.node.clone(),
            since: self.lost.unwrap_or(now),
            to: to.node.clone(),
            at: now,
            timeline,
            expected: regular.map(|(group, _)| group.clone()).collect(),
        })
    }
}

/// Services by the addresses of the servers that they run on, to name clients of a database.
#[derive(Debug, Default)]
pub(crate) struct ClientServices(BTreeMap<String, BTreeSet<String>>);

impl ClientServices {
    /// Those of the edge, by the servers of their pools.
    pub(crate) fn of(config: &Config) -> Self {
        let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (id, pool) in &config.pools {
            let resource = Resource::pool(id.0.clone());
            let above = config.graph.dependents(&resource);
            let ids =
                above.filter(|above| above.kind == Kind::Service).map(|above| ServiceId(above.name.clone()));
            let titles: Vec<String> =
                ids.filter_map(|id| Some(config.services.get(&id)?.title.clone())).collect();
            for server in &pool.servers {
                let host = server.at.rsplit_once(':').map_or(&*server.at, |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                services.entry(host).or_default().extend(titles.iter().cloned());
            }
        }
        Self(services)
    }

    /// `api at 10.0.0.11 (3 connections, server of Sign-in)`.
    fn name(&self, group: &ClientGroup) -> String {
        let of = self.0.get(&group.address).map(|services| services.iter().cloned().collect::<Vec<_>>());
        let of = of.map(|services| format!(", server of {}", text::list::and(&services))).unwrap_or_default();
        let count = match group.sessions {
            1 => "1 connection".to_owned(),
            many => format!("{many} connections"),
        };
        let who = match (group.application.as_str(), group.address.as_str()) {
            ("", "") => "a local client".to_owned(),
            ("", address) => address.to_owned(),
            (application, "") => application.to_owned(),
            (application, address) => format!("{application} at {address}"),
        };
        format!("{who} ({count}{of})")
    }

    pub(super) fn names<'a>(&self, groups: impl Iterator<Item = &'a ClientGroup>) -> Vec<String> {
        let all: Vec<&ClientGroup> = groups.collect();
        let mut names: Vec<String> = all.iter().take(NAMED_MAX).map(|group| self.name(group)).collect();
        if all.len() > NAMED_MAX {
            names.push(format!("{} more", all.len() - NAMED_MAX));
        }
        names
    }
}

fn key(group: &ClientGroup) -> (String, String) {
    (group.application.clone(), group.address.clone())
}

fn facts_of(seen: &DatabaseSeen) -> impl Iterator<Item = (&str, &NodeFacts)> {
    seen.nodes.iter().filter_map(|seen| match &seen.answer {
        NodeAnswer::Facts(facts) => Some((seen.node.as_str(), &**facts)),
        _ => None,
    })
}

/// The old primary of a promotion does not answer yet.
pub(super) fn promoted(round: &Round<'_>) -> Check {
    let Some(promotion) = &round.capacity.primary.promotion else { return nothing_known(round) };
    let Some(from) = round.seen.nodes.iter().find(|seen| seen.node == promotion.from) else {
        return Check::NotMeasured;
    };
    match &from.answer {
        NodeAnswer::Facts(facts) if facts.role == Role::Replica => Check::Good,
        NodeAnswer::Facts(_) | NodeAnswer::Saturated { .. } => Check::NotMeasured,
        answer => {
            let time = |at| formatted(at, round.capacity.zone, "%H:%M:%S");
            let promotion = types::fault::Promotion {
                from: promotion.from.clone(),
                how: super::cluster::state(answer),
                since: time(promotion.since),
                to: promotion.to.clone(),
                at: time(promotion.at),
                timeline: promotion.timeline,
            };
            let fault = DatabaseFault::Promoted { promotion: Box::new(promotion) };
            // Users are served. The node that is missing is a warning of its own after a while.
            Check::Bad(violation(fault, Severity::Info).after_count(1))
        }
    }
}

/// An alert from before the start of mainstay ends when every node answers and exactly one is the primary.
fn nothing_known(round: &Round<'_>) -> Check {
    let answered = round.nodes().count() == round.seen.nodes.len();
    let primaries = round.nodes().filter(|(_, facts)| facts.role == Role::Primary).count();
    if answered && primaries == 1 { Check::Good } else { Check::NotMeasured }
}

/// Clients that stay with the old primary, or that have not come to the new one.
pub(super) fn left_behind(round: &Round<'_>) -> Check {
    let Capacity { primary, services, now, .. } = round.capacity;
    let Some(promotion) = &primary.promotion else { return nothing_known(round) };
    let clients = |node: &str| {
        let (_, facts) = round.nodes().find(|(name, _)| *name == node)?;
        facts.clients.known()
    };
    let Some(there) = clients(&promotion.to) else { return Check::NotMeasured };
    let still = clients(&promotion.from).map_or(&[][..], Vec::as_slice);
    let was_regular = |group: &ClientGroup| promotion.expected.iter().any(|one| key(one) == key(group));
    let accepts_writes =
        round.nodes().any(|(name, facts)| name == promotion.from && facts.role == Role::Primary);
    // A replica may serve readers of its own: only clients from before the promotion, or that write, belong elsewhere.
    let behind: Vec<&ClientGroup> = still
        .iter()
        .filter(|group| accepts_writes || group.writes > 0 || was_regular(group))
        .filter(|group| !there.iter().any(|other| key(other) == key(group)))
        .collect();
    // With another address it may be the same application, started again elsewhere.
    let arrived = |group: &&ClientGroup| {
        let is_same = |other: &&ClientGroup| match group.application.as_str() {
            "" => other.address == group.address,
            application => other.application == application,
        };
        there.iter().chain(still).any(|other| is_same(&other))
    };
    let age = between(promotion.at, *now);
    let gone: Vec<&ClientGroup> = match age {
        age if (ARRIVES_WITHIN..MISSED_FOR).contains(&age) => {
            promotion.expected.iter().filter(|group| !arrived(group)).collect()
        }
        _ => Vec::new(),
    };
    if behind.is_empty() && gone.is_empty() {
        return Check::Good;
    }
    let fault = DatabaseFault::LeftBehind {
        from: promotion.from.clone(),
        to: promotion.to.clone(),
        clients: services.names(behind.into_iter()),
        gone: services.names(gone.into_iter()),
    };
    Check::Bad(violation(fault, Severity::Warning).after_lasting(LEAVES_WITHIN))
}

/// Clients whose last statement is a write at a replica.
pub(super) fn writes_refused(round: &Round<'_>) -> Check {
    round.worst(round.replicas().filter_map(|(node, facts)| {
        let writers: Vec<&ClientGroup> =
            facts.clients.known()?.iter().filter(|group| group.writes > 0).collect();
        let fault = DatabaseFault::WritesRefused {
            node: node.to_owned(),
            clients: round.capacity.services.names(writers.iter().copied()),
        };
        (!writers.is_empty()).then(|| violation(fault, Severity::Warning).after_count(2))
    }))
}
