//! Distinct clients of a service: of a second in one thread, and of the last five minutes.
//!
//! Linear counting (Whang et al., ACM TODS 15(2), 1990): each client sets one bit, and the number of clients follows from
//! the share of zeros. Off by about 1 % up to 10,000 clients and by 3 % up to 50,000; beyond 150,000 it stays there.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;
use std::time::Duration;

/// Words of 64 bits: 2 KB.
const WORDS: usize = 256;
const BITS: u64 = 64 * WORDS as u64;
/// Length of a part of the window, and parts in the window.
const PART: Duration = Duration::from_secs(30);
const PARTS: usize = 10;

/// One seed for the process, so that threads set the same bits, and no client can choose its own.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A set of clients that can be counted and united, not read.
#[derive(Clone, Debug)]
pub(super) struct Distinct(Box<[u64; WORDS]>);

impl Default for Distinct {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Distinct {
    pub(super) fn note(&mut self, client: impl Hash) {
        self.set(SEED.hash_one(client));
    }

    fn set(&mut self, hash: u64) {
        let bit = hash % BITS;
        if let Some(word) = self.0.get_mut(usize::try_from(bit / 64).unwrap_or(0)) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(super) fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(mine, theirs)| *mine |= theirs);
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    fn count(&self) -> u64 {
        let zeros: u32 = self.0.iter().map(|word| word.count_zeros()).sum();
        let (bits, zeros) = (BITS as f64, f64::from(zeros.max(1)));
        (bits * (bits / zeros).ln()).round() as u64
    }
}

/// Clients of the last five minutes.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Parts of the window, the oldest first, each with what it covers.
    parts: VecDeque<(Duration, Distinct)>,
}

impl Recent {
    /// Adds the clients of the last `interval`; returns how many different ones there were in the window.
    pub(super) fn add(&mut self, interval: Duration, clients: Option<&Distinct>) -> u64 {
        if self.parts.back().is_none_or(|(covered, _)| *covered >= PART) {
            if self.parts.len() >= PARTS {
                self.parts.pop_front();
            }
            self.parts.push_back((Duration::ZERO, Distinct::default()));
        }
        if let Some((covered, part)) = self.parts.back_mut() {
            *covered += interval;
            clients.into_iter().for_each(|clients| part.unite(clients));
        }
        let mut all = Distinct::default();
        self.parts.iter().for_each(|(_, part)| all.unite(part));
        all.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasherDefault, DefaultHasher};

    /// With a fixed seed: two of 60 clients set the same bit with one random seed in ten.
    fn of(clients: std::ops::Range<u64>) -> Distinct {
        let seed = BuildHasherDefault::<DefaultHasher>::new();
        let mut distinct = Distinct::default();
        clients.for_each(|client| distinct.set(seed.hash_one(client)));
        distinct
    }

    #[test]
    fn client_counts_once() {
        let mut distinct = Distinct::default();
        (0..3).for_each(|_| distinct.note("192.0.2.7"));
        assert_eq!(distinct.count(), 1);
    }

    #[test]
    fn count_is_near_the_number_of_clients() {
        for clients in [0_u64, 1, 10, 1_000, 10_000, 50_000] {
            let mut distinct = Distinct::default();
            (0..3).for_each(|_| distinct.unite(&of(0..clients)));
            let counted = distinct.count();
            assert!(counted.abs_diff(clients) <= clients / 20, "{clients}: {counted}");
        }
    }

    #[test]
    fn window_unites_threads_and_forgets_after_five_minutes() {
        let mut recent = Recent::default();
        let second = Duration::from_secs(1);
        assert_eq!(recent.add(second, Some(&of(0..40))), 40);
        assert_eq!(recent.add(second, Some(&of(20..60))), 60);
        for _ in 0..250 {
            assert_eq!(recent.add(second, None), 60);
        }
        let left: Vec<u64> = (0..60).map(|_| recent.add(second, Some(&of(0..5)))).collect();
        assert_eq!(left.last(), Some(&5));
    }
}
