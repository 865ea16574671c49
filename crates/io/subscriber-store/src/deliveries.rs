//! Updates, and how far each of them is with each subscriber.

use crate::progress::Progress;
use crate::rows::{by_id, page};
use crate::store::{Store, StoreError, durably, fact, latest, millis, names, set_fact};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use types::subscription::{SubscriberKind, SubscriberState};
use types::{PublicUpdate, Subscriber, SubscriberId, Time, UpdateId};

/// Subscribers that are read together while an update is recorded.
const PAGE: usize = 1_000;

/// Fact with the newest update that was recorded.
const NEWEST: &str = "newest-update";

/// How far a message is whose subscriber did not get it for certain.
const MISSED: [Progress; 3] = [Progress::Failed, Progress::Closed, Progress::InDoubt];

/// Number of messages about recent updates by progress.
pub type Totals = BTreeMap<Progress, u64>;

/// A message that this process is about to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// To whom.
    pub subscriber: Subscriber,
    /// Earlier attempts.
    pub attempts: u32,
    /// Earlier updates, of any incident, that it did not get for certain, and whose words no later message had.
    pub missed: BTreeSet<UpdateId>,
}

impl Store {
    /// The newest update that was recorded; `None` when there never was one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_update(&self) -> Result<Option<UpdateId>, StoreError> {
        let found = fact(&self.db(), NEWEST)?;
        let number = |text: String| text.parse().map(UpdateId);
        found.map(number).transpose().map_err(|why| StoreError::Damaged(format!("the newest update: {why}")))
    }

    /// Skips all updates up to this one: they were published before there were subscribers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_after(&self, update: UpdateId) -> Result<(), StoreError> {
        Ok(set_fact(&self.db(), NEWEST, &update.0.to_string())?)
    }

    /// Records an update, due for every confirmed subscriber that it `is_for`. One that was recorded already changes
    /// nothing. Returns the number of subscribers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(
        &self,
        update: &PublicUpdate,
        now: Time,
        is_for: impl Fn(&Subscriber) -> bool,
    ) -> Result<usize, StoreError> {
        let number = signed(update.id);
        let body = serde_json::to_string(update)
            .map_err(|why| StoreError::Damaged(format!("{} cannot be written: {why}", update.id)))?;
        let mut db = self.db();
        let transaction = db.transaction()?;
        let new = transaction
            .execute("INSERT OR IGNORE INTO published (id, body) VALUES (?1, ?2)", params![number, body])?;
        if new == 0 {
            return Ok(0);
        }
        let (mut after, mut count) = (SubscriberId(0), 0);
        loop {
            let subscribers = page(&transaction, after, PAGE)?;
            let Some(last) = subscribers.last() else { break };
            after = last.id;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO delivery (published, subscriber, kind, progress, next) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            let confirmed = subscribers.iter().filter(|it| it.state == SubscriberState::Confirmed);
            for subscriber in confirmed.filter(|subscriber| is_for(subscriber)) {
                let (id, kind) = (subscriber.id.0, subscriber.kind.name());
                insert.execute(params![number, id, kind, Progress::Due.stored(), millis(now)])?;
                count += 1;
            }
        }
        set_fact(&transaction, NEWEST, &update.id.0.to_string())?;
        transaction.commit()?;
        Ok(count)
    }

    /// Updates that some subscribers of these kinds have not got yet. One that is on its way counts: its successor waits for it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn outstanding(&self, kinds: &[SubscriberKind]) -> Result<Vec<PublicUpdate>, StoreError> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT body FROM published WHERE EXISTS (SELECT 1 FROM delivery
             WHERE published = published.id AND progress BETWEEN ?1 AND ?2
             AND kind IN (SELECT value FROM json_each(?3)))",
        )?;
        let values = params![Progress::Due.stored(), Progress::Sending.stored(), names(kinds)];
        let rows = query.query_map(values, |row| row.get(0))?;
        let read = |body: rusqlite::Result<String>| {
            serde_json::from_str(&body?).map_err(|why| StoreError::Damaged(format!("an update: {why}")))
        };
        rows.map(read).collect()
    }

    /// Does not send an update any more to those who have not got it. Returns how many those are.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(&self, update: UpdateId) -> Result<usize, StoreError> {
        let values = params![signed(update), Progress::Due.stored(), Progress::Closed.stored()];
        Ok(self
            .db()
            .execute("UPDATE delivery SET progress = ?3 WHERE published = ?1 AND progress = ?2", values)?)
    }

    /// Claims messages about an update, at most `max`, for subscribers of these kinds that wait for none of the updates
    /// `after`. They are on disk as claimed before this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn claim(
        &self,
        update: UpdateId,
        after: &[UpdateId],
        kinds: &[SubscriberKind],
        max: usize,
        now: Time,
    ) -> Result<Vec<Claimed>, StoreError> {
        durably(&mut self.db(), |db| claim(db, update, after, kinds, max, now))
    }

    /// Earliest time at which a message about any update is due for these kinds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_due(&self, kinds: &[SubscriberKind]) -> Result<Option<Time>, StoreError> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT min((SELECT min(next) FROM delivery WHERE published = published.id AND progress = ?1 AND kind = kinds.value))
             FROM published, json_each(?2) AS kinds",
        )?;
        let next: Option<i64> =
            query.query_row(params![Progress::Due.stored(), names(kinds)], |row| row.get(0))?;
        Ok(next.map(crate::store::time))
    }

    /// Records that the last byte of a message is about to leave. Returns `false` when the subscriber is gone: then it
    /// must not be sent. A crash of the process does not lose the record.
    ///
    /// # Errors
    /// When the file cannot be written; then it must not be sent either.
    pub fn sending(&self, update: UpdateId, subscriber: SubscriberId) -> Result<bool, StoreError> {
        let changed = set(&self.db(), update, subscriber, Progress::Claimed, Progress::Sending)?;
        Ok(changed > 0)
    }

    /// Records that a server has taken a message, with the words of the updates `included`, which the subscriber did not get
    /// for certain before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn sent(
        &self,
        update: UpdateId,
        subscriber: SubscriberId,
        included: &[UpdateId],
    ) -> Result<(), StoreError> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        set(&transaction, update, subscriber, Progress::Sending, Progress::Sent)?;
        let [a, b, c] = MISSED.map(Progress::stored);
        for earlier in included {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET progress = ?3 WHERE published = ?1 AND subscriber = ?2 AND progress IN (?4, ?5, ?6)",
                )?
                .execute(params![signed(*earlier), subscriber.0, Progress::Included.stored(), a, b, c])?;
        }
        transaction
            .prepare_cached("UPDATE subscriber SET failures = 0 WHERE id = ?1 AND failures > 0")?
            .execute([subscriber.0])?;
        Ok(transaction.commit()?)
    }

    /// Records that it is not known whether a message has arrived: it is not sent again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn in_doubt(&self, update: UpdateId, subscriber: SubscriberId) -> Result<(), StoreError> {
        set(&self.db(), update, subscriber, Progress::Sending, Progress::InDoubt)?;
        Ok(())
    }

    /// Gives a message back, due at this time. `counted` is whether the attempt counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn again(
        &self,
        update: UpdateId,
        subscriber: SubscriberId,
        next: Time,
        counted: bool,
    ) -> Result<(), StoreError> {
        self.db()
            .prepare_cached(
                "UPDATE delivery SET progress = ?3, next = ?4, attempts = attempts + ?5
                 WHERE published = ?1 AND subscriber = ?2 AND progress IN (?6, ?7)",
            )?
            .execute(params![
                signed(update),
                subscriber.0,
                Progress::Due.stored(),
                millis(next),
                i64::from(counted),
                Progress::Claimed.stored(),
                Progress::Sending.stored(),
            ])?;
        Ok(())
    }

    /// Records that a message has failed; `permanent` counts against the subscriber, `pause` ends its updates.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn failed(
        &self,
        update: UpdateId,
        subscriber: SubscriberId,
        permanent: bool,
        pause: bool,
    ) -> Result<(), StoreError> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        transaction.execute(
            "UPDATE delivery SET progress = ?3 WHERE published = ?1 AND subscriber = ?2",
            params![signed(update), subscriber.0, Progress::Failed.stored()],
        )?;
        transaction.execute(
            "UPDATE subscriber SET failures = failures + ?2 WHERE id = ?1",
            params![subscriber.0, i64::from(permanent)],
        )?;
        if pause {
            transaction.execute(
                "UPDATE subscriber SET state = ?2 WHERE id = ?1",
                params![subscriber.0, SubscriberState::Paused.name()],
            )?;
            transaction.execute(
                "UPDATE delivery SET progress = ?2 WHERE subscriber = ?1 AND progress = ?3",
                params![subscriber.0, Progress::Closed.stored(), Progress::Due.stored()],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// Number of messages about recorded updates by progress, also where it is 0.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        let db = self.db();
        let mut query =
            db.prepare_cached("SELECT progress, count(*) FROM delivery GROUP BY published, progress")?;
        let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let mut totals: Totals = Progress::ALL.into_iter().map(|progress| (progress, 0)).collect();
        for row in rows {
            let (stored, count) = row?;
            let progress = Progress::ALL.into_iter().find(|progress| progress.stored() == stored);
            if let Some(progress) = progress {
                *totals.entry(progress).or_default() += u64::try_from(count).unwrap_or(0);
            }
        }
        Ok(totals)
    }

    /// Forgets updates up to this one that no subscriber waits for.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_updates(&self, up_to: UpdateId) -> Result<usize, StoreError> {
        let values = params![signed(up_to), Progress::Due.stored(), Progress::Sending.stored()];
        Ok(self.db().execute(
            "DELETE FROM published WHERE id <= ?1 AND NOT EXISTS
             (SELECT 1 FROM delivery WHERE published = published.id AND progress BETWEEN ?2 AND ?3)",
            values,
        )?)
    }
}

fn claim(
    db: &mut Connection,
    update: UpdateId,
    after: &[UpdateId],
    kinds: &[SubscriberKind],
    max: usize,
    now: Time,
) -> Result<Vec<Claimed>, StoreError> {
    let transaction = db.transaction()?;
    let after: Vec<i64> = after.iter().map(|update| signed(*update)).collect();
    let after = serde_json::to_string(&after).unwrap_or_default();
    let rows: Vec<(i64, u32)> = {
        let mut query = transaction.prepare_cached(
            "SELECT subscriber, attempts FROM delivery
             WHERE published = ?1 AND progress = ?2 AND kind IN (SELECT value FROM json_each(?3)) AND (next <= ?4 OR next > ?8)
             AND NOT EXISTS (SELECT 1 FROM delivery AS earlier WHERE earlier.subscriber = delivery.subscriber
                 AND earlier.published IN (SELECT value FROM json_each(?5)) AND earlier.progress <= ?6)
             LIMIT ?7",
        )?;
        let values = params![
            signed(update),
            Progress::Due.stored(),
            names(kinds),
            millis(now),
            after,
            Progress::Sending.stored(),
            i64::try_from(max).unwrap_or(i64::MAX),
            latest(now),
        ];
        let rows = query.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    let mut claimed = Vec::with_capacity(rows.len());
    for (subscriber, attempts) in rows {
        set(&transaction, update, SubscriberId(subscriber), Progress::Due, Progress::Claimed)?;
        if let Some(subscriber) = by_id(&transaction, SubscriberId(subscriber))? {
            let missed = missed(&transaction, subscriber.id, update)?;
            claimed.push(Claimed { subscriber, attempts, missed });
        }
    }
    transaction.commit()?;
    Ok(claimed)
}

fn missed(
    db: &Connection,
    subscriber: SubscriberId,
    before: UpdateId,
) -> rusqlite::Result<BTreeSet<UpdateId>> {
    let mut query = db.prepare_cached(
        "SELECT published FROM delivery WHERE subscriber = ?1 AND published < ?2 AND progress IN (?3, ?4, ?5)",
    )?;
    let [a, b, c] = MISSED.map(Progress::stored);
    let rows = query.query_map(params![subscriber.0, signed(before), a, b, c], |row| row.get::<_, i64>(0))?;
    rows.map(|number| Ok(UpdateId(u64::try_from(number?).unwrap_or(0)))).collect()
}

fn set(
    db: &Connection,
    update: UpdateId,
    subscriber: SubscriberId,
    from: Progress,
    to: Progress,
) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "UPDATE delivery SET progress = ?4 WHERE published = ?1 AND subscriber = ?2 AND progress = ?3",
    )?
    .execute(params![signed(update), subscriber.0, from.stored(), to.stored()])
}

fn signed(update: UpdateId) -> i64 {
    i64::try_from(update.0).unwrap_or(i64::MAX)
}
