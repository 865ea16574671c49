//! Limit of an API per address: a sliding window that counts rejected calls too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Parts of a window: it slides in steps of a tenth.
const PARTS: usize = 10;
/// Most addresses.
const ADDRESSES_MAX: usize = 65_536;

/// Limit of calls per address within a window.
#[derive(Debug)]
pub struct SlidingWindow {
    most: u32,
    part: Duration,
    start: Instant,
    seen: HashMap<IpAddr, Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Number of the part that was counted last.
    part: u64,
    counts: [u32; PARTS],
}

impl SlidingWindow {
    /// At most `most` calls of one address within `window`.
    #[must_use]
    pub fn new(most: u32, window: Duration, now: Instant) -> Self {
        let part = (window / PARTS as u32).max(Duration::from_millis(1));
        Self { most, part, start: now, seen: HashMap::new() }
    }

    /// Counts a call and says whether it is within the limit.
    pub fn count(&mut self, address: IpAddr, now: Instant) -> bool {
        let part = self.part_of(now);
        if self.seen.len() >= ADDRESSES_MAX && !self.seen.contains_key(&address) {
            self.seen.retain(|_, seen| part.saturating_sub(seen.part) < PARTS as u64);
            if self.seen.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let seen = self.seen.entry(address).or_default();
        for gone in seen.part + 1..=part.min(seen.part + PARTS as u64) {
            seen.counts[gone as usize % PARTS] = 0;
        }
        seen.part = part;
        let count = &mut seen.counts[part as usize % PARTS];
        *count = count.saturating_add(1);
        seen.counts.iter().sum::<u32>() <= self.most
    }

    fn part_of(&self, now: Instant) -> u64 {
        let parts = now.saturating_duration_since(self.start).as_millis() / self.part.as_millis();
        u64::try_from(parts).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn refused_calls_count_too() {
        let start = Instant::now();
        let mut window = SlidingWindow::new(10, Duration::from_secs(10), start);
        let who = IpAddr::V4(Ipv4Addr::new(127, 1, 2, 3));
        let mut served = |secs: u64| window.count(who, start + Duration::from_secs(secs));
        assert!((0..10).all(|_| served(0)));
        assert!(!served(0));
        // A client that repeats twice per second is never served again ...
        assert!((1..60).all(|secs| !(served(secs) | served(secs))));
        // ... until there was a pause.
        assert!(served(70));
        assert!(window.count(IpAddr::V4(Ipv4Addr::new(127, 1, 2, 4)), start));
    }
}
