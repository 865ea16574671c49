//! Which sessions of a node are named: the longest ones, and the statement that most of them execute.

use std::collections::BTreeMap;
use types::database::{Crowd, Session, Sessions};

/// Completes the counts of sessions with those that are named.
pub(crate) fn named(mut counts: Sessions, listed: impl IntoIterator<Item = Session>) -> Sessions {
    let mut crowds: BTreeMap<String, Crowd> = BTreeMap::new();
    for session in listed {
        let longest = if session.state == "active" {
            let crowd = crowds.entry(session.statement.clone()).or_default();
            crowd.sessions += 1;
            crowd.longest = crowd.longest.max(session.age);
            &mut counts.longest_statement
        } else {
            &mut counts.longest_idle_in_transaction
        };
        if longest.as_ref().is_none_or(|longest| longest.age < session.age) {
            *longest = Some(session);
        }
    }
    let largest = crowds.into_iter().max_by_key(|(_, crowd)| (crowd.sessions, crowd.longest));
    counts.crowd = largest
        .filter(|(_, crowd)| crowd.sessions >= 2)
        .map(|(statement, crowd)| Crowd { statement, ..crowd });
    counts
}
