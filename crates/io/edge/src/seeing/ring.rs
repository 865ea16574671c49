//! The last requests worth keeping, in bounded room, through any flood.
//!
//! Each [`Kind`] has its own ring, so that refusals by the hundred thousand push out neither the refused of our own
//! callers nor failures nor slow requests. And each ring takes only so many a second: all of them in quiet times, a
//! fair sample in a flood. The sample is drawn by the trace's id, so that the hops of one trace share their fate.

use super::id::TraceId;
use super::record::Seen;

/// Why a request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One of our own callers was refused.
    Caller,
    /// A server failed it.
    Failed,
    /// It took unusually long.
    Slow,
    /// A visitor was refused.
    Refused,
    /// It was no request that could be served: its error page asks to quote its id.
    Malformed,
    /// Nothing special: part of the small sample.
    Ordinary,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Caller, Self::Failed, Self::Slow, Self::Refused, Self::Malformed, Self::Ordinary];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller_refused",
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Ordinary => "ordinary",
        }
    }

    /// Parts of 16 that it gets of a thread's room.
    fn share(self) -> usize {
        match self {
            Self::Refused => 4,
            Self::Failed | Self::Caller => 3,
            Self::Slow | Self::Malformed | Self::Ordinary => 2,
        }
    }
}

/// At the utmost rate a ring still reaches back this far.
const SECONDS_KEPT: usize = 30;

/// The rings of one thread.
#[derive(Debug)]
pub(super) struct Rings {
    rings: [Ring; Kind::ALL.len()],
}

impl Rings {
    /// Rings that together take `bytes` at most. The room is taken as it is needed.
    pub(super) fn new(bytes: usize) -> Self {
        let records = bytes / size_of::<Seen>();
        Self { rings: Kind::ALL.map(|kind| Ring::new((records * kind.share() / 16).max(SECONDS_KEPT))) }
    }

    /// Takes the record in, or not; says whether it did. `lot` is the trace's, equal for all hops; `None` where it is not
    /// in the sample.
    pub(super) fn keep(&mut self, kind: Kind, seen: &Seen, second: u64, lot: Option<u64>) -> bool {
        let ring = &mut self.rings[kind as usize];
        ring.sieve.came += 1;
        let takes = lot.is_some_and(|lot| ring.sieve.takes(second, lot));
        if takes {
            ring.push(seen);
        }
        takes
    }

    /// All hops of a trace that this thread kept, in no order.
    pub(super) fn find(&self, trace: TraceId, into: &mut Vec<Seen>, most: usize) {
        for ring in &self.rings {
            let room = most.saturating_sub(into.len());
            into.extend(ring.records.iter().filter(|seen| seen.ids.trace == trace).take(room).copied());
        }
    }

    /// The latest records of a kind, latest first.
    pub(super) fn latest(&self, kind: Kind, most: usize) -> impl Iterator<Item = &Seen> {
        let ring = &self.rings[kind as usize];
        let (older, newer) = ring.records.split_at(ring.next.min(ring.records.len()));
        older.iter().rev().chain(newer.iter().rev()).take(most)
    }

    /// How many of a kind came and how many of them were kept.
    pub(super) fn taken(&self, kind: Kind) -> (u64, u64) {
        let sieve = &self.rings[kind as usize].sieve;
        (sieve.came, sieve.kept)
    }
}

#[derive(Debug)]
struct Ring {
    records: Vec<Seen>,
    /// Where the next one goes once the room is full.
    next: usize,
    room: usize,
    sieve: Sieve,
}

impl Ring {
    fn new(room: usize) -> Self {
        let budget = (room / SECONDS_KEPT).max(1) as u64;
        Self { records: Vec::new(), next: 0, room, sieve: Sieve { budget, ..Sieve::default() } }
    }

    fn push(&mut self, seen: &Seen) {
        if self.records.len() < self.room {
            self.records.push(*seen);
        } else {
            self.records[self.next] = *seen;
        }
        self.next = (self.next + 1) % self.room;
    }
}

/// Lets through all that comes while it is little, and a fair part when it is much.
#[derive(Debug, Default)]
struct Sieve {
    /// So many a second at most.
    budget: u64,
    second: u64,
    /// In this second so far, and in the one before.
    in_second: u64,
    before: u64,
    kept_in_second: u64,
    came: u64,
    kept: u64,
}

impl Sieve {
    fn takes(&mut self, second: u64, lot: u64) -> bool {
        if second != self.second {
            let next = second == self.second + 1;
            self.before = if next { self.in_second } else { 0 };
            (self.second, self.in_second, self.kept_in_second) = (second, 0, 0);
        }
        self.in_second += 1;
        // When more is to be expected than fits, half of the room goes to whoever comes first, and the other half is
        // spread over the second by the rate of the one before.
        let spread = (self.budget / 2).max(1);
        let expected = self.before.max(self.in_second);
        let takes = self.kept_in_second < self.budget
            && (expected <= self.budget || self.in_second <= spread || lot <= u64::MAX / expected * spread);
        if takes {
            self.kept_in_second += 1;
            self.kept += 1;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeing::id::Ids;
    use std::net::Ipv4Addr;

    fn seen(number: u128) -> Seen {
        let mut ids = Ids::fresh();
        ids.trace = TraceId(number);
        Seen::new(0, Ipv4Addr::LOCALHOST.into(), ids)
    }

    fn rings() -> Rings {
        Rings::new(1_600 * size_of::<Seen>())
    }

    #[test]
    fn keeps_all_while_they_are_few() {
        let mut rings = rings();
        let random = &mut fastrand::Rng::with_seed(1);
        for each in 1..=300u128 {
            let second = (each / 9) as u64;
            assert!(rings.keep(Kind::Caller, &seen(each), second, Some(random.u64(..))), "{each}");
        }
        assert_eq!(rings.taken(Kind::Caller), (300, 300));
        let latest: Vec<u128> = rings.latest(Kind::Caller, 3).map(|seen| seen.ids.trace.0).collect();
        assert_eq!(latest, [300, 299, 298]);
        let oldest: Vec<u128> = rings.latest(Kind::Caller, 999).map(|seen| seen.ids.trace.0).collect();
        assert_eq!((oldest.len(), oldest.last()), (300, Some(&1)));
        assert!(rings.keep(Kind::Caller, &seen(301), 99, Some(0)));
        assert_eq!(rings.latest(Kind::Caller, 999).last().unwrap().ids.trace.0, 2, "the oldest makes room");
    }

    #[test]
    fn a_flood_of_refusals_is_sampled_fairly_and_pushes_out_nothing_else() {
        let mut rings = rings();
        let random = &mut fastrand::Rng::with_seed(7);
        for each in 0..20u128 {
            assert!(rings.keep(
                Kind::Caller,
                &seen(1_000_000 + each),
                (each / 4) as u64,
                Some(random.u64(..))
            ));
            assert!(rings.keep(
                Kind::Failed,
                &seen(2_000_000 + each),
                (each / 4) as u64,
                Some(random.u64(..))
            ));
        }
        // 200,000 refusals in four seconds; the number says when in the second each came.
        for second in 10..14u64 {
            for each in 0..50_000u128 {
                rings.keep(Kind::Refused, &seen(1 + each), second, Some(random.u64(..)));
            }
        }
        let (came, kept) = rings.taken(Kind::Refused);
        assert_eq!(came, 200_000);
        assert!((40..=80).contains(&kept), "20 a second, at most: {kept}");
        // From the second second on, half of the budget falls evenly: each quarter of the second is represented.
        let mut quarters = [0; 4];
        for seen in rings.latest(Kind::Refused, 30) {
            quarters[(seen.ids.trace.0 * 4 / 50_001) as usize] += 1;
        }
        assert!(quarters.iter().filter(|count| **count > 0).count() >= 3, "{quarters:?}");
        let mut found = Vec::new();
        for each in 0..20 {
            rings.find(TraceId(1_000_000 + each), &mut found, 64);
            rings.find(TraceId(2_000_000 + each), &mut found, 64);
        }
        assert_eq!(found.len(), 40);
    }

    #[test]
    fn room_is_bounded() {
        let mut rings = Rings::new(64 << 10);
        for second in 0..10_000 {
            for kind in Kind::ALL {
                rings.keep(kind, &seen(5), second, Some(0));
            }
        }
        let all: usize = rings.rings.iter().map(|ring| ring.records.len()).sum();
        assert!(all <= (64 << 10) / size_of::<Seen>() + Kind::ALL.len() * SECONDS_KEPT, "{all}");
        let mut found = Vec::new();
        rings.find(TraceId(5), &mut found, 64);
        assert_eq!(found.len(), 64);
    }
}
