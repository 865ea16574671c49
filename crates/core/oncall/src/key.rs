//! The keys of attempts: derived from state, so that a repetition after a crash carries the same one (P3).
//!
//! | key | of |
//! |---|---|
//! | `page-3/r0/1/ana/0/2` | page 3, first round, second step, Ana, her first way, third attempt |
//! | `page-3/r3/3/*/0/0` | the last resort |
//! | `incident-7/opened/ana/0/0` | a notice |
//!
//! A retry after a failure is the same attempt and has the same key: a provider that took the first one without saying so does
//! not ring twice. An attempt that was accepted, or whose retries are used up, is followed by one with a new key.

use std::fmt;
use types::{IncidentId, NotificationKey, PageId, PersonId};

/// Who sits at the other end of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seat {
    /// A person on the step.
    Person(PersonId),
    /// The escalation's last resort: addresses, not people.
    Fallback,
}

impl Seat {
    fn read(text: &str) -> Self {
        if text == "*" { Self::Fallback } else { Self::Person(text.into()) }
    }

    /// The person, when it is one.
    #[must_use]
    pub fn person(&self) -> Option<&PersonId> {
        match self {
            Self::Person(person) => Some(person),
            Self::Fallback => None,
        }
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => person.fmt(f),
            Self::Fallback => f.write_str("*"),
        }
    }
}

/// A line: one person on one step of one round, or one notice to one person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LineKey {
    Page { page: PageId, round: u32, step: u32, seat: Seat },
    Notice { incident: IncidentId, occasion: String, seat: Seat },
}

impl fmt::Display for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { page, round, step, seat } => write!(f, "{page}/r{round}/{step}/{seat}"),
            Self::Notice { incident, occasion, seat } => write!(f, "{incident}/{occasion}/{seat}"),
        }
    }
}

impl LineKey {
    /// The first part of the keys of all attempts over one way.
    pub(crate) fn way(&self, way: usize) -> NotificationKey {
        NotificationKey(format!("{self}/{way}"))
    }

    /// The key of one attempt.
    pub(crate) fn attempt(&self, way: usize, dial: u32) -> NotificationKey {
        NotificationKey(format!("{self}/{way}/{dial}"))
    }

    /// Reads the key of an attempt; `None` for a key of somebody else.
    pub(crate) fn of_attempt(key: &NotificationKey) -> Option<(Self, usize, u32)> {
        let (way, dial) = key.0.rsplit_once('/')?;
        let (line, way) = Self::read_way(way)?;
        Some((line, way, dial.parse().ok()?))
    }

    /// Reads the first part of the keys of all attempts over one way.
    pub(crate) fn of_way(key: &NotificationKey) -> Option<(Self, usize)> {
        Self::read_way(&key.0)
    }

    fn read_way(text: &str) -> Option<(Self, usize)> {
        let (line, way) = text.rsplit_once('/')?;
        Some((Self::read(line)?, way.parse().ok()?))
    }

    /// A person's name may hold slashes of its own, hence it stands last.
    fn read(text: &str) -> Option<Self> {
        let (owner, rest) = text.split_once('/')?;
        if owner.starts_with("page-") {
            let mut parts = rest.splitn(3, '/');
            let round = parts.next()?.strip_prefix('r')?.parse().ok()?;
            let step = parts.next()?.parse().ok()?;
            let seat = Seat::read(parts.next()?);
            Some(Self::Page { page: owner.parse().ok()?, round, step, seat })
        } else if owner.starts_with("incident-") {
            let (occasion, person) = rest.split_once('/')?;
            Some(Self::Notice {
                incident: owner.parse().ok()?,
                occasion: occasion.to_owned(),
                seat: Seat::read(person),
            })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for text in [
            "page-3/r0/1/ana/0/2",
            "page-3/r3/3/*/0/0",
            "incident-7/opened/ana/1/0",
            "incident-7/resolved/*/0/0",
            "page-1/r0/0/odd/name/0/0",
        ] {
            let (line, way, dial) = LineKey::of_attempt(&NotificationKey(text.to_owned())).unwrap();
            assert_eq!(line.attempt(way, dial).0, text);
            assert_eq!(LineKey::of_way(&line.way(way)), Some((line, way)));
        }
        for text in
            ["", "page", "test/ana/0/0", "page-x/r0/0/ana/0/0", "page-1/0/0/ana/0/0", "page-1/r0/0/ana/0/x"]
        {
            assert_eq!(LineKey::of_attempt(&NotificationKey(text.to_owned())), None, "{text:?}");
        }
    }
}
