//! Roll-ups: what a stretch of time has in sum, and how its values are spread.
//!
//! A chunk of two hours and a day have a [`Summary`], each hour of a closed day has a summary and a [`Sketch`]. Sketches
//! are stored by the hour, not single percentiles: a p95 of several hours does not follow from their p95s, it does
//! follow from the sum of their sketches.

use super::columns::{Damaged, compress, decompress, push_varint, take_varint};
use super::sample::{DAY, Entry, HOUR, code, value};
use std::collections::BTreeMap;

/// Bits of a code that a sketch does not keep: sixteen buckets for each doubling of the value.
const SKETCH_BITS: u32 = 4;

/// Count and sum. Sum, minimum and maximum are those of good samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) ok: u64,
    pub(super) sum: f64,
    /// Codes of the smallest and the largest good value; both 0 without one.
    pub(super) min: i32,
    pub(super) max: i32,
}

impl Summary {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut summary = Self::default();
        for entry in entries {
            summary.add(*entry);
        }
        summary
    }

    pub(super) fn add(&mut self, entry: Entry) {
        let ok = u64::from(entry.ok());
        let (sum, code) = if entry.ok() { (value(entry.code()), entry.code()) } else { (0.0, 0) };
        self.merge(&Self { count: 1, ok, sum, min: code, max: code });
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        if other.ok > 0 {
            (self.min, self.max) = if self.ok == 0 {
                (other.min, other.max)
            } else {
                (self.min.min(other.min), self.max.max(other.max))
            };
        }
        self.ok += other.ok;
        self.sum += other.sum;
    }
}

/// How many good values lie in which bucket. Sketches can be added. A percentile is the middle of its bucket, so within
/// 3.2 % of the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sketch(BTreeMap<i32, u64>);

impl Sketch {
    pub(super) fn add(&mut self, entry: Entry) {
        if entry.ok() {
            *self.0.entry(bucket(entry.code())).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    /// The value of which `share` of all values are not larger (nearest rank), between the exact smallest and largest.
    pub(super) fn percentile(&self, share: f64, summary: &Summary) -> Option<f64> {
        let rank = nearest_rank(share, usize::try_from(self.0.values().sum::<u64>()).ok()?)?;
        let mut seen = 0;
        for (bucket, count) in &self.0 {
            seen += count;
            if seen > rank as u64 {
                let half = 1 << (SKETCH_BITS - 1);
                let middle = match *bucket {
                    0 => 0,
                    bucket => (bucket << SKETCH_BITS) + if bucket < 0 { -half } else { half },
                };
                return Some(value(middle.clamp(summary.min, summary.max.max(summary.min))));
            }
        }
        None
    }
}

/// The index of a percentile in `count` values in order.
pub(super) fn nearest_rank(share: f64, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(((share * count as f64).ceil() as usize).saturating_sub(1).min(last))
}

/// Towards zero, so that a bucket has one sign.
fn bucket(code: i32) -> i32 {
    code.signum() * (code.abs() >> SKETCH_BITS)
}

/// The roll-up of an hour of a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hour {
    /// 0 to 23.
    pub(super) hour: u8,
    pub(super) summary: Summary,
    pub(super) sketch: Sketch,
}

/// The hours of a day that have samples, in order.
pub(super) fn hours(day_begin: i64, entries: &[Entry]) -> Vec<Hour> {
    let mut hours: Vec<Hour> = Vec::new();
    for entry in entries {
        let hour = u8::try_from((entry.tick() - day_begin) / HOUR).unwrap_or_default();
        if hours.last().is_none_or(|last| last.hour != hour) {
            hours.push(Hour { hour, ..Hour::default() });
        }
        if let Some(last) = hours.last_mut() {
            last.summary.add(*entry);
            last.sketch.add(*entry);
        }
    }
    hours
}

/// Stored form of a day's hours: numbers of hours and of buckets; four bytes for each sum; the fields of the hours and
/// the buckets as columns compressed together, because each is too short for a header of its own. Sums have
/// the precision of `f32`.
pub(super) fn encode_hours(hours: &[Hour]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let buckets: usize = hours.iter().map(|hour| hour.sketch.0.len()).sum();
    push_varint(&mut bytes, hours.len() as u64);
    push_varint(&mut bytes, buckets as u64);
    for hour in hours {
        bytes.extend((hour.summary.sum as f32).to_le_bytes());
    }
    let mut previous = (0, 0);
    let mut fields = Vec::with_capacity(hours.len() * 6);
    let (mut gaps, mut counts) = (Vec::with_capacity(buckets), Vec::with_capacity(buckets));
    for Hour { hour, summary, sketch } in hours {
        let first = sketch.0.keys().next().copied().unwrap_or_default();
        fields.push([
            i64::from(*hour),
            summary.count.cast_signed(),
            (summary.count - summary.ok).cast_signed(),
            i64::from(summary.min - (first << SKETCH_BITS)),
            i64::from(summary.max) - i64::from(previous.1),
            sketch.0.len() as i64,
        ]);
        let mut last = previous.0;
        for (bucket, count) in &sketch.0 {
            gaps.push(zigzag(i64::from(*bucket) - i64::from(last)));
            counts.push(u32::try_from(*count).unwrap_or(u32::MAX));
            last = *bucket;
        }
        previous = (first, summary.max);
    }
    let fields: Vec<u32> = (0..6).flat_map(|n| fields.iter().map(move |row| zigzag(row[n]))).collect();
    for column in [fields, gaps, counts] {
        let column = compress(&column);
        push_varint(&mut bytes, column.len() as u64);
        bytes.extend(column);
    }
    bytes
}

/// Reads what [`encode_hours`] wrote.
pub(super) fn decode_hours(mut bytes: &[u8]) -> Result<Vec<Hour>, Damaged> {
    let count = usize::try_from(take_varint(&mut bytes)?).map_err(|_| Damaged)?;
    let buckets = usize::try_from(take_varint(&mut bytes)?).map_err(|_| Damaged)?;
    if count > 24 || buckets > usize::try_from(DAY).unwrap_or(usize::MAX) {
        return Err(Damaged);
    }
    let (sums, mut bytes) = bytes.split_at_checked(count * 4).ok_or(Damaged)?;
    let mut column = |count| -> Result<Vec<u32>, Damaged> {
        let length = usize::try_from(take_varint(&mut bytes)?).map_err(|_| Damaged)?;
        let (column, rest) = bytes.split_at_checked(length).ok_or(Damaged)?;
        bytes = rest;
        decompress(column, count)
    };
    let fields = column(count * 6)?;
    let gaps = column(buckets)?;
    let counts = column(buckets)?;
    let mut buckets = gaps.into_iter().zip(counts);
    let mut previous = (0_i64, 0_i64);
    let mut hours = Vec::with_capacity(count);
    for (n, sum) in sums.chunks_exact(4).enumerate() {
        let field = |column: usize| unzigzag(fields[column * count + n]);
        let mut sketch = Sketch::default();
        let mut last = previous.0;
        let mut first = None;
        for (gap, count) in buckets.by_ref().take(usize::try_from(field(5)).map_err(|_| Damaged)?) {
            last += unzigzag(gap);
            first.get_or_insert(last);
            sketch.0.insert(i32::try_from(last).map_err(|_| Damaged)?, u64::from(count));
        }
        let first = first.unwrap_or_default();
        let samples = u64::try_from(field(1)).map_err(|_| Damaged)?;
        let bad = u64::try_from(field(2)).map_err(|_| Damaged)?;
        let (min, max) = (field(3) + (first << SKETCH_BITS), field(4) + previous.1);
        previous = (first, max);
        let min = i32::try_from(min).map_err(|_| Damaged)?;
        let max = i32::try_from(max).map_err(|_| Damaged)?;
        let ok = samples.checked_sub(bad).ok_or(Damaged)?;
        let sum = f64::from(f32::from_le_bytes(sum.try_into().map_err(|_| Damaged)?));
        // Limits keep a damaged code from becoming a value that is not a number.
        if min > max || min < code(f64::MIN) || max > code(f64::MAX) || !sum.is_finite() {
            return Err(Damaged);
        }
        let hour = u8::try_from(field(0)).ok().filter(|hour| *hour < 24).ok_or(Damaged)?;
        hours.push(Hour { hour, summary: Summary { count: samples, ok, sum, min, max }, sketch });
    }
    Ok(hours)
}

fn zigzag(number: i64) -> u32 {
    u32::try_from(((number << 1) ^ (number >> 63)).cast_unsigned()).unwrap_or(u32::MAX)
}

fn unzigzag(number: u32) -> i64 {
    (i64::from(number) >> 1) ^ -(i64::from(number) & 1)
}
