//! Rows of subscribers.

use crate::store::{StoreError, time};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use types::subscription::{SubscriberKind, SubscriberState};
use types::{Subscriber, SubscriberId};

/// The columns of a subscriber, as [`raw`] reads them.
pub(crate) const COLUMNS: &str = "id, kind, address, components, state, since, failures";

pub(crate) fn page(db: &Connection, after: SubscriberId, max: usize) -> Result<Vec<Subscriber>, StoreError> {
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM subscriber WHERE id > ?1 ORDER BY id LIMIT ?2"))?;
    let rows = query.query_map(params![after.0, i64::try_from(max).unwrap_or(i64::MAX)], raw)?;
    rows.map(|row| read(row?)).collect()
}

pub(crate) fn by_id(db: &Connection, id: SubscriberId) -> Result<Option<Subscriber>, StoreError> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM subscriber WHERE id = ?1"))?;
    query.query_row([id.0], raw).optional()?.map(read).transpose()
}

pub(crate) type RawRow = (i64, String, String, String, String, i64, u32);

pub(crate) fn raw(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

pub(crate) fn read(
    (id, kind, address, components, state, since, failures): RawRow,
) -> Result<Subscriber, StoreError> {
    let components = serde_json::from_str(&components)
        .map_err(|why| StoreError::Damaged(format!("components of subscriber {id}: {why}")))?;
    Ok(Subscriber {
        id: SubscriberId(id),
        kind: read_kind(&kind)?,
        address,
        components,
        state: read_state(&state)?,
        since: time(since),
        failures,
    })
}

pub(crate) fn read_kind(name: &str) -> Result<SubscriberKind, StoreError> {
    SubscriberKind::named(name)
        .ok_or_else(|| StoreError::Damaged(format!("a subscriber of the kind `{name}`")))
}

pub(crate) fn read_state(name: &str) -> Result<SubscriberState, StoreError> {
    let found = SubscriberState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| StoreError::Damaged(format!("a subscriber in the state `{name}`")))
}
