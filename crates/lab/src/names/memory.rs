//! What a resolver remembers, and how long: answers and delegations, each until its own TTL has run out.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::Instant;

/// Answers and delegations kept at once; the one that runs out first makes room.
const KEPT_MAX: usize = 8_192;

/// A delegation: where to ask about everything below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The name.
    pub zone: Name,
    /// Its servers' addresses. Never empty.
    pub servers: Vec<Ipv4Addr>,
    /// When the parent said so.
    pub learned: Instant,
    /// Until when it is good.
    pub until: Instant,
}

/// An answer, a "no" included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The response code.
    pub code: ResponseCode,
    /// The records, with the TTL that the authority gave.
    pub answers: Vec<Record>,
    /// The SOA of a "no".
    pub authorities: Vec<Record>,
    /// When the authority said so.
    pub learned: Instant,
    /// Until when it is good.
    pub until: Instant,
    /// The delegation by which the authority was found: `None` for the root's own.
    pub by: Option<(Name, Instant)>,
}

/// The memory of one resolver.
#[derive(Debug, Default)]
pub struct Memory {
    answers: BTreeMap<(Name, RecordType), Kept>,
    cuts: BTreeMap<Name, Cut>,
}

impl Memory {
    /// The answer, while it is good.
    #[must_use]
    pub fn answer(&self, name: &Name, kind: RecordType, now: Instant) -> Option<&Kept> {
        self.answers.get(&(name.clone(), kind)).filter(|kept| now < kept.until)
    }

    /// The deepest good delegation that covers the name.
    #[must_use]
    pub fn cut(&self, name: &Name, now: Instant) -> Option<&Cut> {
        let mut above = name.clone();
        loop {
            if let Some(cut) = self.cuts.get(&above).filter(|cut| now < cut.until) {
                return Some(cut);
            }
            if above.is_root() {
                return None;
            }
            above = above.base_name();
        }
    }

    /// Remembers an answer. One that is still good is left alone: looking twice does not make it last longer.
    pub fn keep(&mut self, name: Name, kind: RecordType, kept: Kept, now: Instant) {
        if self.answer(&name, kind, now).is_none() {
            make_room(&mut self.answers, now, |kept| kept.until);
            self.answers.insert((name, kind), kept);
        }
    }

    /// Remembers a delegation, unless one that is still good is known.
    pub fn keep_cut(&mut self, cut: Cut, now: Instant) {
        if self.cuts.get(&cut.zone).is_none_or(|old| old.until <= now) {
            make_room(&mut self.cuts, now, |cut| cut.until);
            self.cuts.insert(cut.zone.clone(), cut);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.answers.clear();
        self.cuts.clear();
    }

    /// For each of the names below `zone`: until when it may be answered by a delegation of `zone` from before `since`,
    /// by what is remembered now. A name is left out when it no longer can be.
    ///
    /// An answer that runs out while the old delegation is good may be fetched anew from the old servers; so this is the
    /// first instant at which a visitor can meet the new ones.
    #[must_use]
    pub fn old_until(&self, zone: &Name, names: &[Name], since: Instant, now: Instant) -> Vec<Instant> {
        let cut =
            self.cuts.get(zone).filter(|cut| now < cut.until && cut.learned < since).map(|cut| cut.until);
        let of_name = |name: &Name| {
            let kept = self.answer(name, RecordType::A, now)?;
            let said = match &kept.by {
                Some((by, learned)) if by == zone => *learned,
                _ => kept.learned,
            };
            (said < since).then_some(kept.until)
        };
        names.iter().filter_map(|name| of_name(name).max(cut)).collect()
    }
}

fn make_room<K: Ord + Clone, V>(kept: &mut BTreeMap<K, V>, now: Instant, until: impl Fn(&V) -> Instant) {
    if kept.len() < KEPT_MAX {
        return;
    }
    kept.retain(|_, value| now < until(value));
    while kept.len() >= KEPT_MAX {
        let Some(first) = kept.iter().min_by_key(|(_, value)| until(value)).map(|(key, _)| key.clone())
        else {
            return;
        };
        kept.remove(&first);
    }
}

/// A TTL as the world gives it, never longer than a day here.
pub(crate) fn lifetime(ttl: u32) -> Duration {
    Duration::from_secs(u64::from(ttl.min(86_400)))
}
