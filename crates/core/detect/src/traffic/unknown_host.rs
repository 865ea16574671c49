//! Hosts that clients request and that are not configured.
//!
//! Scanners request anything. So a name must be valid and must be requested in several minutes, fewer for a name under
//! a configured domain, and the number of alerts is limited.

use std::collections::BTreeMap;
use std::time::Duration;
use types::time::between;
use types::{Config, Kind, Resource, Time};

/// Maximum of names tracked, of open alerts, and of open alerts for names under other domains.
const NAMES_MAX: usize = 200;
pub(crate) const OPEN_MAX: usize = 50;
pub(crate) const OPEN_FOREIGN_MAX: usize = 10;
/// Minutes with requests, and requests, that open an alert: under a configured domain, under another.
const KNOWN: Wanted = Wanted { minutes: 3, requests: 5 };
const FOREIGN: Wanted = Wanted { minutes: 30, requests: 200 };
/// The count restarts after this long without a request.
const RESTART_AFTER: Duration = Duration::from_secs(3_600);
/// A name under another domain may be dropped after this long without a request.
const QUIET_AFTER: Duration = Duration::from_secs(180);
/// An alert closes after this long without a request.
const GONE_AFTER: Duration = Duration::from_secs(86_400);

struct Wanted {
    minutes: u32,
    requests: u64,
}

/// Requested names since boot.
#[derive(Debug, Default)]
pub(crate) struct UnknownHosts {
    names: BTreeMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    minute: i64,
    minutes: u32,
    requests: u64,
    last: Time,
    known: bool,
}

impl UnknownHosts {
    /// Counts requests. Returns the owner of the name once it needs an alert.
    pub(crate) fn note(&mut self, config: &Config, name: &str, requests: u64, now: Time) -> Option<Owner> {
        if !is_name(name) || config.graph.contains(&Resource::host(name)) {
            return None;
        }
        let minute = now.as_second().div_euclid(60);
        if !self.names.contains_key(name) {
            let known = is_known_domain(config, name);
            if self.names.len() >= NAMES_MAX && !self.make_room(known, now) {
                return None;
            }
            let new = Count { minute, minutes: 1, requests, last: now, known };
            self.names.insert(name.to_owned(), new);
            return None;
        }
        let count = self.names.get_mut(name)?;
        if between(count.last, now) > RESTART_AFTER {
            (count.minutes, count.requests) = (0, 0);
        }
        if count.minute != minute {
            count.minutes = count.minutes.saturating_add(1);
            count.minute = minute;
        }
        count.requests = count.requests.saturating_add(requests);
        count.last = now;
        let wanted = if count.known { KNOWN } else { FOREIGN };
        let enough = count.minutes >= wanted.minutes && count.requests >= wanted.requests;
        enough.then_some(if count.known { Owner::Configured } else { Owner::Foreign })
    }

    /// Drops the name with the oldest request: a quiet one, or one of another domain that was requested in one minute
    /// only, or, for a name under a configured domain, any of another domain.
    fn make_room(&mut self, known: bool, now: Time) -> bool {
        let quiet = |count: &Count| {
            let after = if count.known { RESTART_AFTER } else { QUIET_AFTER };
            between(count.last, now) > after
        };
        let may_go = |count: &Count| quiet(count) || (!count.known && (known || count.minutes <= 1));
        let oldest = self.names.iter().filter(|(_, count)| may_go(count));
        let oldest = oldest.min_by_key(|(_, count)| (count.known, count.last)).map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.names.remove(&name).is_some())
    }

    /// Whether a name was not requested for [`GONE_AFTER`], so that its alert closes; `since` is the start of counting.
    pub(crate) fn is_gone(&self, name: &str, since: Time, now: Time) -> bool {
        let last = self.names.get(name).map_or(since, |count| count.last.max(since));
        between(last, now) >= GONE_AFTER
    }
}

/// Owner of the domain of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Configured,
    Foreign,
}

/// Whether a name belongs to a configured domain.
pub(crate) fn is_known_domain(config: &Config, name: &str) -> bool {
    name.match_indices('.').any(|(dot, _)| {
        let parent = name.get(dot + 1..).unwrap_or_default();
        config.graph.contains(&Resource::new(Kind::Domain, parent))
    }) || config.graph.contains(&Resource::domain(name))
}

/// Whether it is a valid host name: letters, digits and hyphens in at least two labels.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let mut labels = name.rsplit('.');
    let top = labels.next().unwrap_or_default();
    let is_top = label(top) && top.len() >= 2 && top.bytes().any(|byte| byte.is_ascii_lowercase());
    let mut rest = labels.peekable();
    name.len() <= 253 && is_top && rest.peek().is_some() && rest.all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_ignored() {
        for (name, is) in [
            ("old.acme.com", true),
            ("a-1.xn--p1ai", true),
            ("acme", false),
            ("192.0.2.7", false),
            ("", false),
            (".com", false),
            ("a..com", false),
            ("-a.acme.com", false),
            ("Acme.com", false),
            ("a_b.acme.com", false),
            ("acme.com:80", false),
            ("{{7*7}}.acme.com", false),
            ("a.c", false),
        ] {
            assert_eq!(is_name(name), is, "{name}");
        }
        assert!(!is_name(&"a.".repeat(200)));
    }
}
