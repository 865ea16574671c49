//! Mails about a subscription itself: the link that confirms it, or that it is there already.

use crate::progress::Progress;
use crate::rows::by_id;
use crate::store::{Store, StoreError, durably, latest, millis, time};
use rusqlite::{Connection, params};
use types::{Subscriber, SubscriberId, Time};

/// A mail about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Whose it is.
    pub subscriber: Subscriber,
    /// Time of the request: it distinguishes this mail from earlier ones.
    pub asked: Time,
    /// Earlier attempts.
    pub attempts: u32,
}

impl Store {
    /// Claims mails about subscriptions, at most `max`. They are on disk as claimed before this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn claim_letters(&self, max: usize, now: Time) -> Result<Vec<Letter>, StoreError> {
        durably(&mut self.db(), |db| claim(db, max, now))
    }

    /// Records how far a mail about a subscription is, and when its next attempt is due. Returns `false` when the
    /// subscriber is gone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn letter_progress(
        &self,
        subscriber: SubscriberId,
        progress: Progress,
        next: Time,
        counted: bool,
    ) -> Result<bool, StoreError> {
        let changed = self.db().execute(
            "UPDATE letter SET progress = ?2, next = ?3, attempts = attempts + ?4 WHERE subscriber = ?1",
            params![subscriber.0, progress.stored(), millis(next), i64::from(counted)],
        )?;
        Ok(changed > 0)
    }

    /// Earliest time at which a mail about a subscription is due.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_letter(&self) -> Result<Option<Time>, StoreError> {
        let next: Option<i64> = self.db().query_row(
            "SELECT min(next) FROM letter WHERE progress = ?1",
            [Progress::Due.stored()],
            |row| row.get(0),
        )?;
        Ok(next.map(time))
    }
}

fn claim(db: &mut Connection, max: usize, now: Time) -> Result<Vec<Letter>, StoreError> {
    let transaction = db.transaction()?;
    let rows: Vec<(i64, i64, u32)> = {
        let mut query = transaction.prepare_cached(
            "SELECT subscriber, asked, attempts FROM letter WHERE progress = ?1 AND (next <= ?2 OR next > ?4) LIMIT ?3",
        )?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let values = params![Progress::Due.stored(), millis(now), max, latest(now)];
        let rows = query.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    let mut letters = Vec::with_capacity(rows.len());
    for (id, asked, attempts) in rows {
        transaction.execute(
            "UPDATE letter SET progress = ?2 WHERE subscriber = ?1",
            params![id, Progress::Claimed.stored()],
        )?;
        if let Some(subscriber) = by_id(&transaction, SubscriberId(id))? {
            letters.push(Letter { subscriber, asked: time(asked), attempts });
        }
    }
    transaction.commit()?;
    Ok(letters)
}
