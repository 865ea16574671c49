//! Names that visitors ask for and that the configuration does not watch.
//!
//! Scanners ask for anything. So a name must come again over many minutes, must be one that could exist, and one under
//! a domain that the configuration knows is believed sooner; and only so many are told at all.

use std::collections::BTreeMap;
use std::time::Duration;
use types::time::between;
use types::{Config, Kind, Resource, Time};

/// Names looked at, and alerts open, at most; of names under foreign domains only so many.
const NAMES_MAX: usize = 200;
pub(crate) const OPEN_MAX: usize = 50;
pub(crate) const OPEN_FOREIGN_MAX: usize = 10;
/// In how many different minutes a name must be asked for, and how often: under a domain of ours, under another.
const OURS: Wanted = Wanted { minutes: 3, requests: 5 };
const FOREIGN: Wanted = Wanted { minutes: 30, requests: 200 };
/// Sightings further apart begin anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// A foreign name makes room for others when nobody asked for so long.
const QUIET_AFTER: Duration = Duration::from_secs(180);
/// An alert closes when nobody asked for so long.
const GONE_AFTER: Duration = Duration::from_secs(86_400);

struct Wanted {
    minutes: u32,
    requests: u64,
}

/// The names asked for since boot.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    names: BTreeMap<String, Sighting>,
}

#[derive(Debug)]
struct Sighting {
    minute: i64,
    minutes: u32,
    requests: u64,
    last: Time,
    ours: bool,
}

impl Strangers {
    /// Counts a sighting; tells whether the name is worth an alert by now, and whether it is under a domain of ours.
    pub(crate) fn note(&mut self, config: &Config, name: &str, requests: u64, now: Time) -> Option<Known> {
        if !is_name(name) || config.graph.contains(&Resource::host(name)) {
            return None;
        }
        let minute = now.as_second().div_euclid(60);
        if !self.names.contains_key(name) {
            let ours = is_ours(config, name);
            if self.names.len() >= NAMES_MAX && !self.make_room(ours, now) {
                return None;
            }
            let new = Sighting { minute, minutes: 1, requests, last: now, ours };
            self.names.insert(name.to_owned(), new);
            return None;
        }
        let sighting = self.names.get_mut(name)?;
        if between(sighting.last, now) > FORGOTTEN_AFTER {
            (sighting.minutes, sighting.requests) = (0, 0);
        }
        if sighting.minute != minute {
            sighting.minutes = sighting.minutes.saturating_add(1);
            sighting.minute = minute;
        }
        sighting.requests = sighting.requests.saturating_add(requests);
        sighting.last = now;
        let wanted = if sighting.ours { OURS } else { FOREIGN };
        let enough = sighting.minutes >= wanted.minutes && sighting.requests >= wanted.requests;
        enough.then_some(if sighting.ours { Known::Ours } else { Known::Foreign })
    }

    /// Drops the name that was asked for longest ago: one that has gone quiet, or a foreign one that hardly ever came, or,
    /// for one of ours, any foreign one.
    fn make_room(&mut self, ours: bool, now: Time) -> bool {
        let quiet = |sighting: &Sighting| {
            let after = if sighting.ours { FORGOTTEN_AFTER } else { QUIET_AFTER };
            between(sighting.last, now) > after
        };
        let may_go =
            |sighting: &Sighting| quiet(sighting) || (!sighting.ours && (ours || sighting.minutes <= 1));
        let oldest = self.names.iter().filter(|(_, sighting)| may_go(sighting));
        let oldest =
            oldest.min_by_key(|(_, sighting)| (sighting.ours, sighting.last)).map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.names.remove(&name).is_some())
    }

    /// Whether nobody has asked for a name for so long that its alert has no point; `since` is the earliest that we
    /// could have heard of it.
    pub(crate) fn is_gone(&self, name: &str, since: Time, now: Time) -> bool {
        let last = self.names.get(name).map_or(since, |sighting| sighting.last.max(since));
        between(last, now) >= GONE_AFTER
    }
}

/// Under whose domain a name lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Ours,
    Foreign,
}

/// Whether a name lies under a registrable domain that the configuration watches.
pub(crate) fn is_ours(config: &Config, name: &str) -> bool {
    name.match_indices('.').any(|(dot, _)| {
        let parent = name.get(dot + 1..).unwrap_or_default();
        config.graph.contains(&Resource::new(Kind::Domain, parent))
    }) || config.graph.contains(&Resource::domain(name))
}

/// Whether it could be the name of a host on the public net: letters, digits and hyphens in at least two labels.
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
    fn only_what_could_be_a_name_is_one() {
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
