//! The samples of a chunk as compressed columns: ticks and codes by `pco`, good and bad as runs.

use super::sample::{DAY, Entry};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};

/// Why a column cannot be read: its bytes are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// The columns of a chunk. Their number of samples is stored beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// Ticks since the beginning of the chunk.
    pub(super) ticks: Vec<u8>,
    /// Codes of the values.
    pub(super) codes: Vec<u8>,
    /// Lengths of the runs of good and bad samples in turns, the first good; without the last.
    pub(super) runs: Vec<u8>,
}

impl Columns {
    /// `entries` are in order and at most a day from `begin`.
    pub(super) fn encode(begin: i64, entries: &[Entry]) -> Self {
        let ticks: Vec<u32> =
            entries.iter().map(|entry| u32::try_from(entry.tick() - begin).unwrap_or_default()).collect();
        let codes: Vec<i32> = entries.iter().map(|entry| entry.code()).collect();
        let mut runs = Vec::new();
        let (mut ok, mut length) = (true, 0);
        for entry in entries {
            if entry.ok() != ok {
                push_varint(&mut runs, length);
                (ok, length) = (entry.ok(), 0);
            }
            length += 1;
        }
        Self { ticks: compress(&ticks), codes: compress(&codes), runs }
    }

    /// The samples of a chunk that begins at `begin` and has `count` of them.
    pub(super) fn decode(&self, begin: i64, count: usize) -> Result<Vec<Entry>, Damaged> {
        if count > usize::try_from(DAY).unwrap_or(usize::MAX) {
            return Err(Damaged);
        }
        let ticks: Vec<u32> = decompress(&self.ticks, count)?;
        let codes: Vec<i32> = decompress(&self.codes, count)?;
        let mut runs = self.runs.as_slice();
        let (mut ok, mut left) = (true, next_run(&mut runs)?);
        let mut entries = Vec::with_capacity(count);
        for (tick, code) in ticks.into_iter().zip(codes) {
            while left == 0 {
                (ok, left) = (!ok, next_run(&mut runs)?);
            }
            left -= 1;
            entries.push(Entry::from_parts(begin + i64::from(tick), code, ok).ok_or(Damaged)?);
        }
        let in_order = entries.is_sorted_by(|a, b| a.tick() < b.tick());
        let ends = entries.last().is_none_or(|last| last.tick() < begin + DAY);
        if in_order && ends { Ok(entries) } else { Err(Damaged) }
    }
}

/// The length of the next run; the last one is not stored and has no end.
fn next_run(runs: &mut &[u8]) -> Result<u64, Damaged> {
    if runs.is_empty() { Ok(u64::MAX) } else { take_varint(runs) }
}

/// Compresses numbers. Nothing for no numbers.
pub(super) fn compress<T: pco::data_types::Number>(numbers: &[T]) -> Vec<u8> {
    if numbers.is_empty() {
        return Vec::new();
    }
    // It fails only for an invalid configuration, and this is the default. What has no bytes does not decode.
    simple_compress(numbers, &ChunkConfig::default()).unwrap_or_default()
}

/// Decompresses `count` numbers, no more and no fewer.
pub(super) fn decompress<T: pco::data_types::Number>(bytes: &[u8], count: usize) -> Result<Vec<T>, Damaged> {
    let mut numbers = vec![T::default(); count];
    if count == 0 {
        return if bytes.is_empty() { Ok(numbers) } else { Err(Damaged) };
    }
    let progress = simple_decompress_into(bytes, &mut numbers).map_err(|_| Damaged)?;
    if progress.n_processed == count { Ok(numbers) } else { Err(Damaged) }
}

pub(super) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Damaged)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{code, merge};
    use super::*;
    use proptest::prelude::*;

    const BEGIN: i64 = DAY * 20_000;

    fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
        let value = prop_oneof![0.001..10.0, -1e12..1e12, proptest::num::f64::NORMAL, Just(0.0)];
        proptest::collection::vec((0..DAY, value, proptest::bool::weighted(0.9)), 0..most).prop_map(|parts| {
            let entry = |(tick, value, ok)| Entry::from_parts(BEGIN + tick, code(value), ok).unwrap();
            let mut entries = parts.into_iter().map(entry).collect();
            merge(&mut entries);
            entries
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn columns_round_trip(entries in entries(600)) {
            let columns = Columns::encode(BEGIN, &entries);
            prop_assert_eq!(columns.decode(BEGIN, entries.len()), Ok(entries));
        }

        #[test]
        fn damaged_columns_are_refused_or_read(
            entries in entries(300),
            at in any::<proptest::sample::Index>(),
            bits in 1_u8..,
            cut: bool,
        ) {
            let mut columns = Columns::encode(BEGIN, &entries);
            for column in [&mut columns.ticks, &mut columns.codes, &mut columns.runs] {
                if column.is_empty() {
                    continue;
                }
                let at = at.index(column.len());
                if cut { column.truncate(at) } else { column[at] ^= bits }
            }
            if let Ok(read) = columns.decode(BEGIN, entries.len()) {
                prop_assert!(read.is_sorted_by(|a, b| a.tick() < b.tick()));
            }
        }

        #[test]
        fn arbitrary_columns_are_refused_or_read(
            ticks: Vec<u8>, codes: Vec<u8>, runs: Vec<u8>, count in 0_usize..2_000,
        ) {
            let _ = Columns { ticks, codes, runs }.decode(BEGIN, count);
        }
    }
}
