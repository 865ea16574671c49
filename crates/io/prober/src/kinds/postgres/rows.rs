//! Rows of the queries as facts. A column that is missing or of another type makes the fact absent.

use crate::kinds::database::chains::{Link, chains};
use crate::kinds::database::sessions::named;
use crate::kinds::database::statement::{Dialect, without_literals};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use types::database::{
    Archiver, BlockedChain, ClientGroup, Reading, Session, Sessions, Slot, Standby, Upstream, Work,
    Wraparound,
};

/// Longest name that is taken over, in characters. Names of PostgreSQL have at most 63 bytes.
const NAME_MAX: usize = 100;

/// The fact of a reading.
pub(super) fn fact<T>(rows: Reading<Vec<Row>>, read: impl FnOnce(&[Row]) -> Option<T>) -> Reading<T> {
    rows.and_then(|rows| read(&rows))
}

/// The columns of the query of the position.
pub(super) struct PositionRow {
    pub(super) replica: bool,
    pub(super) timeline: Option<u64>,
    pub(super) bytes: u64,
    pub(super) uptime: Duration,
}

pub(super) fn position(rows: &[Row]) -> Option<PositionRow> {
    let row = rows.first()?;
    Some(PositionRow {
        replica: get(row, 0)?,
        timeline: get::<Option<i64>>(row, 1)?.and_then(|timeline| u64::try_from(timeline).ok()),
        bytes: unsigned(get::<Option<i64>>(row, 2)?.unwrap_or_default()),
        uptime: seconds(get::<Option<f64>>(row, 3)?),
    })
}

pub(super) fn identifier(rows: &[Row]) -> Option<String> {
    get::<&str>(rows.first()?, 0).map(name)
}

/// Number of connections, and what the sessions do in numbers.
pub(super) fn counts(rows: &[Row]) -> Option<(u32, Sessions)> {
    let row = rows.first()?;
    let number = |column| Some(small(get::<i64>(row, column)?));
    let sessions = Sessions {
        active: number(1)?.saturating_sub(1), // mainstay's own
        idle_in_transaction: number(2)?,
        waiting_for_lock: number(3)?,
        waiting_for_standby: number(4)?,
        longest_standby_wait: seconds(get(row, 5)?),
        ..Sessions::default()
    };
    Some((number(0)?, sessions))
}

/// Completes the sessions with those that are named.
pub(super) fn busy(sessions: Sessions, rows: &[Row]) -> Option<Sessions> {
    Some(named(sessions, rows.iter().map(session).collect::<Option<Vec<_>>>()?))
}

pub(super) fn clients(rows: &[Row]) -> Option<Vec<ClientGroup>> {
    let group = |row| {
        Some(ClientGroup {
            application: name(get(row, 0)?),
            address: name(get(row, 1)?),
            sessions: small(get(row, 2)?),
            writes: small(get(row, 3)?),
        })
    };
    rows.iter().map(group).collect()
}

pub(super) fn blocked(rows: &[Row]) -> Option<Vec<BlockedChain>> {
    let link = |row| Some(Link { session: session(row)?, blocked_by: get(row, 5)? });
    Some(chains(&rows.iter().map(link).collect::<Option<Vec<_>>>()?))
}

pub(super) fn upstream(rows: &[Row]) -> Option<Upstream> {
    let row = rows.first()?;
    let host = get::<Option<&str>>(row, 1)?.filter(|host| !host.is_empty());
    let port = get::<Option<i64>>(row, 2)?;
    Some(Upstream {
        streaming: get::<Option<&str>>(row, 0)? == Some("streaming"),
        from: host.map(|host| port.map_or_else(|| name(host), |port| format!("{}:{port}", name(host)))),
        paused: get(row, 3)?,
        ..Upstream::default()
    })
}

pub(super) fn standbys(rows: &[Row]) -> Option<Vec<Standby>> {
    let standby = |row| {
        Some(Standby {
            name: name(get(row, 0)?),
            state: name(get::<Option<&str>>(row, 1)?.unwrap_or_default()),
            sync_state: name(get::<Option<&str>>(row, 2)?.unwrap_or_default()),
            lag_bytes: get::<Option<i64>>(row, 3)?.map(unsigned),
        })
    };
    rows.iter().map(standby).collect()
}

pub(super) fn slots(rows: &[Row]) -> Option<Vec<Slot>> {
    let slot = |row| {
        Some(Slot {
            name: name(get(row, 0)?),
            active: get(row, 1)?,
            wal_status: get::<Option<&str>>(row, 2)?.map(name),
            retained_bytes: unsigned(get::<Option<i64>>(row, 3)?.unwrap_or_default()),
        })
    };
    rows.iter().map(slot).collect()
}

pub(super) fn archiver(rows: &[Row]) -> Option<Archiver> {
    let row = rows.first()?;
    let age = |column| Some(get::<Option<f64>>(row, column)?.map(|age| seconds(Some(age))));
    Some(Archiver {
        on: get(row, 0)?,
        archived: unsigned(get(row, 1)?),
        failed: unsigned(get(row, 2)?),
        since_archived: age(3)?,
        since_failed: age(4)?,
    })
}

pub(super) fn wraparound(rows: &[Row]) -> Option<Wraparound> {
    let row = rows.first()?;
    Some(Wraparound { database: name(get(row, 0)?), percent: small(get(row, 1)?) })
}

/// The counters of work, and the standbys for which a commit waits.
pub(super) fn work(rows: &[Row], own: u64) -> Option<(Work, String)> {
    let row = rows.first()?;
    let number = |column| Some(unsigned(get::<Option<i64>>(row, column)?.unwrap_or_default()));
    let work = Work {
        transactions: number(0)?,
        rows_read: number(1)?,
        deadlocks: number(2)?,
        own_transactions: own,
    };
    Some((work, text::truncate::chars(get(row, 3)?, NAME_MAX)))
}

/// The first five columns of the queries about sessions.
fn session(row: &Row) -> Option<Session> {
    Some(Session {
        pid: get(row, 0)?,
        application: name(get(row, 1)?),
        state: name(get(row, 2)?),
        age: seconds(get(row, 3)?),
        statement: without_literals(get::<Option<&str>>(row, 4)?.unwrap_or_default(), Dialect::Postgres),
    })
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Option<T> {
    row.try_get(column).ok()
}

fn name(name: &str) -> String {
    text::truncate::chars(name, NAME_MAX)
}

fn small(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A duration in seconds; clocks that run backwards give none.
pub(super) fn seconds(age: Option<f64>) -> Duration {
    age.and_then(|age| Duration::try_from_secs_f64(age).ok()).unwrap_or_default()
}
