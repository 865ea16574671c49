//! Intervals and delays between attempts.

use std::time::Duration;

/// Interval between attempts that a provider accepted and no human answered, in the first ten minutes of a run. No
/// contact is used again sooner. It grows with the age of the run: see [`repeat_interval`].
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(60);

/// Repeat intervals up to an age of the run; afterwards [`REPEAT_INTERVAL_MAX`]. They give 185 messages in the first
/// day, less than the 250 that a free account of a push service allows: beyond that quota, no page would be delivered
/// at all.
const REPEAT_INTERVALS: [(Duration, Duration); 3] = [
    (Duration::from_secs(600), REPEAT_INTERVAL),
    (Duration::from_secs(3_600), Duration::from_secs(120)),
    (Duration::from_secs(3 * 3_600), Duration::from_secs(300)),
];

/// The longest repeat interval.
pub const REPEAT_INTERVAL_MAX: Duration = Duration::from_secs(600);

/// The repeat interval for an age of the run.
#[must_use]
pub fn repeat_interval(age: Duration) -> Duration {
    REPEAT_INTERVALS
        .iter()
        .find(|(until, _)| age < *until)
        .map_or(REPEAT_INTERVAL_MAX, |(_, interval)| *interval)
}

/// Delays before the retries of a contact whose provider failed (P7). After the last retry the other contacts come
/// first.
pub const RETRY_DELAYS: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];

/// Upper limit of the delay that a provider may ask for, so that a page is not delayed for long.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// Interval between attempts over a fallback contact, without a maximum number. The repeat interval applies where it is
/// longer and the last attempt was accepted.
pub const FALLBACK_INTERVAL: Duration = Duration::from_secs(300);

/// Delays of a notice after each failed pass over all contacts; the last one repeats.
pub(super) const NOTICE_DELAYS: [Duration; 5] = [
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3_600),
];

/// A notice is abandoned over a contact after this many attempts, which takes about a day.
pub(crate) const NOTICE_ATTEMPTS_MAX: u32 = 28;

/// Time from an accepted call to the second one. A phone that is set to be silent rings for the same caller a second time
/// within two minutes; and no number is called more than once a minute.
pub const SECOND_CALL: Duration = Duration::from_secs(75);

/// Shortest time from the second call to the next one: providers block whoever calls a number more often, and other contacts
/// are used meanwhile.
pub const CALL_INTERVAL: Duration = Duration::from_secs(300);

/// Shortest time between SMS to one number, for the same reason.
pub const SMS_INTERVAL: Duration = Duration::from_secs(180);
