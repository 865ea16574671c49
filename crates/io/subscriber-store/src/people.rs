//! Subscribers: requests, confirmations, changes, deletion.

use crate::progress::Progress;
use crate::rows::{COLUMNS, by_id, page, raw, read, read_kind, read_state};
use crate::store::{Store, StoreError, forget_log, millis, time};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::{BTreeMap, BTreeSet};
use types::subscription::{SubscriberKind, SubscriberState};
use types::{ServiceId, Subscriber, SubscriberId, Time};

/// Result of adding a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New(SubscriberId),
    /// The address was there already, and has these components now.
    Known(SubscriberId),
}

/// Number of subscribers by kind and state.
pub type Counts = BTreeMap<(SubscriberKind, SubscriberState), u64>;

impl Store {
    /// Records a request of a visitor, with a mail that asks for its confirmation, or says that nothing is to be
    /// confirmed. `may_ask` decides whether another mail may be sent, by the time of the last one; without it nothing
    /// changes. Returns whether a mail is due.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn request(
        &self,
        address: &str,
        components: &BTreeSet<ServiceId>,
        now: Time,
        may_ask: impl FnOnce(Option<Time>) -> bool,
    ) -> Result<bool, StoreError> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        let found = by_address(&transaction, SubscriberKind::Mail, address)?;
        let asked = match &found {
            Some(subscriber) => asked(&transaction, subscriber.id)?,
            None => None,
        };
        if !may_ask(asked) {
            return Ok(false);
        }
        let id = match found {
            // Only the holder of the address changes what it gets.
            Some(subscriber) if subscriber.state != SubscriberState::Pending => subscriber.id,
            Some(subscriber) => {
                set_components(&transaction, subscriber.id, components)?;
                subscriber.id
            }
            None => insert(
                &transaction,
                SubscriberKind::Mail,
                address,
                components,
                SubscriberState::Pending,
                now,
            )?,
        };
        transaction.execute(
            "INSERT INTO letter (subscriber, asked, progress, next) VALUES (?1, ?2, ?3, ?2)
             ON CONFLICT (subscriber) DO UPDATE SET asked = ?2, progress = ?3, attempts = 0, next = ?2",
            params![id.0, millis(now), Progress::Due.stored()],
        )?;
        transaction.commit()?;
        Ok(true)
    }

    /// Adds a subscriber of the team, confirmed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(
        &self,
        subscribers: &[(SubscriberKind, String, BTreeSet<ServiceId>)],
        now: Time,
    ) -> Result<Vec<Added>, StoreError> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        let mut added = Vec::with_capacity(subscribers.len());
        for (kind, address, components) in subscribers {
            added.push(match by_address(&transaction, *kind, address)? {
                Some(known) => {
                    set_components(&transaction, known.id, components)?;
                    set_state(&transaction, known.id, SubscriberState::Confirmed)?;
                    Added::Known(known.id)
                }
                None => {
                    let state = SubscriberState::Confirmed;
                    Added::New(insert(&transaction, *kind, address, components, state, now)?)
                }
            });
        }
        transaction.commit()?;
        Ok(added)
    }

    /// Confirms a subscription. Returns the subscriber; `None` when there is none (any more).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn confirm(&self, id: SubscriberId) -> Result<Option<Subscriber>, StoreError> {
        let db = self.db();
        set_state(&db, id, SubscriberState::Confirmed)?;
        by_id(&db, id)
    }

    /// The subscriber with this number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn subscriber(&self, id: SubscriberId) -> Result<Option<Subscriber>, StoreError> {
        by_id(&self.db(), id)
    }

    /// Changes the components of a subscription. Returns whether there is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn change(&self, id: SubscriberId, components: &BTreeSet<ServiceId>) -> Result<bool, StoreError> {
        set_components(&self.db(), id, components)
    }

    /// Deletes a subscriber, with everything that is known about it. Returns whether there was one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&self, id: SubscriberId) -> Result<bool, StoreError> {
        let db = self.db();
        let removed = db.execute("DELETE FROM subscriber WHERE id = ?1", [id.0])? > 0;
        if removed {
            forget_log(&db)?;
        }
        Ok(removed)
    }

    /// Deletes the subscribers that have not confirmed since this time. Returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_pending(&self, before: Time) -> Result<usize, StoreError> {
        let db = self.db();
        let removed = db.execute(
            "DELETE FROM subscriber WHERE state = ?1 AND id NOT IN (SELECT subscriber FROM letter WHERE asked > ?2)
             AND since <= ?2",
            params![SubscriberState::Pending.name(), millis(before)],
        )?;
        // Of the others, only when the last mail was sent is forgotten.
        db.execute(
            "DELETE FROM letter WHERE asked <= ?1 AND subscriber IN (SELECT id FROM subscriber WHERE state <> ?2)",
            params![millis(before), SubscriberState::Pending.name()],
        )?;
        if removed > 0 {
            forget_log(&db)?;
        }
        Ok(removed)
    }

    /// Subscribers after this number, by number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn page(&self, after: SubscriberId, max: usize) -> Result<Vec<Subscriber>, StoreError> {
        page(&self.db(), after, max)
    }

    /// Number of subscribers by kind and state.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let db = self.db();
        let mut query =
            db.prepare_cached("SELECT kind, state, count(*) FROM subscriber GROUP BY kind, state")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut counts = Counts::new();
        for row in rows {
            let (kind, state, count): (String, String, i64) = row?;
            counts.insert((read_kind(&kind)?, read_state(&state)?), u64::try_from(count).unwrap_or(0));
        }
        Ok(counts)
    }
}

fn by_address(
    db: &Connection,
    kind: SubscriberKind,
    address: &str,
) -> Result<Option<Subscriber>, StoreError> {
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM subscriber WHERE kind = ?1 AND address_key = ?2"))?;
    query.query_row(params![kind.name(), key(kind, address)], raw).optional()?.map(read).transpose()
}

/// Mail addresses are compared without case: two of them that differ only in case are one mailbox.
fn key(kind: SubscriberKind, address: &str) -> String {
    if kind == SubscriberKind::Mail { address.to_lowercase() } else { address.to_owned() }
}

fn asked(db: &Connection, id: SubscriberId) -> Result<Option<Time>, StoreError> {
    let found: Option<i64> = db
        .query_row("SELECT asked FROM letter WHERE subscriber = ?1", [id.0], |row| row.get(0))
        .optional()?;
    Ok(found.map(time))
}

fn insert(
    db: &Connection,
    kind: SubscriberKind,
    address: &str,
    components: &BTreeSet<ServiceId>,
    state: SubscriberState,
    now: Time,
) -> Result<SubscriberId, StoreError> {
    db.prepare_cached(
        "INSERT INTO subscriber (kind, address, address_key, components, state, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![kind.name(), address, key(kind, address), json(components), state.name(), millis(now)])?;
    Ok(SubscriberId(db.last_insert_rowid()))
}

fn set_components(
    db: &Connection,
    id: SubscriberId,
    components: &BTreeSet<ServiceId>,
) -> Result<bool, StoreError> {
    let changed =
        db.execute("UPDATE subscriber SET components = ?2 WHERE id = ?1", params![id.0, json(components)])?;
    Ok(changed > 0)
}

pub(crate) fn set_state(db: &Connection, id: SubscriberId, state: SubscriberState) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE subscriber SET state = ?2, failures = 0 WHERE id = ?1 AND state <> ?2",
        params![id.0, state.name()],
    )?;
    Ok(())
}

fn json(components: &BTreeSet<ServiceId>) -> String {
    serde_json::to_string(components).unwrap_or_else(|_| "[]".to_owned())
}
