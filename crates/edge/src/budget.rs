//! A bound of bytes for the whole process, taken and given back by those who hold them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be held at once.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    /// A share of nothing yet, which grows by [`Share::grow`]; for each who holds bytes one.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }

    /// A share of so many bytes, where they are there.
    pub(crate) fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        let mut share = self.share();
        share.grow(bytes).then_some(share)
    }
}

/// Bytes held by one; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Takes so many more. False where they are not there; the share stays as it was.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.budget.most);
        let grown = self.budget.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// Gives so many back before the rest.
    pub(crate) fn give(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_given_back_and_never_more_are_held() {
        let budget = Budget::new(100);
        let mut first = budget.try_take(60).unwrap();
        assert!(budget.try_take(41).is_none());
        let mut second = budget.share();
        assert!(second.grow(30) && !second.grow(11) && second.grow(10));
        assert!(!first.grow(usize::MAX) && !first.grow(1));
        first.give(20);
        first.give(100);
        assert!(second.grow(60));
        drop(second);
        drop(first);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
        assert!(budget.try_take(100).is_some());
    }

    #[test]
    fn threads_together_hold_no_more_than_the_budget() {
        let budget = Budget::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for bytes in (1..500).cycle().take(20_000) {
                        let _share = budget.try_take(bytes);
                        assert!(budget.taken.load(Ordering::Relaxed) <= 1_000);
                    }
                });
            }
        });
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
