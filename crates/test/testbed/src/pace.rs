//! A fixed rate of service: a number of places, a fixed duration, a queue.
//!
//! Places are booked ahead on a timetable instead of being held and let go: the rounding of timers does not add up, so
//! a pace of 10 x 50 ms is 200/s exactly. Booked work is done even if its client has disconnected, which is what
//! most servers do and what makes overload so lasting.

use std::time::{Duration, Instant};

/// The timetable.
#[derive(Clone, Debug)]
pub struct Pace {
    each: Duration,
    wait_max: Duration,
    /// When each place is free again.
    free: Vec<Instant>,
}

impl Pace {
    /// `places` concurrent requests of duration `each`; requests that would wait longer than `wait_max` are rejected.
    #[must_use]
    pub fn new(places: usize, each: Duration, wait_max: Duration, now: Instant) -> Self {
        Self { each, wait_max, free: vec![now; places.max(1)] }
    }

    /// Books the next free place; says when the work is done, or `None` when the line is too long.
    pub fn book(&mut self, now: Instant) -> Option<Instant> {
        let soonest = self.free.iter_mut().min()?;
        let begin = (*soonest).max(now);
        if begin.saturating_duration_since(now) > self.wait_max {
            return None;
        }
        *soonest = begin + self.each;
        Some(*soonest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serves_so_many_a_second_and_no_more() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut pace = Pace::new(10, ms(50), ms(500), start);
        let (mut served, mut away) = (0, 0);
        for step in 0..2_000 {
            // 1,000 a second for two seconds.
            match pace.book(start + ms(step)) {
                Some(done) => {
                    assert!(done <= start + ms(step + 550));
                    served += u32::from(done <= start + ms(2_000));
                }
                None => away += 1,
            }
        }
        // The places begin a millisecond apart; half a second of work is in line at the end.
        assert!((390..=400).contains(&served), "{served}");
        assert!((1_480..=1_510).contains(&away), "{away}");
    }

    #[test]
    fn idle_place_starts_immediately() {
        let start = Instant::now();
        let mut pace = Pace::new(1, Duration::from_millis(50), Duration::ZERO, start);
        let later = start + Duration::from_secs(3);
        assert_eq!(pace.book(later), Some(later + Duration::from_millis(50)));
        assert_eq!(pace.book(later), None);
    }
}
