//! Who waits for whom: locks of rows by transaction, and metadata locks of tables.

use super::listing::{Process, Transaction};
use super::product;
use super::session::Session as Connection;
use crate::kinds::database::chains::{Link, chains};
use std::collections::{BTreeMap, BTreeSet};
use types::database::{BlockedChain, NodeAnswer, Reading, Session};

/// Stands for a session that the server does not name.
const UNNAMED: i64 = -1;

/// A metadata lock of a table.
pub(super) struct TableLock {
    thread: i64,
    object: String,
    name: String,
    is_wanted: bool,
}

/// Threads that wait, each with those that it waits for.
pub(super) type Waits = BTreeMap<i64, BTreeSet<i64>>;

/// Waits for locks of rows.
pub(super) async fn of_rows(
    connection: &mut Connection,
    transactions: &[Transaction],
) -> Result<Reading<Waits>, NodeAnswer> {
    if !transactions.iter().any(|transaction| transaction.waits) {
        return Ok(Reading::Known(Waits::new()));
    }
    let threads: BTreeMap<&str, i64> =
        transactions.iter().map(|transaction| (transaction.id.as_str(), transaction.thread)).collect();
    let (statement, grant) = connection.product.lock_waits();
    let rows = connection.rows(&statement, grant).await?;
    Ok(rows.and_then(|rows| {
        let mut waits = Waits::new();
        for row in rows.iter() {
            let thread = |column| threads.get(row.text(&[column])?).copied();
            if let (Some(waiting), Some(holding)) = (thread("waiting"), thread("holding")) {
                waits.entry(waiting).or_default().insert(holding);
            }
        }
        Some(waits)
    }))
}

/// Metadata locks, by what this server has for them.
pub(super) async fn of_tables(
    connection: &mut Connection,
    has_performance_schema: bool,
) -> Result<Vec<TableLock>, NodeAnswer> {
    let mut rows = Reading::Absent;
    if connection.product.mariadb {
        rows = connection.rows(&product::metadata_locks_by_plugin(), product::PROCESS).await?;
    }
    if rows.known().is_none() && has_performance_schema {
        rows = connection.rows(&product::metadata_locks(), product::PERFORMANCE_SCHEMA).await?;
    }
    let lock = |row: super::rows::Row<'_>| {
        Some(TableLock {
            thread: row.number(&["id"])?,
            object: row.text(&["object"])?.to_owned(),
            name: row.text(&["name"])?.to_owned(),
            is_wanted: row.text(&["wanted"]) == Some("1"),
        })
    };
    Ok(rows.known().map(|rows| rows.iter().filter_map(lock).collect()).unwrap_or_default())
}

/// Adds waits for metadata locks. A server that does not say what is wanted is helped by the text of the statement.
pub(super) fn add_tables(waits: &mut Waits, waiting: &[&Process], locks: &[TableLock]) {
    for process in waiting {
        let is_own = |lock: &&TableLock| lock.thread == process.thread;
        let mut objects: BTreeSet<&str> = locks
            .iter()
            .filter(|lock| is_own(lock) && lock.is_wanted)
            .map(|lock| lock.object.as_str())
            .collect();
        if objects.is_empty() {
            let named = |lock: &&TableLock| mentions(&process.statement, &lock.name);
            objects = locks.iter().filter(named).map(|lock| lock.object.as_str()).collect();
        }
        let holders = locks
            .iter()
            .filter(|lock| !lock.is_wanted && !is_own(lock) && objects.contains(lock.object.as_str()))
            .map(|lock| lock.thread);
        let entry = waits.entry(process.thread).or_default();
        entry.extend(holders);
        if entry.is_empty() {
            entry.insert(UNNAMED);
        }
    }
}

/// Whether a statement has a name as a word of its own.
fn mentions(statement: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    statement.split(|c: char| !is_word(c)).any(|word| word.eq_ignore_ascii_case(name))
}

/// The chains of these waits.
pub(super) fn chained(waits: &Waits, sessions: &BTreeMap<i64, Session>, mariadb: bool) -> Vec<BlockedChain> {
    let involved: BTreeSet<i64> =
        waits.iter().flat_map(|(waiting, holding)| holding.iter().chain([waiting])).copied().collect();
    let links: Vec<Link> = involved
        .into_iter()
        .filter_map(|thread| {
            let blocked_by = waits.get(&thread).into_iter().flatten().copied().collect();
            Some(Link { session: sessions.get(&thread)?.clone(), blocked_by })
        })
        .collect();
    let mut chains = chains(&links);
    for chain in chains.iter_mut().filter(|chain| chain.head.pid == UNNAMED) {
        let remedy = if mariadb {
            "INSTALL SONAME 'metadata_lock_info' there names it"
        } else {
            "SELECT on performance_schema.* names it"
        };
        let state = format!("the holder of a lock of a table, which the server does not name ({remedy})");
        chain.head = Session { pid: 0, state, ..Session::default() };
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn process(thread: i64, statement: &str) -> Process {
        Process { thread, statement: statement.to_owned(), ..Process::default() }
    }

    fn lock(thread: i64, name: &str, is_wanted: bool) -> TableLock {
        TableLock { thread, object: format!("s.{name}"), name: name.to_owned(), is_wanted }
    }

    fn heads(waits: &Waits) -> Vec<(i64, u32)> {
        let session = |pid| Session { pid, age: Duration::from_secs(1), ..Session::default() };
        let sessions = (1..9).map(|pid| (pid, session(pid))).collect();
        chained(waits, &sessions, true).iter().map(|chain| (chain.head.pid, chain.victims)).collect()
    }

    #[test]
    fn holder_of_a_table_is_the_head() {
        let (alter, select) = (process(2, "alter table t add column w int"), process(3, "select * from s.T"));
        let other = process(4, "select * from tt");
        for (locks, expected) in [
            // As MariaDB's plugin says it, and as the performance schema does.
            (vec![lock(1, "t", false), lock(2, "t", false)], vec![(1, 2)]),
            (
                vec![lock(1, "t", false), lock(2, "t", false), lock(2, "t", true), lock(3, "t", true)],
                vec![(1, 2)],
            ),
            (vec![], vec![(0, 2)]),
        ] {
            let mut waits = Waits::new();
            add_tables(&mut waits, &[&alter, &select], &locks);
            assert_eq!(heads(&waits), expected);
        }
        let mut waits = Waits::new();
        add_tables(&mut waits, &[&other], &[lock(1, "t", false)]);
        assert_eq!(heads(&waits), [(0, 1)], "tt is not t");
    }
}
