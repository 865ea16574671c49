//! All stored responses of the edge, bounded by bytes.
//!
//! One map for all threads, in four parts so that a response may take a quarter of it. A hit takes a read lock for less than a
//! microsecond. A key is service, scheme, host, and path with query, each on a line.

use super::entry::Entry;
use super::flight::Flights;
use crate::budget::Budget;
use http::HeaderMap;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use traffic::Tick;
use types::config::CacheRule;

/// Parts of the map; each holds its share of the bytes.
const SHARDS: usize = 4;
/// Responses of one URL that differ by request headers.
const VARIANTS_MAX: usize = 8;
/// For this long after a response that is not stored, requests for its URL do not wait for each other.
const ALONE_FOR: Duration = Duration::from_secs(30);
/// Refreshes in the background at a time.
const REFRESHES_MAX: usize = 32;
/// What one key costs besides its text.
const KEY_OVERHEAD: usize = 128;
/// Numbers by which a purge reaches responses that are just being fetched.
const GENERATIONS: usize = 256;
/// Bytes of a response, for the first size of the map.
const USUAL_SIZE: u64 = 16 * 1024;

/// What is known of one URL.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The newest first.
    variants: Vec<Arc<Entry>>,
    /// Until then its requests do not wait for each other.
    alone_until: Tick,
    size: u64,
}

#[derive(Clone, Debug)]
struct BySize;

impl Weighter<Box<str>, Arc<Slot>> for BySize {
    fn weight(&self, key: &Box<str>, slot: &Arc<Slot>) -> u64 {
        slot.size + (key.len() + KEY_OVERHEAD) as u64
    }
}

type Store = Cache<Box<str>, Arc<Slot>, BySize, DefaultHashBuilder, DefaultLifecycle<Box<str>, Arc<Slot>>>;

/// The response cache.
pub(crate) struct ResponseCache {
    store: Store,
    pub(crate) flights: Arc<Flights>,
    /// Bytes of bodies that are just being received.
    pub(crate) receiving: Arc<Budget>,
    refreshing: AtomicUsize,
    generations: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The stored responses that a purge drops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purge<'a> {
    pub(crate) service: &'a str,
    /// A path with all its queries, `/a/*` for all below, or one path with its query; all of the service when `None`.
    pub(crate) path: Option<&'a str>,
}

impl Slot {
    fn new(variants: Vec<Arc<Entry>>, alone_until: Tick) -> Self {
        let size = variants.iter().map(|entry| entry.size() as u64).sum();
        Self { variants, alone_until, size }
    }

    /// The response that a request selects.
    pub(crate) fn select(&self, rule: &CacheRule, request: &HeaderMap) -> Option<&Arc<Entry>> {
        let selects = |entry: &&Arc<Entry>| {
            entry.draft.variant.covers(&rule.vary) && entry.draft.variant.matches(request)
        };
        self.variants.iter().find(selects)
    }

    /// Whether requests for it do not wait for each other.
    pub(crate) fn is_alone(&self, now: Tick) -> bool {
        now < self.alone_until
    }

    #[cfg(test)]
    pub(crate) fn newest(&self) -> Option<&Arc<Entry>> {
        self.variants.first()
    }

    /// Whether nothing is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }
}

impl ResponseCache {
    /// At most `bytes`, keys included.
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        let items = usize::try_from(bytes / USUAL_SIZE).unwrap_or(usize::MAX).clamp(32 * SHARDS, 65_536);
        let mut options = OptionsBuilder::new();
        options.shards(SHARDS).estimated_items_capacity(items).weight_capacity(bytes);
        let store = match options.build() {
            Ok(options) => Cache::with_options(
                options,
                BySize,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            // Only without one of the two numbers.
            Err(_) => Cache::with_weighter(items, bytes, BySize),
        };
        Arc::new(Self {
            store,
            flights: Arc::default(),
            receiving: Budget::new(usize::try_from(bytes / 4).unwrap_or(usize::MAX)),
            refreshing: AtomicUsize::new(0),
            generations: (0..GENERATIONS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        })
    }

    /// Changes the bytes that it may have; drops what is too much.
    pub(crate) fn resize(&self, bytes: u64) {
        if self.store.capacity().abs_diff(bytes) >= SHARDS as u64 {
            self.store.set_capacity(bytes);
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<Slot>> {
        self.store.get(key)
    }

    /// The number that tells whether a URL was purged since.
    pub(crate) fn generation(&self, key: &str) -> u64 {
        self.of(key).load(Ordering::Acquire)
    }

    fn of(&self, key: &str) -> &AtomicU64 {
        // Never out of bounds: the remainder of the length.
        &self.generations[self.hasher.hash_one(key) as usize % self.generations.len()]
    }

    /// Stores a response, in place of that with the same variant. `generation` is that of before its request: what was
    /// purged meanwhile is not stored.
    pub(crate) fn put(&self, key: &str, generation: u64, entry: Arc<Entry>) {
        let before = self.store.peek(key);
        let mut variants = vec![Arc::clone(&entry)];
        let others = before.iter().flat_map(|slot| &slot.variants);
        variants.extend(others.filter(|other| other.draft.variant != entry.draft.variant).cloned());
        variants.truncate(VARIANTS_MAX);
        if self.generation(key) != generation {
            return;
        }
        self.store.insert(key.into(), Arc::new(Slot::new(variants, Tick(0))));
        if self.generation(key) != generation {
            self.store.remove(key);
        }
    }

    /// Notes a response that is not stored. `entry`: the stored one that it replaces.
    pub(crate) fn mark_alone(&self, key: &str, now: Tick, entry: Option<&Arc<Entry>>) {
        let before = self.store.peek(key);
        let is_known = before.as_ref().is_some_and(|slot| slot.alone_until > now.after(ALONE_FOR / 2));
        if is_known && entry.is_none() {
            return;
        }
        let stored = before.iter().flat_map(|slot| &slot.variants);
        let kept = stored.filter(|other| entry.is_none_or(|entry| !Arc::ptr_eq(entry, other)));
        let slot = Slot::new(kept.cloned().collect(), now.after(ALONE_FOR));
        self.store.insert(key.into(), Arc::new(slot));
    }

    /// Drops all responses of one URL, also one that is just being received.
    pub(crate) fn invalidate(&self, key: &str) {
        self.of(key).fetch_add(1, Ordering::AcqRel);
        self.store.remove(key);
    }

    /// Drops stored responses. Returns how many.
    pub(crate) fn purge(&self, purge: Purge<'_>) -> u64 {
        for generation in &self.generations {
            generation.fetch_add(1, Ordering::AcqRel);
        }
        let dropped = Cell::new(0);
        self.store.retain(|key, slot| {
            let drops = purge.covers(key);
            if drops {
                dropped.set(dropped.get() + slot.variants.len() as u64);
            }
            !drops
        });
        dropped.get()
    }

    /// A place for a refresh in the background, if there is one.
    pub(crate) fn refresh(self: &Arc<Self>) -> Option<RefreshSlot> {
        let taken = self.refreshing.fetch_add(1, Ordering::AcqRel);
        let slot = RefreshSlot(Arc::clone(self));
        (taken < REFRESHES_MAX).then_some(slot)
    }

    /// Bytes stored, bytes allowed, URLs known.
    pub(crate) fn usage(&self) -> [u64; 3] {
        [self.store.weight(), self.store.capacity(), self.store.len() as u64]
    }
}

/// A refresh in the background.
pub(crate) struct RefreshSlot(Arc<ResponseCache>);

impl Drop for RefreshSlot {
    fn drop(&mut self) {
        self.0.refreshing.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Purge<'_> {
    fn covers(&self, key: &str) -> bool {
        let mut lines = key.splitn(4, '\n');
        let (service, target) = (lines.next(), lines.nth(2).unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        service == Some(self.service)
            && match self.path {
                None => true,
                Some(wanted) => match wanted.strip_suffix('*') {
                    Some(above) => target.starts_with(above),
                    None => wanted == target || wanted == path,
                },
            }
    }
}

#[cfg(test)]
mod tests;
