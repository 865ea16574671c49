//! Replicas that get no work, and the layer that starves them.
//!
//! A replica may be a reserve on purpose, so that one without work is reported in two cases only: its primary has more than it
//! can take, or the replica was added while a layer above the database was short.

use super::{Capacity, Check, Round, newest, violation};
use crate::activity::Activity;
use crate::violation::Violation;
use std::collections::BTreeMap;
use types::database::{DatabaseSeen, NodeAnswer, NodeFacts, Role, Work};
use types::fault::DatabaseFault;
use types::time::{between, clock, earlier};
use types::{Severity, Time};

/// Transactions per second of a primary below which nothing is said about its replicas' share: the counters are up to a second
/// late, by which mainstay's own transactions show up in the next round.
const BUSY_RATE: u64 = 100;
/// A replica has no work with at most one transaction for this many of the primary, and one row for this many.
const IDLE_SHARE: u64 = 100;
const IDLE_ROWS: u64 = 20;
/// Transactions per second of an added replica that may be mainstay's own.
const OWN_RATE: u64 = 20;
/// Per cent of the connections by which a primary has to fall below the threshold before it is no longer full.
const FULL_MARGIN: u32 = 10;

/// What is remembered of the nodes of a database since boot.
#[derive(Debug, Default)]
pub(crate) struct NodeMemory {
    /// When a node was first seen, if that was not in the first round.
    added: BTreeMap<String, Time>,
    known: BTreeMap<String, Activity>,
}

impl NodeMemory {
    /// Takes note of a round.
    pub(crate) fn follow(&mut self, seen: &DatabaseSeen, before: Option<&DatabaseSeen>, now: Time) {
        let is_listed = |name: &String| seen.nodes.iter().any(|node| node.node == *name);
        self.added.retain(|name, _| is_listed(name));
        self.known.retain(|name, _| is_listed(name));
        let primary = before.and_then(|before| Some((before, primary(seen, before)?.1)));
        for node in &seen.nodes {
            if !self.known.contains_key(&node.node) && before.is_some() {
                self.added.insert(node.node.clone(), now);
            }
            let has_work =
                primary.is_none_or(|(before, primary)| !has_no_work(seen, before, &node.node, primary));
            let activity = self.known.entry(node.node.clone()).or_default();
            activity.note(has_work, before.map_or(now, |before| before.at), now);
        }
    }

    /// When a node was added: when it appeared, or when it was started.
    fn added_at(&self, name: &str, facts: &NodeFacts, now: Time) -> Time {
        self.added.get(name).copied().unwrap_or_else(|| earlier(now, facts.uptime))
    }
}

/// Transactions and rows per second of a node since the round before, mainstay's own transactions subtracted.
#[derive(Clone, Copy)]
struct Rates {
    transactions: u64,
    rows: u64,
}

fn facts<'a>(seen: &'a DatabaseSeen, name: &str) -> Option<&'a NodeFacts> {
    seen.nodes.iter().find(|seen| seen.node == name).and_then(|seen| match &seen.answer {
        NodeAnswer::Facts(facts) => Some(&**facts),
        _ => None,
    })
}

fn rates(seen: &DatabaseSeen, before: &DatabaseSeen, node: &str) -> Option<Rates> {
    let (now, was) = (facts(seen, node)?.work.known()?, facts(before, node)?.work.known()?);
    let span = u64::try_from(between(before.at, seen.at).as_millis()).ok()?;
    if span == 0 {
        return None;
    }
    let difference = |of: fn(&Work) -> u64| of(now).checked_sub(of(was));
    let own = difference(|work| work.own_transactions).unwrap_or(now.own_transactions);
    let transactions = difference(|work| work.transactions)?.saturating_sub(own);
    let rows = difference(|work| work.rows_read)?;
    Some(Rates {
        transactions: transactions.saturating_mul(1_000) / span,
        rows: rows.saturating_mul(1_000) / span,
    })
}

/// The primary of a round, and its rates.
fn primary<'a>(seen: &'a DatabaseSeen, before: &DatabaseSeen) -> Option<(&'a NodeFacts, Rates)> {
    let nodes = seen.nodes.iter().filter_map(|node| Some((node.node.as_str(), facts(seen, &node.node)?)));
    let (node, facts) = newest(nodes)?;
    Some((facts, rates(seen, before, node)?))
}

/// Whether a replica does next to nothing while its primary works.
fn has_no_work(seen: &DatabaseSeen, before: &DatabaseSeen, node: &str, primary: Rates) -> bool {
    let is_replica = facts(seen, node).is_some_and(|facts| facts.role == Role::Replica);
    let Some(own) = rates(seen, before, node) else { return false };
    let few_rows = own.rows.saturating_mul(IDLE_ROWS) <= primary.rows;
    let few = own.transactions.saturating_mul(IDLE_SHARE) <= primary.transactions;
    let hardly_any =
        own.transactions <= OWN_RATE && own.transactions.saturating_mul(3) <= primary.transactions;
    is_replica && few_rows && primary.rows > 0 && (few || hardly_any)
}

/// A replica without work. One that is a reserve on purpose is not reported.
pub(super) fn replica_idle(round: &Round<'_>) -> Check {
    let Some((facts, rate)) = round.before.and_then(|before| primary(round.seen, before)) else {
        return Check::NotMeasured;
    };
    let Some(percent) = facts.connections.known().map(types::database::Connections::percent) else {
        return Check::NotMeasured;
    };
    let threshold = round.thresholds.connections_percent;
    let is_full = percent >= threshold && rate.transactions >= BUSY_RATE;
    let is_nearly_full = percent.saturating_add(FULL_MARGIN) >= threshold;
    let Capacity { nodes, starved_by, short_since, zone, now, .. } = round.capacity;
    let was_added = |node: &str, facts: &NodeFacts| {
        short_since.is_some_and(|short| nodes.added_at(node, facts, *now) > short)
    };
    let mut is_uncertain = false;
    let idle: Vec<Violation> = round
        .replicas()
        .filter_map(|(node, facts)| {
            let own = rates(round.seen, round.before?, node)?;
            let activity = nodes.known.get(node).filter(|activity| activity.is_without_work())?;
            let has_share = own.transactions.saturating_mul(IDLE_SHARE) > rate.transactions;
            let is_reported = is_full && !has_share || was_added(node, facts);
            let Some(since) = activity.idle_since(*now).filter(|_| is_reported) else {
                is_uncertain |= is_reported || is_nearly_full;
                return None;
            };
            let fault = DatabaseFault::ReplicaIdle {
                node: node.to_owned(),
                replica: own.transactions,
                primary: rate.transactions,
                percent,
                idle_since: Some(clock(since, zone)),
                starved_by: starved_by.clone().map(Box::new),
            };
            Some(violation(fault, Severity::Warning).after_count(2))
        })
        .collect();
    if idle.is_empty() && is_uncertain { Check::NotMeasured } else { round.worst(idle.into_iter()) }
}
