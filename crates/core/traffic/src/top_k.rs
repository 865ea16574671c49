//! The most frequent of a stream, in constant memory: space-saving (Metwally, Agrawal and El Abbadi, 2005).

use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Counts the most frequent. Anything that makes up more than one part in `capacity` of all is in it for certain; a
/// count is too high by at most `total / capacity`, never too low.
#[derive(Clone, Debug)]
pub struct TopK<K> {
    capacity: usize,
    hashes: Vec<u64>,
    counts: Vec<Count>,
    keys: Vec<K>,
    total: u64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    count: u64,
    /// The part of it that may belong to evicted keys.
    over: u64,
}

impl<K> TopK<K> {
    /// Creates a list of this capacity. A lookup scans all entries: 64 to 256 are a good choice.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            capacity,
            hashes: Vec::with_capacity(capacity),
            counts: Vec::with_capacity(capacity),
            keys: Vec::with_capacity(capacity),
            total: 0,
        }
    }

    /// Counts one. The key is only copied when it is new here.
    pub fn add<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + ToOwned<Owned = K> + ?Sized,
    {
        self.add_many(key, 1);
    }

    /// Counts several.
    pub fn add_many<Q>(&mut self, key: &Q, more: u64)
    where
        K: Borrow<Q>,
        Q: Hash + ToOwned<Owned = K> + ?Sized,
    {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.put(hasher.finish(), more, || key.to_owned());
    }

    /// Everything that another one counted, added.
    pub fn merge(&mut self, other: &Self)
    where
        K: Clone,
    {
        let before = self.total;
        for ((hash, count), key) in other.hashes.iter().zip(&other.counts).zip(&other.keys) {
            self.put(*hash, count.count, || key.clone());
        }
        self.total = before + other.total;
    }

    fn put(&mut self, hash: u64, more: u64, key: impl FnOnce() -> K) {
        self.total += more;
        if let Some(at) = self.hashes.iter().position(|other| *other == hash) {
            self.counts[at].count += more;
        } else if self.hashes.len() < self.capacity {
            self.hashes.push(hash);
            self.counts.push(Count { count: more, over: 0 });
            self.keys.push(key());
        } else if let Some(at) = (0..self.counts.len()).min_by_key(|at| self.counts[*at].count) {
            let over = self.counts[at].count;
            self.hashes[at] = hash;
            self.counts[at] = Count { count: over + more, over };
            self.keys[at] = key();
        }
    }

    /// Returns the total count.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The most frequent, at most `most` of them, the first first; each with a count that it surely reached.
    #[must_use]
    pub fn first(&self, most: usize) -> Vec<(&K, u64)> {
        let mut all: Vec<(&K, u64)> =
            self.keys.iter().zip(&self.counts).map(|(key, count)| (key, count.count - count.over)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(most);
        all
    }

    /// Begins again.
    pub fn clear(&mut self) {
        self.hashes.clear();
        self.counts.clear();
        self.keys.clear();
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// A key with more than one part in `capacity` is in it, and no returned count is too high.
        #[test]
        fn finds_the_frequent(capacity in 1_usize..20, stream in prop::collection::vec((0_u32..60).prop_map(|key| key * key / 60), 1..600)) {
            let mut top = TopK::new(capacity);
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for key in &stream {
                top.add(key);
                *counts.entry(*key).or_default() += 1;
            }
            let first = top.first(capacity);
            prop_assert!(first.len() <= capacity);
            for (key, count) in &first {
                prop_assert!(*count <= counts[*key]);
            }
            let bound = stream.len() as u64 / capacity as u64;
            for (key, count) in &counts {
                prop_assert!(*count <= bound || first.iter().any(|(other, _)| *other == key), "{key} {count} {bound}");
            }
            prop_assert_eq!(top.total(), stream.len() as u64);
        }
    }

    #[test]
    fn two_become_one_and_one_becomes_none() {
        let (mut one, mut other): (TopK<String>, TopK<String>) = (TopK::new(4), TopK::new(4));
        one.add_many("/login", 5);
        other.add_many("/login", 7);
        other.add("/");
        one.merge(&other);
        assert_eq!(one.first(9), [(&"/login".to_owned(), 12), (&"/".to_owned(), 1)]);
        assert_eq!(one.total(), 13);
        one.clear();
        assert_eq!((one.first(9).len(), one.total()), (0, 0));
    }
}
