//! Sessions and transactions as the server lists them.

use super::rows::Row;
use crate::kinds::database::statement::{Dialect, without_literals};
use std::time::Duration;
use types::database::{Session, Standby};

/// What `mysqldump` and its like write into each statement. It has no literals, and no name of the program is at hand.
const DUMP: &str = "SELECT /*!40001 SQL_NO_CACHE */";

/// A session as the server lists it.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) thread: i64,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) command: String,
    pub(super) age: Duration,
    pub(super) state: String,
    /// With its literals.
    pub(super) statement: String,
}

impl Process {
    pub(super) fn read(row: Row<'_>) -> Option<Self> {
        let text = |column| row.text(&[column]).unwrap_or_default().to_owned();
        Some(Self {
            thread: row.number(&["id"])?,
            user: text("user"),
            host: text("host"),
            command: text("command"),
            age: row.seconds(&["age"]).unwrap_or_default(),
            state: text("state"),
            statement: text("info"),
        })
    }

    /// Whether it executes a statement of a client.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.command.as_str(), "Query" | "Execute") && self.user != "system user"
    }

    /// Waits for a lock that is none of a row: of a table, its metadata, or all tables.
    pub(super) fn waits_for_table(&self) -> bool {
        self.is_active() && self.state.starts_with("Waiting for") && self.state.ends_with("lock")
    }

    pub(super) fn session(&self) -> Session {
        let is_dump = self.statement.starts_with(DUMP);
        let idle = self.command == "Sleep";
        Session {
            pid: self.thread,
            application: text::truncate::chars(if is_dump { "mysqldump" } else { &self.user }, 100),
            state: if idle { "idle in transaction" } else { "active" }.to_owned(),
            age: self.age,
            statement: without_literals(&self.statement, Dialect::Mysql),
        }
    }

    /// A replica that reads the binary log.
    pub(super) fn standby(&self) -> Option<Standby> {
        self.command.starts_with("Binlog Dump").then(|| Standby {
            name: text::truncate::chars(&self.host, 100),
            state: "streaming".to_owned(),
            sync_state: "async".to_owned(),
            lag_bytes: None,
        })
    }
}

/// An open transaction.
pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) thread: i64,
    pub(super) waits: bool,
    pub(super) age: Duration,
}

impl Transaction {
    pub(super) fn read(row: Row<'_>) -> Option<Self> {
        Some(Self {
            id: row.text(&["id"])?.to_owned(),
            thread: row.number(&["thread"])?,
            waits: row.text(&["waits"]) == Some("1"),
            age: row.seconds(&["age"]).unwrap_or_default(),
        })
    }
}
