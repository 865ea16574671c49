//! MariaDB and MySQL in their versions: the statements by which they are measured.
//!
//! Each one is a statement of its own, so that a right that is missing costs one fact. Every result has a limit of rows.

/// Rows of a query about sessions.
pub(super) const SESSIONS_MAX: usize = 500;
/// Rows of a query about transactions or locks.
const LOCKS_MAX: usize = 4_000;

/// What cannot be read without `PROCESS`: what others execute, and their transactions.
pub(super) const PROCESS: &str = "PROCESS";
/// What tables of the performance schema need.
pub(super) const PERFORMANCE_SCHEMA: &str = "SELECT on performance_schema.*";

/// What is read once for each connection: a change of it is rare, and the list of all variables is expensive.
pub(super) const FIXED: &str =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_buffer_pool_size', 'performance_schema')";

pub(super) const VARIABLES: &str = "SELECT @@max_connections AS max_connections, @@global.read_only AS read_only, \
     @@server_id AS server_id, @@log_bin AS log_bin";

/// Files of the binary log with their sizes.
pub(super) const LOGS: &str = "SHOW BINARY LOGS";

pub(super) const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', \
     'Connection_errors_max_connections', 'Uptime', 'Questions', 'Rows_sent', 'Innodb_rows_read', \
     'Innodb_deadlocks', 'Innodb_buffer_pool_bytes_data', 'Innodb_buffer_pool_pages_LRU_freed')";

/// Transactions, the oldest first. A transaction that was prepared (XA) and left has thread 0. InnoDB copies them, and the
/// waits for locks of the same moment, and renews the copy when no one has read it for 0.1 s.
pub(super) fn transactions() -> String {
    format!(
        "SELECT trx_id AS id, trx_mysql_thread_id AS thread, trx_state = 'LOCK WAIT' AS waits, \
         TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6)) / 1000000 AS age \
         FROM information_schema.INNODB_TRX ORDER BY trx_started LIMIT {LOCKS_MAX}"
    )
}

/// Last statements of sessions that are idle now, where the performance schema has them.
pub(super) fn last_statements(threads: &[i64]) -> String {
    format!(
        "SELECT t.PROCESSLIST_ID AS id, LEFT(s.SQL_TEXT, 1024) AS info FROM performance_schema.threads t \
         JOIN performance_schema.events_statements_current s ON s.THREAD_ID = t.THREAD_ID \
         WHERE t.PROCESSLIST_ID IN ({}) LIMIT {SESSIONS_MAX}",
        listed(threads)
    )
}

/// Metadata locks of tables: held and wanted.
pub(super) fn metadata_locks() -> String {
    format!(
        "SELECT t.PROCESSLIST_ID AS id, CONCAT_WS('.', m.OBJECT_SCHEMA, m.OBJECT_NAME) AS object, \
         m.OBJECT_NAME AS name, m.LOCK_STATUS = 'PENDING' AS wanted FROM performance_schema.metadata_locks m \
         JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID \
         WHERE m.OBJECT_TYPE = 'TABLE' LIMIT {LOCKS_MAX}"
    )
}

/// The same by a plugin of MariaDB, which knows those that are held.
pub(super) fn metadata_locks_by_plugin() -> String {
    format!(
        "SELECT THREAD_ID AS id, CONCAT_WS('.', TABLE_SCHEMA, TABLE_NAME) AS object, TABLE_NAME AS name, 0 AS wanted \
         FROM information_schema.METADATA_LOCK_INFO WHERE LOCK_TYPE = 'Table metadata lock' LIMIT {LOCKS_MAX}"
    )
}

fn listed(threads: &[i64]) -> String {
    threads.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// A product and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) mariadb: bool,
    version: (u32, u32),
    /// `MariaDB 10.11.19`, `MySQL 8.0.36`.
    pub(super) name: String,
}

impl Product {
    /// Reads the version of a greeting: `5.5.5-10.11.19-MariaDB-0+deb12u1`, `8.0.36`. MariaDB puts `5.5.5-` before its own
    /// for old replicas.
    pub(super) fn of(version: &str) -> Self {
        let mariadb = version.to_ascii_lowercase().contains("mariadb");
        let version = version.strip_prefix("5.5.5-").unwrap_or(version);
        let number = version.split(['-', ' ', '+']).next().unwrap_or_default();
        let mut parts = number.split('.').map(|part| part.parse().unwrap_or_default());
        let name = format!("{} {number}", if mariadb { "MariaDB" } else { "MySQL" });
        Self { mariadb, version: (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()), name }
    }

    /// Settings of mainstay's own connection: the server ends what hangs, nothing can be written, and names and texts
    /// are read as they are written here.
    pub(super) fn settings(&self) -> [&'static str; 3] {
        let limit = if self.mariadb {
            "SET SESSION max_statement_time = 3"
        } else {
            "SET SESSION max_execution_time = 3000"
        };
        [limit, "SET SESSION lock_wait_timeout = 1, sql_mode = ''", "SET SESSION TRANSACTION READ ONLY"]
    }

    /// Sessions that execute something, and those of these threads.
    pub(super) fn sessions(&self, idle: &[i64], table: &str) -> String {
        let age = if self.mariadb { "TIME_MS / 1000" } else { "TIME" };
        let idle = if idle.is_empty() { String::new() } else { format!("OR ID IN ({})", listed(idle)) };
        format!(
            "SELECT ID AS id, USER AS user, HOST AS host, COMMAND AS command, {age} AS age, STATE AS state, \
             LEFT(INFO, 1024) AS info FROM {table} \
             WHERE (COMMAND <> 'Sleep' {idle}) AND ID <> CONNECTION_ID() ORDER BY {age} DESC LIMIT {SESSIONS_MAX}"
        )
    }

    /// Tables of the sessions. That of the information schema is gone in a future MySQL.
    pub(super) fn session_tables(&self) -> &'static [&'static str] {
        if self.mariadb {
            &["information_schema.PROCESSLIST"]
        } else {
            &["information_schema.PROCESSLIST", "performance_schema.processlist"]
        }
    }

    /// Which transaction waits for which, and the right for it.
    pub(super) fn lock_waits(&self) -> (String, &'static str) {
        if self.mariadb || self.version < (8, 0) {
            let (columns, table) = (
                "requesting_trx_id AS waiting, blocking_trx_id AS holding",
                "information_schema.INNODB_LOCK_WAITS",
            );
            return (format!("SELECT {columns} FROM {table} LIMIT {LOCKS_MAX}"), PROCESS);
        }
        let statement = format!(
            "SELECT REQUESTING_ENGINE_TRANSACTION_ID AS waiting, BLOCKING_ENGINE_TRANSACTION_ID AS holding \
             FROM performance_schema.data_lock_waits LIMIT {LOCKS_MAX}"
        );
        (statement, PERFORMANCE_SCHEMA)
    }

    /// The stream of a replica from its primary, and the right for it.
    pub(super) fn replica_status(&self) -> (&'static str, &'static str) {
        match (self.mariadb, self.version) {
            (true, version) if version < (10, 5) => ("SHOW ALL SLAVES STATUS", "REPLICATION CLIENT"),
            (true, _) => ("SHOW ALL SLAVES STATUS", "SLAVE MONITOR"),
            (false, version) if version < (8, 1) => ("SHOW SLAVE STATUS", "REPLICATION CLIENT"),
            (false, _) => ("SHOW REPLICA STATUS", "REPLICATION CLIENT"),
        }
    }

    /// The position in the binary log, and the right for it.
    pub(super) fn log_status(&self) -> (&'static str, &'static str) {
        match (self.mariadb, self.version) {
            (true, version) if version >= (10, 5) => ("SHOW MASTER STATUS", "BINLOG MONITOR"),
            (false, version) if version >= (8, 2) => ("SHOW BINARY LOG STATUS", "REPLICATION CLIENT"),
            _ => ("SHOW MASTER STATUS", "REPLICATION CLIENT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_and_version_are_read() {
        for (version, name, status, log) in [
            (
                "5.5.5-10.11.19-MariaDB-0+deb12u1",
                "MariaDB 10.11.19",
                "SHOW ALL SLAVES STATUS",
                "SHOW MASTER STATUS",
            ),
            ("11.8.2-MariaDB-log", "MariaDB 11.8.2", "SHOW ALL SLAVES STATUS", "SHOW MASTER STATUS"),
            ("5.7.44-log", "MySQL 5.7.44", "SHOW SLAVE STATUS", "SHOW MASTER STATUS"),
            ("8.0.36", "MySQL 8.0.36", "SHOW SLAVE STATUS", "SHOW MASTER STATUS"),
            ("8.4.3", "MySQL 8.4.3", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS"),
            ("", "MySQL ", "SHOW SLAVE STATUS", "SHOW MASTER STATUS"),
        ] {
            let product = Product::of(version);
            assert_eq!(
                (product.name.as_str(), product.replica_status().0, product.log_status().0),
                (name, status, log)
            );
        }
    }
}
