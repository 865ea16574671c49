//! Chains of sessions that wait for a lock: who is at the head, and how many wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::database::{BlockedChain, Session};

/// Chains that are reported.
const CHAINS_MAX: usize = 5;

/// A session that waits or blocks.
pub(crate) struct Link {
    pub(crate) session: Session,
    /// The sessions that it waits for; 0 is a prepared transaction.
    pub(crate) blocked_by: Vec<i64>,
}

/// The chains, the one with the most victims first. A session that waits for two heads counts for both. A ring of sessions,
/// which the deadlock check ends within a second, has no head and is not reported.
pub(crate) fn chains(links: &[Link]) -> Vec<BlockedChain> {
    let by_pid: BTreeMap<i64, &Link> = links.iter().map(|link| (link.session.pid, link)).collect();
    let mut found: BTreeMap<i64, BlockedChain> = BTreeMap::new();
    for victim in links.iter().filter(|link| !link.blocked_by.is_empty()) {
        for head in heads(victim, &by_pid) {
            let chain = found.entry(head).or_insert_with(|| BlockedChain {
                head: by_pid.get(&head).map_or_else(|| unseen(head), |link| link.session.clone()),
                victims: 0,
                longest: Duration::ZERO,
            });
            chain.victims += 1;
            chain.longest = chain.longest.max(victim.session.age);
        }
    }
    let mut chains: Vec<BlockedChain> = found.into_values().collect();
    chains.sort_by_key(|chain| std::cmp::Reverse((chain.victims, chain.longest)));
    chains.truncate(CHAINS_MAX);
    chains
}

/// The sessions at the end of all paths from a victim.
fn heads(victim: &Link, by_pid: &BTreeMap<i64, &Link>) -> BTreeSet<i64> {
    let mut seen = BTreeSet::from([victim.session.pid]);
    let mut open = victim.blocked_by.clone();
    let mut heads = BTreeSet::new();
    while let Some(pid) = open.pop() {
        if !seen.insert(pid) {
            continue;
        }
        match by_pid.get(&pid) {
            Some(link) if !link.blocked_by.is_empty() => open.extend(&link.blocked_by),
            _ => {
                heads.insert(pid);
            }
        }
    }
    heads
}

/// A session that ended between two queries, or a prepared transaction.
fn unseen(pid: i64) -> Session {
    let state = if pid == 0 { "prepared transaction" } else { "ended" };
    Session { pid, state: state.to_owned(), ..Session::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_is_the_one_that_waits_for_none() {
        let link = |pid: i64, blocked_by: &[i64], secs: u64| Link {
            session: Session { pid, age: Duration::from_secs(secs), ..Session::default() },
            blocked_by: blocked_by.to_vec(),
        };
        for (links, expected) in [
            (vec![link(1, &[], 60), link(2, &[1], 9), link(3, &[2], 8), link(4, &[2, 3], 7)], "1:3 for 9 s"),
            (
                vec![link(1, &[], 0), link(2, &[1], 5), link(3, &[], 0), link(4, &[3], 4), link(5, &[3], 6)],
                "3:2 for 6 s, 1:1 for 5 s",
            ),
            (vec![link(1, &[2], 1), link(2, &[1], 1)], ""),
            (vec![link(1, &[2], 1), link(2, &[1], 1), link(3, &[1, 9], 2)], "9:1 for 2 s"),
            (vec![link(2, &[0], 3)], "0:1 for 3 s"),
            (vec![], ""),
        ] {
            let said: Vec<String> = chains(&links)
                .iter()
                .map(|chain| {
                    format!("{}:{} for {} s", chain.head.pid, chain.victims, chain.longest.as_secs())
                })
                .collect();
            assert_eq!(said.join(", "), expected);
        }
    }
}
