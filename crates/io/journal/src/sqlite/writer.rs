//! The writer thread: one transaction per append, then the high-water mark, then the answer.

use super::high_water::{HighWater, HighWaterFile};
use super::tables::{self, State};
use crate::journal::{AppendError, Committed, Head};
use crate::record::{Record, is_increasing};
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

/// An append in the writer's queue.
pub(super) struct Job {
    pub(super) expect: u64,
    pub(super) records: Vec<Record>,
    pub(super) answer: SyncSender<Result<Committed, AppendError>>,
}

/// The owner of the only connection that can write.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) mark: HighWaterFile,
    pub(super) epoch: u32,
}

impl Writer {
    /// Processes appends until the journal is dropped.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, head: &Arc<Mutex<Head>>) {
        while let Ok(job) = jobs.recv() {
            let answer = self.append(job.expect, &job.records);
            if let Ok(committed) = &answer {
                *head.lock().unwrap_or_else(PoisonError::into_inner) = committed.head;
            }
            // The caller may have timed out; it repeats the append.
            let _ = job.answer.send(answer);
        }
    }

    pub(super) fn append(&mut self, expect: u64, records: &[Record]) -> Result<Committed, AppendError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| failed(&e))?;
        // The rows are read each time: after a failed commit only they show what was written.
        let State { head: current, mut hash } = tables::state(&tx).map_err(|e| failed(&e))?;
        if current.epoch != self.epoch {
            return Err(AppendError::EpochChanged);
        }
        let marked = self.mark.newest().head.seq;
        if current.seq < marked {
            let gone = format!("events {} to {marked} are gone from it while it was in use", current.seq + 1);
            return Err(AppendError::Unavailable(gone));
        }
        let conflict = AppendError::Conflict { current };
        if expect > current.seq || !is_increasing(expect, records) {
            return Err(conflict);
        }
        let known = if expect == current.seq {
            Some(0)
        } else {
            known(&tx, expect, records).map_err(|e| failed(&e))?
        };
        let fresh = known.and_then(|known| records.get(known..)).ok_or(conflict)?;
        for line in fresh {
            hash = hash.then(line.body.as_bytes());
            tx.prepare_cached("INSERT INTO event (seq, at, body, hash) VALUES (?1, ?2, ?3, ?4)")
                .and_then(|mut insert| {
                    insert.execute(params![tables::signed(line.seq), line.at, line.body, hash.0])
                })
                .map_err(|e| failed(&e))?;
        }
        let head = Head { epoch: self.epoch, seq: fresh.last().map_or(current.seq, |line| line.seq) };
        if fresh.is_empty() {
            drop(tx);
        } else {
            tx.commit().map_err(|e| commit_failed(&e))?;
        }
        let mark = HighWater { head, hash };
        if self.mark.newest() != mark {
            self.mark.set(mark).map_err(|error| {
                tracing::error!(%error, "the journal's mark cannot be written");
                AppendError::Unknown
            })?;
        }
        Ok(Committed { head })
    }
}

/// How many of the records are stored already; `None` when the journal has different ones in their place.
fn known(db: &Connection, expect: u64, records: &[Record]) -> rusqlite::Result<Option<usize>> {
    let limit = i64::try_from(records.len().max(1)).unwrap_or(i64::MAX);
    let there: Vec<(i64, String)> = db
        .prepare_cached("SELECT seq, body FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
        .query_map([tables::signed(expect), limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let same = there.len() <= records.len()
        && there
            .iter()
            .zip(records)
            .all(|((seq, body), line)| *seq == tables::signed(line.seq) && *body == line.body);
    Ok(same.then_some(there.len()))
}

/// The error of a failure before the commit: nothing was written.
fn failed(error: &rusqlite::Error) -> AppendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => AppendError::Full,
        Some(ErrorCode::DatabaseBusy) => AppendError::Unavailable(
            "another program holds its write lock; close it, or open it `-readonly`".to_owned(),
        ),
        _ => AppendError::Unavailable(error.to_string()),
    }
}

/// The error of a failed commit: the frames may be in the log although their sync failed, and a restart would find them.
fn commit_failed(error: &rusqlite::Error) -> AppendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => AppendError::Full,
        Some(ErrorCode::DatabaseBusy) => failed(error),
        _ => {
            tracing::error!(%error, "a commit of the journal failed");
            AppendError::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::open::{Loss, open};
    use super::*;
    use crate::contract::{event, events};

    #[test]
    fn a_full_disk_is_named_and_then_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder.path().join("journal.db"), Loss::Refused).unwrap();
        let mut writer = Writer { db: opened.db, mark: opened.mark, epoch: 1 };
        let pages: i64 = writer.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        writer.db.pragma_update(None, "max_page_count", pages + 4).unwrap();
        let mut seq = 0;
        let full = loop {
            match writer.append(seq, &Record::encode_all(&events(seq + 1, seq + 10)).unwrap()) {
                Ok(committed) => seq = committed.head.seq,
                Err(e) => break e,
            }
        };
        assert_eq!(full, AppendError::Full);
        assert_eq!(
            writer.append(seq, &Record::encode_all(&events(seq + 1, seq + 10)).unwrap()),
            Err(AppendError::Full)
        );
        writer.db.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        let committed = writer.append(seq, &Record::encode_all(&events(seq + 1, seq + 10)).unwrap()).unwrap();
        assert_eq!(committed.head.seq, seq + 10);
        assert_eq!(tables::walk(&writer.db, 0).unwrap().0, seq + 10);
    }

    #[test]
    fn notices_a_restore_under_it_and_rows_that_vanish() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder.path().join("journal.db"), Loss::Refused).unwrap();
        let mut writer = Writer { db: opened.db, mark: opened.mark, epoch: 1 };
        writer.append(0, &Record::encode_all(&events(1, 5)).unwrap()).unwrap();
        let sixth = Record::encode_all(&[event(6, "")]).unwrap();
        writer.db.execute("DELETE FROM event WHERE seq = 5", []).unwrap();
        let gone = writer.append(4, &sixth).unwrap_err();
        assert!(
            matches!(&gone, AppendError::Unavailable(why) if why.contains("events 5 to 5 are gone")),
            "{gone}"
        );
        super::super::open::write_epoch(&writer.db, 2, 4, "test").unwrap();
        assert_eq!(writer.append(4, &sixth), Err(AppendError::EpochChanged));
    }
}
