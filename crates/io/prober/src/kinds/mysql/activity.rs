//! What the sessions of a node do.

use super::listing::{Process, Transaction};
use super::locks::{self, Waits};
use super::product::{self, SESSIONS_MAX};
use super::rows::Rows;
use super::session::Session as Connection;
use crate::kinds::database::sessions::named;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::database::{BlockedChain, NodeAnswer, Reading, Session, Sessions, Standbys};

/// Age of a transaction from which on its idle session is looked at; ordinary clients pause for less.
const IDLE: Duration = Duration::from_secs(1);

/// What the sessions do, who blocks them, and the replicas among them.
#[derive(Default)]
pub(super) struct Activity {
    pub(super) sessions: Reading<Sessions>,
    pub(super) blocked: Reading<Vec<BlockedChain>>,
    pub(super) standbys: Reading<Standbys>,
}

impl Activity {
    /// Reads it. `running` is the number of active sessions by the counters of the server, the one of mainstay included.
    pub(super) async fn read(
        connection: &mut Connection,
        has_performance_schema: bool,
        running: Option<u32>,
    ) -> Result<Self, NodeAnswer> {
        let transactions = match connection.rows(&product::transactions(), product::PROCESS).await? {
            Reading::Known(rows) => rows.iter().filter_map(Transaction::read).collect::<Vec<_>>(),
            Reading::NotPermitted { grant } => return Ok(Self::not_permitted(&grant)),
            Reading::Absent => Vec::new(),
        };
        let waits = locks::of_rows(connection, &transactions).await?;
        let idle = may_be_idle(&transactions, waits.known());
        let mut processes = processes(connection, &idle).await?;
        let waits = match waits {
            Reading::Known(waits) => {
                Reading::Known(with_tables(connection, waits, &mut processes, has_performance_schema).await?)
            }
            other => other,
        };
        if has_performance_schema {
            add_last_statements(connection, &mut processes).await?;
        }
        let connected = processes.iter().filter_map(Process::standby).collect();
        let mut sessions = counted(&processes, &transactions, running);
        sessions =
            named(sessions, processes.iter().filter(|process| is_named(process)).map(Process::session));
        let mariadb = connection.product.mariadb;
        let by_thread: BTreeMap<i64, Session> =
            processes.iter().map(|process| (process.thread, process.session())).collect();
        Ok(Self {
            sessions: Reading::Known(sessions),
            blocked: waits.and_then(|waits| Some(locks::chained(&waits, &by_thread, mariadb))),
            standbys: Reading::Known(Standbys { synchronous: String::new(), connected }),
        })
    }

    fn not_permitted(grant: &str) -> Self {
        let grant = || grant.to_owned();
        Self {
            sessions: Reading::NotPermitted { grant: grant() },
            blocked: Reading::NotPermitted { grant: grant() },
            standbys: Reading::NotPermitted { grant: grant() },
        }
    }
}

/// Whether a session may be the longest of its kind: one of a client that executes a statement or has a transaction open.
fn is_named(process: &Process) -> bool {
    process.is_active() || process.command == "Sleep"
}

/// Threads whose sessions may be idle in a transaction: of old transactions, and of those that block others.
fn may_be_idle(transactions: &[Transaction], waits: Option<&Waits>) -> Vec<i64> {
    let holding: BTreeSet<i64> = waits.into_iter().flat_map(BTreeMap::values).flatten().copied().collect();
    let mut threads: Vec<i64> = transactions
        .iter()
        .filter(|transaction| {
            !transaction.waits && (transaction.age >= IDLE || holding.contains(&transaction.thread))
        })
        .map(|transaction| transaction.thread)
        .filter(|thread| *thread > 0)
        .collect();
    threads.sort_by_key(|thread| !holding.contains(thread));
    threads.truncate(SESSIONS_MAX / 2);
    threads
}

/// The sessions that execute something, and those of these threads.
async fn processes(connection: &mut Connection, idle: &[i64]) -> Result<Vec<Process>, NodeAnswer> {
    for table in connection.product.session_tables() {
        let statement = connection.product.sessions(idle, table);
        if let Reading::Known(rows) = connection.rows(&statement, product::PROCESS).await? {
            return Ok(rows.iter().filter_map(Process::read).collect());
        }
    }
    Ok(Vec::new())
}

/// Completes the waits by those for tables. Their holders may be sessions that are not listed yet.
async fn with_tables(
    connection: &mut Connection,
    mut waits: Waits,
    listed: &mut Vec<Process>,
    has_performance_schema: bool,
) -> Result<Waits, NodeAnswer> {
    let waiting: Vec<&Process> = listed.iter().filter(|process| process.waits_for_table()).collect();
    if waiting.is_empty() {
        return Ok(waits);
    }
    let held = locks::of_tables(connection, has_performance_schema).await?;
    locks::add_tables(&mut waits, &waiting, &held);
    let holding: BTreeSet<i64> = waits.values().flatten().copied().filter(|thread| *thread > 0).collect();
    let unlisted = |thread: &i64| listed.iter().all(|process| process.thread != *thread);
    let missing: Vec<i64> = holding.into_iter().filter(unlisted).take(SESSIONS_MAX / 2).collect();
    if !missing.is_empty() {
        let idle = processes(connection, &missing).await?;
        listed.extend(idle.into_iter().filter(|process| missing.contains(&process.thread)));
    }
    Ok(waits)
}

/// Adds the last statements of idle sessions, which the list of sessions does not have.
async fn add_last_statements(
    connection: &mut Connection,
    processes: &mut [Process],
) -> Result<(), NodeAnswer> {
    let idle = |process: &&Process| process.command == "Sleep" && process.statement.is_empty();
    let threads: Vec<i64> = processes.iter().filter(idle).map(|process| process.thread).collect();
    if threads.is_empty() {
        return Ok(());
    }
    let rows: Reading<Rows> =
        connection.rows(&product::last_statements(&threads), product::PERFORMANCE_SCHEMA).await?;
    for row in rows.known().into_iter().flat_map(Rows::iter) {
        let (Some(thread), Some(statement)) = (row.number::<i64>(&["id"]), row.text(&["info"])) else {
            continue;
        };
        for process in processes.iter_mut().filter(|process| process.thread == thread) {
            process.statement = statement.to_owned();
        }
    }
    Ok(())
}

fn counted(processes: &[Process], transactions: &[Transaction], running: Option<u32>) -> Sessions {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let listed = count(processes.iter().filter(|process| process.is_active()).count());
    let waiting = transactions.iter().filter(|transaction| transaction.waits).count()
        + processes.iter().filter(|process| process.waits_for_table()).count();
    let active = match running {
        // The list has a limit, the counter has none.
        Some(running) if processes.len() >= SESSIONS_MAX => listed.max(running.saturating_sub(1)),
        _ => listed,
    };
    Sessions {
        active,
        idle_in_transaction: count(processes.iter().filter(|process| process.command == "Sleep").count()),
        waiting_for_lock: count(waiting),
        ..Sessions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dump_is_known_by_its_statement_and_appliers_are_no_clients() {
        let process = |user: &str, statement: &str| Process {
            user: user.to_owned(),
            command: "Query".to_owned(),
            statement: statement.to_owned(),
            ..Process::default()
        };
        let dump = process("backup", "SELECT /*!40001 SQL_NO_CACHE */ `id` FROM `t`").session();
        assert_eq!((dump.application.as_str(), dump.statement.as_str()), ("mysqldump", "SELECT…"));
        assert_eq!(process("shop", "select 1").session().application, "shop");
        assert!(!process("system user", "insert into t values (1)").is_active());
    }
}
