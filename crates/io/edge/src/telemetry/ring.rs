//! The last requests worth keeping, in bounded room, through any flood.
//!
//! Each [`Kind`] has its own ring, so that refusals by the hundred thousand displace neither refused declared
//! callers nor failures nor slow requests. Each ring stores only a limited number of records a second: all in quiet times, a
//! fair sample in a flood. The sample is drawn by trace id, so that the hops of one trace are kept or dropped
//! together.

use super::id::TraceId;
use super::record::RequestRecord;

/// The reason for storing a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A declared caller was refused.
    Caller,
    /// A server failed it.
    Failed,
    /// It was unusually slow.
    Slow,
    /// A client was refused.
    Refused,
    /// It was malformed: its error page asks the user to quote its id.
    Malformed,
    /// None of the others: part of the small sample.
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
    /// Creates rings that together take `bytes` at most. Memory is allocated as it is needed.
    pub(super) fn new(bytes: usize) -> Self {
        let records = bytes / size_of::<RequestRecord>();
        Self { rings: Kind::ALL.map(|kind| Ring::new((records * kind.share() / 16).max(SECONDS_KEPT))) }
    }

    /// Stores the record if it is sampled; returns whether it was stored. `lot` is equal for all hops of a trace;
    /// `None` where it is not sampled.
    pub(super) fn keep(&mut self, kind: Kind, record: &RequestRecord, second: u64, lot: Option<u64>) -> bool {
        let ring = &mut self.rings[kind as usize];
        ring.sieve.came += 1;
        let takes = lot.is_some_and(|lot| ring.sieve.takes(second, lot));
        if takes {
            ring.push(record);
        }
        takes
    }

    /// Appends all hops of a trace that this thread stored, in no order.
    pub(super) fn find(&self, trace: TraceId, into: &mut Vec<RequestRecord>, most: usize) {
        for ring in &self.rings {
            let room = most.saturating_sub(into.len());
            into.extend(ring.records.iter().filter(|record| record.ids.trace == trace).take(room).copied());
        }
    }

    /// The latest records of a kind, latest first.
    pub(super) fn latest(&self, kind: Kind, most: usize) -> impl Iterator<Item = &RequestRecord> {
        let ring = &self.rings[kind as usize];
        let (older, newer) = ring.records.split_at(ring.next.min(ring.records.len()));
        older.iter().rev().chain(newer.iter().rev()).take(most)
    }

    /// Returns how many records of a kind came, and how many were stored.
    pub(super) fn taken(&self, kind: Kind) -> (u64, u64) {
        let sieve = &self.rings[kind as usize].sieve;
        (sieve.came, sieve.kept)
    }
}

#[derive(Debug)]
struct Ring {
    records: Vec<RequestRecord>,
    /// The index of the next record once the ring is full.
    next: usize,
    room: usize,
    sieve: Sieve,
}

impl Ring {
    fn new(room: usize) -> Self {
        let budget = (room / SECONDS_KEPT).max(1) as u64;
        Self { records: Vec::new(), next: 0, room, sieve: Sieve { budget, ..Sieve::default() } }
    }

    fn push(&mut self, record: &RequestRecord) {
        if self.records.len() < self.room {
            self.records.push(*record);
        } else {
            self.records[self.next] = *record;
        }
        self.next = (self.next + 1) % self.room;
    }
}

/// A sampler: lets all records through while there are few, and a fair part when there are many.
#[derive(Debug, Default)]
struct Sieve {
    /// The most records a second.
    budget: u64,
    second: u64,
    /// Records in this second, and in the one before.
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
        // When more records are expected than fit, half of the room goes to the first ones, and the other half is
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
    use crate::telemetry::id::Ids;
    use std::net::Ipv4Addr;

    fn record(number: u128) -> RequestRecord {
        let mut ids = Ids::fresh();
        ids.trace = TraceId(number);
        RequestRecord::new(0, Ipv4Addr::LOCALHOST.into(), ids)
    }

    fn rings() -> Rings {
        Rings::new(1_600 * size_of::<RequestRecord>())
    }

    #[test]
    fn keeps_all_while_they_are_few() {
        let mut rings = rings();
        let random = &mut fastrand::Rng::with_seed(1);
        for each in 1..=300u128 {
            let second = (each / 9) as u64;
            assert!(rings.keep(Kind::Caller, &record(each), second, Some(random.u64(..))), "{each}");
        }
        assert_eq!(rings.taken(Kind::Caller), (300, 300));
        let latest: Vec<u128> = rings.latest(Kind::Caller, 3).map(|record| record.ids.trace.0).collect();
        assert_eq!(latest, [300, 299, 298]);
        let oldest: Vec<u128> = rings.latest(Kind::Caller, 999).map(|record| record.ids.trace.0).collect();
        assert_eq!((oldest.len(), oldest.last()), (300, Some(&1)));
        assert!(rings.keep(Kind::Caller, &record(301), 99, Some(0)));
        assert_eq!(rings.latest(Kind::Caller, 999).last().unwrap().ids.trace.0, 2, "the oldest makes room");
    }

    #[test]
    fn a_flood_of_refusals_is_sampled_fairly_and_pushes_out_nothing_else() {
        let mut rings = rings();
        let random = &mut fastrand::Rng::with_seed(7);
        for each in 0..20u128 {
            assert!(rings.keep(
                Kind::Caller,
                &record(1_000_000 + each),
                (each / 4) as u64,
                Some(random.u64(..))
            ));
            assert!(rings.keep(
                Kind::Failed,
                &record(2_000_000 + each),
                (each / 4) as u64,
                Some(random.u64(..))
            ));
        }
        // 200,000 refusals in four seconds; the number encodes when in the second each came.
        for second in 10..14u64 {
            for each in 0..50_000u128 {
                rings.keep(Kind::Refused, &record(1 + each), second, Some(random.u64(..)));
            }
        }
        let (came, kept) = rings.taken(Kind::Refused);
        assert_eq!(came, 200_000);
        assert!((40..=80).contains(&kept), "20 a second, at most: {kept}");
        // From the second second on, half of the budget is spread evenly: each quarter of the second is
        // represented.
        let mut quarters = [0; 4];
        for record in rings.latest(Kind::Refused, 30) {
            quarters[(record.ids.trace.0 * 4 / 50_001) as usize] += 1;
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
                rings.keep(kind, &record(5), second, Some(0));
            }
        }
        let all: usize = rings.rings.iter().map(|ring| ring.records.len()).sum();
        assert!(all <= (64 << 10) / size_of::<RequestRecord>() + Kind::ALL.len() * SECONDS_KEPT, "{all}");
        let mut found = Vec::new();
        rings.find(TraceId(5), &mut found, 64);
        assert_eq!(found.len(), 64);
    }
}
