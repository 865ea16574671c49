//! Requests in flight, counted by client and by age.

use crate::random::mix;
use crate::tick::Tick;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A request that is in flight for this duration is a client that waits for something to happen, not work of a server.
const LONG: Duration = Duration::from_secs(3);
/// The number of whole seconds by which ages are distinguished.
const SECONDS_MAX: usize = 64;

/// Requests in flight.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    each: HashMap<u64, u32, Seeded>,
    /// Requests without a client: declared callers on their own behalf.
    alone: u32,
    /// Requests by the second in which they began, the oldest second first.
    seconds: VecDeque<(u64, u32)>,
}

impl Clients {
    /// The seed is secret, so that no client can choose addresses that collide.
    pub(crate) fn new(seed: u64) -> Self {
        Self { each: HashMap::with_hasher(Seeded(seed)), alone: 0, seconds: VecDeque::new() }
    }

    pub(crate) fn has(&self, client: Option<u64>) -> bool {
        client.is_some_and(|client| self.each.contains_key(&client))
    }

    /// Number of clients with a request in flight.
    pub(crate) fn count(&self) -> u32 {
        self.alone.saturating_add(u32::try_from(self.each.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn begin(&mut self, client: Option<u64>, now: Tick) {
        match client {
            Some(client) => *self.each.entry(client).or_insert(0) += 1,
            None => self.alone += 1,
        }
        let second = second(now);
        match self.seconds.back_mut().filter(|(at, _)| *at >= second) {
            Some((_, count)) => *count += 1,
            None => self.seconds.push_back((second, 1)),
        }
        if self.seconds.len() > SECONDS_MAX
            && let Some((_, oldest)) = self.seconds.pop_front()
            && let Some((_, next)) = self.seconds.front_mut()
        {
            *next += oldest;
        }
    }

    pub(crate) fn end(&mut self, client: Option<u64>, began: Tick) {
        match client {
            Some(client) => {
                if let Some(count) = self.each.get_mut(&client) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.each.remove(&client);
                    }
                }
            }
            None => self.alone = self.alone.saturating_sub(1),
        }
        let second = second(began);
        // Older than all distinguished seconds: counted with the oldest.
        let place = self.seconds.iter().rposition(|(at, count)| *at <= second && *count > 0);
        let place = place.or_else(|| self.seconds.iter().position(|(_, count)| *count > 0));
        if let Some((_, count)) = place.and_then(|place| self.seconds.get_mut(place)) {
            *count -= 1;
        }
        while self.seconds.front().is_some_and(|(_, count)| *count == 0) {
            self.seconds.pop_front();
        }
    }

    /// Number of requests in flight for more than [`LONG`], which are no work.
    pub(crate) fn long(&self, now: Tick) -> u32 {
        let Some(before) = second(now).checked_sub(LONG.as_secs()) else { return 0 };
        self.seconds.iter().take_while(|(at, _)| *at < before).map(|(_, count)| *count).sum()
    }
}

fn second(tick: Tick) -> u64 {
    tick.0 / 1_000_000
}

/// Numbers of clients are mixed already; the seed makes their positions secret.
#[derive(Clone, Copy, Debug)]
struct Seeded(u64);

impl BuildHasher for Seeded {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.0)
    }
}

struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = mix(self.0, u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0, number);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: u64) -> Tick {
        Tick(secs * 1_000_000)
    }

    #[test]
    fn long_requests_are_those_of_seconds_ago() {
        let mut clients = Clients::new(7);
        clients.begin(Some(1), at(10));
        clients.begin(Some(1), at(10));
        clients.begin(None, at(12));
        assert_eq!((clients.count(), clients.long(at(13))), (2, 0));
        assert_eq!((clients.long(at(14)), clients.long(at(20))), (2, 3));
        clients.end(Some(1), at(10));
        assert!(clients.has(Some(1)) && !clients.has(None));
        assert_eq!((clients.count(), clients.long(at(20))), (2, 2));
    }

    proptest! {
        #[test]
        fn nothing_is_left_when_all_have_ended(starts in prop::collection::vec((0_u64..5, 0_u64..200), 0..300)) {
            let mut clients = Clients::new(9);
            let mut starts: Vec<(Option<u64>, Tick)> =
                starts.into_iter().map(|(who, secs)| ((who > 0).then_some(who), at(secs))).collect();
            starts.sort_by_key(|(_, began)| *began);
            for (who, began) in &starts {
                clients.begin(*who, *began);
            }
            prop_assert_eq!(clients.long(at(1_000)) as usize, starts.len());
            for (who, began) in starts {
                clients.end(who, began);
            }
            prop_assert_eq!((clients.count(), clients.long(at(1_000))), (0, 0));
            prop_assert!(clients.seconds.is_empty());
        }
    }
}
