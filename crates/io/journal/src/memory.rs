//! A journal in memory, for tests and the simulation.

use crate::journal::{AppendError, Committed, Head, Journal, ReadError};
use crate::record::{Record, is_increasing};
use types::Event;

/// A journal in memory. It stores JSON bytes, so that a value that JSON cannot represent fails here too.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    epoch: u32,
    records: Vec<Record>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self { epoch: 1, records: Vec::new() }
    }

    /// Simulates a restore of the state after `seq`: later events are removed and a new epoch begins.
    pub fn rewind(&mut self, seq: u64) {
        self.records.truncate(self.after(seq));
        self.epoch += 1;
    }

    fn ends(&self) -> Head {
        Head { epoch: self.epoch, seq: self.records.last().map_or(0, |line| line.seq) }
    }

    /// Index of the first record after a sequence number.
    fn after(&self, seq: u64) -> usize {
        self.records.partition_point(|line| line.seq <= seq)
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, expect: u64, events: &[Event]) -> Result<Committed, AppendError> {
        let records = Record::encode_all(events)?;
        let conflict = AppendError::Conflict { current: self.ends() };
        if !is_increasing(expect, &records) || expect > self.ends().seq {
            return Err(conflict);
        }
        let there = &self.records[self.after(expect)..];
        if records.is_empty() && !there.is_empty() || there.iter().zip(&records).any(|(old, new)| old != new)
        {
            return Err(conflict);
        }
        let known = there.len().min(records.len());
        self.records.extend(records.into_iter().skip(known));
        Ok(Committed { head: self.ends() })
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.records[self.after(after)..]
            .iter()
            .take(limit)
            .map(|line| {
                serde_json::from_str(&line.body)
                    .map_err(|e| ReadError::Damaged { seq: line.seq, why: e.to_string() })
            })
            .collect()
    }

    fn head(&self) -> Result<Head, ReadError> {
        Ok(self.ends())
    }
}
