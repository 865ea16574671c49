//! The time over which long-lived connections are closed when their server or the edge drains.

use std::time::Duration;

/// Connections a second that may be closed together: any server takes their reconnects.
const PACE: f64 = 20.0;

/// Returns the time over which this many connections are closed: the longest allowed for many, less for few.
#[must_use]
pub fn spread(count: u64, longest: Duration) -> Duration {
    Duration::from_secs_f64((count.saturating_sub(1)) as f64 / PACE).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_closed_soon_and_many_within_the_limit() {
        let longest = Duration::from_secs(20);
        let table = [(0, 0.0), (1, 0.0), (21, 1.0), (200, 9.95), (9_500, 20.0), (u64::MAX, 20.0)];
        for (count, secs) in table {
            assert_eq!(spread(count, longest).as_secs_f64(), secs, "{count}");
        }
        assert_eq!(spread(9_500, Duration::ZERO), Duration::ZERO);
    }
}
