//! Clauses of the texts of faults of pools, and the layer that starves a resource.

use crate::Resource;
use crate::shown::clean;
use serde::{Deserialize, Serialize};
use std::fmt;
use text::list;

/// The layer above an idle resource that sends it no work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starving {
    /// The layer.
    pub layer: Resource,
    /// What it is short of: "has only 2 of 20 servers serving".
    pub how: String,
}

impl Starving {
    pub(crate) fn clean(&mut self) {
        clean(&mut self.how);
    }
}

impl fmt::Display for Starving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: it is the layer that starves it", self.layer, self.how)
    }
}

/// Which servers of a pool serve, and which do not: `a and b serve`, `c is down since 15:02 EET (refused)`. `serving` may name
/// only the first of `healthy` servers.
#[must_use]
pub fn who_serves(healthy: u32, serving: &[String], out: &[String]) -> Vec<String> {
    let named = u32::try_from(serving.len()).unwrap_or(u32::MAX);
    let more = healthy.saturating_sub(named);
    let serve = match (serving, more) {
        ([], _) => None,
        ([one], 0) => Some(format!("{one} serves")),
        (names, 0) => Some(format!("{} serve", list::and(names))),
        (names, more) => Some(format!("{} and {more} more serve", names.join(", "))),
    };
    serve.into_iter().chain(out.iter().cloned()).collect()
}

/// The servers that a line about those that do not serve is about: `a and b` of `a and b are down since 15:02 EET`.
#[must_use]
pub fn servers_of(line: &str) -> Option<&str> {
    let (servers, _) = line.split_once(" is ").or_else(|| line.split_once(" are "))?;
    Some(servers)
}

/// The same as the end of a sentence; nothing when no server is named.
pub(super) fn who(healthy: u32, serving: &[String], out: &[String]) -> String {
    let who = who_serves(healthy, serving, out);
    if who.is_empty() { String::new() } else { format!(": {}", who.join("; ")) }
}

/// What clients notice of a pool that lost servers.
#[must_use]
pub fn refuses(refuses: bool) -> &'static str {
    if refuses { ", and clients are refused" } else { "" }
}

/// What starves an idle member of a pool.
pub(super) fn starved(by: Option<&Starving>) -> String {
    by.map_or_else(
        || {
            "no layer above it is short: look at its weight and at the algorithm of the load balancer"
                .to_owned()
        },
        ToString::to_string,
    )
}

/// What starves an idle replica of a database.
pub(super) fn starved_replica(by: Option<&Starving>) -> String {
    by.map_or_else(
        || "no layer above it is short: what distributes queries (driver, pooler, DNS) does not send any to it".to_owned(),
        ToString::to_string,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_counted_when_they_are_not_named() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (healthy, serving, text) in [
            (0, &[][..], ": c is down"),
            (1, &["a"], ": a serves; c is down"),
            (2, &["a", "b"], ": a and b serve; c is down"),
            (9, &["a", "b"], ": a, b and 7 more serve; c is down"),
        ] {
            assert_eq!(who(healthy, &names(serving), &names(&["c is down"])), text);
        }
        assert_eq!(who(3, &[], &[]), "");
        assert_eq!(servers_of("a, b and 2 more are down since"), Some("a, b and 2 more"));
    }
}
