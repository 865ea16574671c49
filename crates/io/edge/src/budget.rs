//! A memory budget for the whole process, counted by those that hold the bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes that may be held.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    /// Whether nothing is left: then nothing more is read that need not be held.
    pub(crate) fn is_spent(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most
    }

    /// An empty share of the budget, to be filled by [`Share::hold`]; one for each holder.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

/// Bytes held by one; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Sets the number of bytes that the holder has. It has them already, so the last one may exceed the budget;
    /// the next holder finds it spent. Returns whether it is more than before.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.budget.taken.fetch_add(bytes - before, Ordering::Relaxed);
        } else if bytes < before {
            self.budget.taken.fetch_sub(before - bytes, Ordering::Relaxed);
        }
        bytes > before
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_and_given_back() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.share(), budget.share());
        first.hold(60);
        second.hold(39);
        assert!(!budget.is_spent());
        second.hold(40);
        assert!(budget.is_spent());
        first.hold(10);
        assert!(!budget.is_spent());
        first.hold(200);
        drop(second);
        assert!(budget.is_spent());
        drop(first);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn threads_that_look_first_exceed_it_by_one_part_each_at_most() {
        let budget = Budget::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut shares = Vec::new();
                    for bytes in (1..100).cycle().take(20_000) {
                        if budget.is_spent() {
                            shares.clear();
                            continue;
                        }
                        let mut share = budget.share();
                        share.hold(bytes);
                        shares.push(share);
                        assert!(budget.taken.load(Ordering::Relaxed) < 1_000 + 4 * 100);
                    }
                });
            }
        });
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
