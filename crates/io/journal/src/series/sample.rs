//! A sample, and its stored form: a time on a grid of 100 ms and a value of nine significant bits, in 64 bits.

use types::Time;

/// Length of a tick in milliseconds. Of two samples of a series in the same tick the one stored later counts.
pub const TICK_MS: i64 = 100;

/// Ticks of an hour.
pub(super) const HOUR: i64 = 36_000;
/// Ticks of a chunk of the first stage: two hours.
pub(super) const WINDOW: i64 = 2 * HOUR;
/// Ticks of a chunk of the second stage: a day of UTC.
pub(super) const DAY: i64 = 24 * HOUR;

/// Ticks are below this number, which is in the year 2841.
const TICK_END: i64 = 1 << 38;
/// Bits of the fraction of an `f64` that are not kept.
const DROPPED_BITS: u32 = 44;
/// The code of the largest finite value.
const CODE_MAX: u64 = (f64::MAX.to_bits()) >> DROPPED_BITS;
/// Added to a code so that it is never negative.
const CODE_BIAS: i64 = 1 << 20;

/// One measurement of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Time of the measurement. Stored to 100 ms, rounded down.
    pub at: Time,
    /// The value in the unit of the caller (seconds, bytes, a number of connections). Stored with nine significant
    /// bits: within 0.2 %; whole numbers up to 512 and zero exactly.
    pub value: f64,
    /// Whether it was good, as judged by the caller. Minimum, mean, maximum and percentiles are those of good samples,
    /// because a refused connection is quick and a timeout says nothing about latency.
    pub ok: bool,
}

/// A stored sample in 64 bits: tick, code of the value, good. Ordered by tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    /// `None` when the value is not finite or the time out of range.
    pub(super) fn new(sample: &Sample) -> Option<Self> {
        let tick = sample.at.as_millisecond().div_euclid(TICK_MS);
        if !sample.value.is_finite() {
            return None;
        }
        Self::from_parts(tick, code(sample.value), sample.ok)
    }

    /// `None` when tick or code are out of range, which only damage brings about.
    pub(super) fn from_parts(tick: i64, code: i32, ok: bool) -> Option<Self> {
        if !(0..TICK_END).contains(&tick) || u64::from(code.unsigned_abs()) > CODE_MAX {
            return None;
        }
        let (tick, code) = (tick.cast_unsigned(), (i64::from(code) + CODE_BIAS).cast_unsigned());
        Some(Self(tick << 22 | code << 1 | u64::from(ok)))
    }

    pub(super) fn tick(self) -> i64 {
        (self.0 >> 22).cast_signed()
    }

    pub(super) fn code(self) -> i32 {
        let biased = (self.0 >> 1 & 0x1f_ffff).cast_signed() - CODE_BIAS;
        i32::try_from(biased).unwrap_or_default()
    }

    pub(super) fn ok(self) -> bool {
        self.0 & 1 == 1
    }

    pub(super) fn sample(self) -> Sample {
        Sample { at: time(self.tick()), value: value(self.code()), ok: self.ok() }
    }

    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let entry = Self(u64::from_le_bytes(bytes));
        Self::from_parts(entry.tick(), entry.code(), entry.ok())
    }
}

/// Puts entries into order; of several in a tick the last is kept. So whatever is merged twice counts once.
pub(super) fn merge(entries: &mut Vec<Entry>) {
    entries.sort_by_key(|entry| entry.tick());
    let mut kept = 0;
    for n in 0..entries.len() {
        if entries.get(n + 1).is_none_or(|next| next.tick() != entries[n].tick()) {
            entries[kept] = entries[n];
            kept += 1;
        }
    }
    entries.truncate(kept);
}

/// Sign and magnitude: the upper bits of the `f64`, rounded. Codes have the order of their values, and equal
/// distances of codes are about equal ratios of values.
pub(super) fn code(value: f64) -> i32 {
    let bits = value.abs().to_bits();
    let magnitude = ((bits + (1 << (DROPPED_BITS - 1))) >> DROPPED_BITS).min(CODE_MAX);
    let magnitude = i32::try_from(magnitude).unwrap_or(i32::MAX);
    if value < 0.0 { -magnitude } else { magnitude }
}

pub(super) fn value(code: i32) -> f64 {
    let magnitude = f64::from_bits(u64::from(code.unsigned_abs()) << DROPPED_BITS);
    if code < 0 { -magnitude } else { magnitude }
}

/// The time of a tick.
pub(super) fn time(tick: i64) -> Time {
    Time::from_millisecond(tick.saturating_mul(TICK_MS)).unwrap_or(Time::MAX)
}

/// The tick in which a time lies; times out of range are moved to the ends.
pub(super) fn tick(at: Time) -> i64 {
    at.as_millisecond().div_euclid(TICK_MS).clamp(0, TICK_END)
}

/// The first tick that is not before a time.
pub(super) fn tick_from(at: Time) -> i64 {
    let ms =
        at.as_nanosecond().div_euclid(1_000_000) + i128::from(at.as_nanosecond().rem_euclid(1_000_000) > 0);
    let tick = ms.div_euclid(i128::from(TICK_MS)) + i128::from(ms.rem_euclid(i128::from(TICK_MS)) > 0);
    i64::try_from(tick).unwrap_or(TICK_END).clamp(0, TICK_END)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_to_512_zero_and_the_ends_are_exact() {
        for whole in 0..=512 {
            for number in [f64::from(whole), -f64::from(whole), f64::from(whole) / 1024.0] {
                assert_eq!(value(code(number)), number);
            }
        }
        assert!(value(code(f64::MAX)).is_finite());
        assert_eq!(code(-0.0), 0);
    }

    #[test]
    fn the_later_entry_of_a_tick_is_kept() {
        let entry = |tick, code| Entry::from_parts(tick, code, true).unwrap();
        let mut entries = vec![entry(7, 1), entry(3, 1), entry(7, 9), entry(3, 2), entry(7, 5)];
        merge(&mut entries);
        assert_eq!(entries, [entry(3, 2), entry(7, 5)]);
    }

    proptest! {
        #[test]
        fn values_are_kept_within_a_512th(number in proptest::num::f64::NORMAL) {
            let kept = value(code(number));
            prop_assert!((kept - number).abs() <= number.abs() / 511.0, "{number} became {kept}");
        }

        #[test]
        fn entries_round_trip(tick in 0..TICK_END, number in proptest::num::f64::NORMAL, ok: bool) {
            let entry = Entry::from_parts(tick, code(number), ok).unwrap();
            prop_assert_eq!((entry.tick(), entry.code(), entry.ok()), (tick, code(number), ok));
            prop_assert_eq!(Entry::from_bytes(entry.to_bytes()), Some(entry));
            prop_assert_eq!(Entry::new(&entry.sample()), Some(entry));
        }

        #[test]
        fn arbitrary_bytes_are_an_entry_or_nothing(bytes: [u8; 8]) {
            if let Some(entry) = Entry::from_bytes(bytes) {
                prop_assert!(value(entry.code()).is_finite());
            }
        }
    }
}
