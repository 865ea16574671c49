//! Cache of a resolver: answers and delegations, each until its TTL expires.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::Instant;

/// Most answers and delegations; the one that expires first is removed.
const KEPT_MAX: usize = 8_192;

/// A delegation: where to ask about everything below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The name.
    pub zone: Name,
    /// Its servers' addresses. Never empty.
    pub servers: Vec<Ipv4Addr>,
    /// Time of the response of the parent.
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
    /// Time of the authoritative response.
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
    /// An answer that runs out while the old delegation is good may be fetched again from the old servers; so this is
    /// the first instant at which a client can receive the new ones.
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

/// A TTL, limited to one day.
pub(crate) fn lifetime(ttl: u32) -> Duration {
    Duration::from_secs(u64::from(ttl.min(86_400)))
}

#[cfg(test)]
mod tests {
    use super::super::name;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn kept(learned: Instant, secs: u32, by: Option<(Name, Instant)>) -> Kept {
        Kept {
            code: ResponseCode::NoError,
            answers: Vec::new(),
            authorities: Vec::new(),
            learned,
            until: learned + SECOND * secs,
            by,
        }
    }

    fn cut(zone: &Name, learned: Instant, secs: u32) -> Cut {
        let servers = vec![Ipv4Addr::LOCALHOST];
        Cut { zone: zone.clone(), servers, learned, until: learned + SECOND * secs }
    }

    #[test]
    fn cached_answers_expire_and_are_not_extended() {
        let (mut memory, t0, www) = (Memory::default(), Instant::now(), name("www.acme.app").unwrap());
        let get = |memory: &Memory, secs: u32| {
            memory.answer(&www, RecordType::A, t0 + SECOND * secs).map(|kept| kept.until - t0)
        };
        memory.keep(www.clone(), RecordType::A, kept(t0, 10, None), t0);
        memory.keep(www.clone(), RecordType::A, kept(t0 + SECOND * 5, 10, None), t0 + SECOND * 5);
        assert_eq!((get(&memory, 9), get(&memory, 10)), (Some(SECOND * 10), None));
        memory.keep(www.clone(), RecordType::A, kept(t0 + SECOND * 11, 10, None), t0 + SECOND * 11);
        assert_eq!(get(&memory, 12), Some(SECOND * 21));
    }

    #[test]
    fn deepest_valid_delegation_is_used() {
        let (mut memory, t0) = (Memory::default(), Instant::now());
        let (app, acme, www) = ("app", "acme.app", "www.acme.app");
        memory.keep_cut(cut(&name(app).unwrap(), t0, 100), t0);
        memory.keep_cut(cut(&name(acme).unwrap(), t0, 10), t0);
        let deepest = |secs: u32, asked: &str| {
            memory.cut(&name(asked).unwrap(), t0 + SECOND * secs).map(|cut| cut.zone.to_ascii())
        };
        assert_eq!(deepest(9, www).as_deref(), Some("acme.app."));
        assert_eq!(deepest(10, www).as_deref(), Some("app."));
        assert_eq!(deepest(9, "other.app").as_deref(), Some("app."));
        assert_eq!(deepest(100, www), None);
    }

    #[test]
    fn old_answers_differ_from_new_ones() {
        let (t0, zone) = (Instant::now(), name("acme.app").unwrap());
        let www = name("www.acme.app").unwrap();
        let at = |secs: u32| t0 + SECOND * secs;
        // A change at 5 s; the delegation from 0 s is good until 10 s.
        let (changed, names) = (at(5), [www.clone()]);
        for (answer, delegation, now, until) in [
            // The answer outlives the delegation.
            (Some(kept(at(4), 20, Some((zone.clone(), t0)))), Some(cut(&zone, t0, 10)), 6, vec![at(24)]),
            // The delegation outlives the answer: it may be fetched again from the old servers.
            (Some(kept(at(1), 5, Some((zone.clone(), t0)))), Some(cut(&zone, t0, 10)), 6, vec![at(10)]),
            // Fetched after the change, but by the old delegation.
            (Some(kept(at(9), 5, Some((zone.clone(), t0)))), Some(cut(&zone, t0, 10)), 11, vec![at(14)]),
            // Both from after the change.
            (Some(kept(at(11), 9, Some((zone.clone(), at(11))))), Some(cut(&zone, at(11), 9)), 12, vec![]),
            // A "no" of the parent itself, after the change.
            (Some(kept(at(11), 9, Some((zone.base_name(), t0)))), None, 12, vec![]),
            // Nothing remembered.
            (None, None, 6, vec![]),
        ] {
            let mut memory = Memory::default();
            if let Some(cut) = delegation {
                memory.keep_cut(cut.clone(), cut.learned);
            }
            if let Some(kept) = answer {
                memory.keep(www.clone(), RecordType::A, kept.clone(), kept.learned);
            }
            assert_eq!(memory.old_until(&zone, &names, changed, at(now)), until);
        }
    }

    #[test]
    fn memory_is_bounded_and_what_runs_out_first_makes_room() {
        let (mut memory, t0) = (Memory::default(), Instant::now());
        for index in 0..KEPT_MAX + 10 {
            let name = name(&format!("n{index}.acme.app")).unwrap();
            let secs = 100 + u32::try_from(index).unwrap();
            memory.keep(name, RecordType::A, kept(t0, secs, None), t0);
        }
        assert_eq!(memory.answers.len(), KEPT_MAX);
        assert!(memory.answer(&name("n0.acme.app").unwrap(), RecordType::A, t0).is_none());
        assert!(memory.answer(&name("n20.acme.app").unwrap(), RecordType::A, t0).is_some());
    }
}
