//! Slow uploads: the least rate of a body, and the number of uploads of a pool in addition to its places.
//!
//! A request whose client is waited for is no work for its server. It gives its place back after a second, so that
//! a few cheap clients do not hold a pool; what remains is a connection to the server, and these are limited here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ticks after which a request whose client is waited for gives its place back.
pub(crate) const YIELD_TICKS: u32 = 10;
/// The same where half of the places are in use, or a request waits for one.
pub(crate) const HASTY_TICKS: u32 = 2;
/// Bytes a second that a body must have, as Apache's mod_reqtimeout has it.
const LEAST_RATE: u64 = 500;
/// The least interval of the rate, in ticks: a mobile client pauses.
const RATE_TICKS: u32 = 200;
const TICKS_A_SECOND: u64 = 10;
/// The least limit of uploads without a place.
const LIMIT_LEAST: u64 = 16;
/// This part of the limit one client may have when it is reached.
const CLIENT_PART: usize = 4;

/// The rate of one body, as long as its client is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    from: u32,
    came: u64,
    span: u32,
}

impl Pace {
    /// Starts measuring. `wait`: ticks for which a body may stall.
    pub(crate) fn new(now: u32, came: u64, wait: u32) -> Self {
        Self { from: now, came, span: wait.max(RATE_TICKS) }
    }

    /// Whether a body with `came` bytes is too slow. While the server is waited for, the client is not measured.
    pub(crate) fn is_too_slow(&mut self, now: u32, came: u64, starved: bool) -> bool {
        let took = now.saturating_sub(self.from);
        if starved && took < self.span {
            return false;
        }
        let moved = came.saturating_sub(self.came);
        (self.from, self.came) = (now, came);
        starved && moved.saturating_mul(TICKS_A_SECOND) < LEAST_RATE.saturating_mul(u64::from(took))
    }
}

/// Uploads to one pool without a place.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    list: Mutex<Vec<Arc<Upload>>>,
}

#[derive(Debug)]
struct Upload {
    /// The client; `None` for a declared caller on its own behalf.
    client: Option<u64>,
    /// Bytes since the server was asked, and the ticks since then.
    came: AtomicU64,
    ticks: AtomicU64,
    /// Whether it is to end for others.
    ended: AtomicBool,
}

impl Upload {
    /// Bytes per thousand seconds, to tell slow ones apart.
    fn rate(&self) -> u64 {
        let came = self.came.load(Ordering::Relaxed).saturating_mul(1_000 * TICKS_A_SECOND);
        came / self.ticks.load(Ordering::Relaxed).max(1)
    }
}

/// A slot of one upload.
#[derive(Debug)]
pub(crate) struct Slot {
    all: Arc<Uploads>,
    own: Arc<Upload>,
}

impl Uploads {
    /// Returns the limit for a pool with this number of places.
    pub(crate) fn limit(places: u64) -> usize {
        usize::try_from((places / 2).max(LIMIT_LEAST)).unwrap_or(usize::MAX)
    }

    /// Adds an upload with `came` bytes in `ticks`. If there are too many, the slowest ends: of a client with more
    /// than its part, otherwise of all. `None` where that is this one.
    pub(crate) fn enter(
        self: &Arc<Self>,
        limit: usize,
        client: Option<u64>,
        came: u64,
        ticks: u32,
    ) -> Option<Slot> {
        let own = Arc::new(Upload {
            client,
            came: AtomicU64::new(came),
            ticks: AtomicU64::new(u64::from(ticks)),
            ended: AtomicBool::new(false),
        });
        let mut list = self.lock();
        list.push(Arc::clone(&own));
        while list.len() > limit.max(1) {
            let slowest = slowest(&list, limit)?;
            list.swap_remove(slowest).ended.store(true, Ordering::Relaxed);
        }
        drop(list);
        let slot = Slot { all: Arc::clone(self), own };
        (!slot.is_ended()).then_some(slot)
    }

    /// Number of uploads.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Upload>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of too many is to end.
fn slowest(list: &[Arc<Upload>], limit: usize) -> Option<usize> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    list.iter().filter_map(|upload| upload.client).for_each(|client| *counts.entry(client).or_default() += 1);
    let part = (limit / CLIENT_PART).max(1);
    let has_many = |upload: &Upload| {
        upload.client.and_then(|client| counts.get(&client)).is_some_and(|count| *count > part)
    };
    let least = |all: bool| {
        let some = list.iter().enumerate().filter(|(_, upload)| all || has_many(upload));
        some.min_by_key(|(_, upload)| upload.rate()).map(|(place, _)| place)
    };
    least(false).or_else(|| least(true))
}

impl Slot {
    /// Updates bytes and ticks.
    pub(crate) fn note(&self, came: u64, ticks: u32) {
        self.own.came.store(came, Ordering::Relaxed);
        self.own.ticks.store(u64::from(ticks), Ordering::Relaxed);
    }

    /// Whether it is to end for others.
    pub(crate) fn is_ended(&self) -> bool {
        self.own.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut list = self.all.lock();
        if let Some(place) = list.iter().position(|upload| Arc::ptr_eq(upload, &self.own)) {
            list.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the tick at which a body that arrives as `came` is found too slow, checked every second.
    fn cut_at(wait: u32, came: impl Fn(u32) -> u64, starved: impl Fn(u32) -> bool) -> Option<u32> {
        let mut pace = Pace::new(0, came(0), wait);
        (0..6_000).step_by(10).find(|now| pace.is_too_slow(*now, came(*now), starved(*now)))
    }

    #[test]
    fn a_body_is_cut_at_less_than_the_least_rate_while_its_client_is_waited_for() {
        let per_second = |rate: u64| move |now: u32| rate * u64::from(now) / 10;
        let always = |_| true;
        assert_eq!(cut_at(300, per_second(1), always), Some(300));
        assert_eq!(cut_at(20, per_second(1), always), Some(200));
        assert_eq!(cut_at(300, per_second(499), always), Some(300));
        assert_eq!(cut_at(300, per_second(500), always), None);
        // 5 kB/s with pauses of ten seconds.
        let pausing = |now: u32| 5_000 * u64::from(now / 200 * 10 + (now % 200).min(100) / 10);
        assert_eq!(cut_at(300, pausing, always), None);
        // Fast first, then slow.
        assert_eq!(cut_at(300, |now| 10_000_000.min(u64::from(now) * 100_000), always), Some(600));
        // A server that reads nothing is not the client's fault.
        assert_eq!(cut_at(300, |_| 0, |now| now % 290 != 0), None);
        assert_eq!(cut_at(300, |_| 0, |_| false), None);
    }

    #[test]
    fn the_slowest_ends_first_of_a_client_that_has_too_many() {
        let uploads: Arc<Uploads> = Arc::default();
        let honest: Vec<Slot> =
            (0..4).map(|client| uploads.enter(8, Some(client), 5_000 + client, 10).unwrap()).collect();
        let many: Vec<Slot> = (0..4).map(|_| uploads.enter(8, Some(9), 900_000, 10).unwrap()).collect();
        // Though each of them is faster than the others.
        assert!(uploads.enter(8, Some(9), 1, 10).is_none(), "the slowest of its client is the new one");
        let fifth = uploads.enter(8, Some(4), 5_004, 10).unwrap();
        assert!(honest.iter().chain([&fifth]).all(|slot| !slot.is_ended()));
        assert_eq!(many.iter().filter(|slot| slot.is_ended()).count(), 1);
        let sixth = uploads.enter(8, None, 5_005, 10).unwrap();
        assert_eq!(many.iter().filter(|slot| slot.is_ended()).count(), 2);
        // Now no client has more than two: the slowest of all ends.
        honest[3].note(5_003, 20);
        let seventh = uploads.enter(8, None, 5_006, 10).unwrap();
        assert!(honest[3].is_ended() && !honest[0].is_ended());
        drop((honest, many, fifth, sixth, seventh));
        assert!(uploads.lock().is_empty());
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_the_limit(
            limit in 1_usize..12,
            comers in prop::collection::vec((0_u64..4, 0_u64..100_000, any::<bool>()), 0..60),
        ) {
            let uploads: Arc<Uploads> = Arc::default();
            let mut slots = Vec::new();
            for (client, came, leaves) in comers {
                slots.extend(uploads.enter(limit, (client > 0).then_some(client), came, 10));
                if leaves {
                    slots.pop();
                }
                let live = slots.iter().filter(|slot: &&Slot| !slot.is_ended()).count();
                prop_assert_eq!(uploads.lock().len(), live);
                prop_assert!(live <= limit);
            }
            drop(slots);
            prop_assert!(uploads.lock().is_empty());
        }
    }
}
