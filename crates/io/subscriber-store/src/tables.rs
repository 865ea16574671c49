//! The SQL tables.

use rusqlite::Connection;

/// SQLite application id: `msub`.
pub(crate) const APPLICATION: i32 = 0x6d73_7562;

/// Format of the tables. A file with another one is not opened.
pub(crate) const VERSION: i32 = 1;

/// Numbers of subscribers are never given again (AUTOINCREMENT): a link of one that was removed must not open another.
/// `address_key` is the address in lower case. Times are milliseconds since 1970.
const TABLES: &str = "
    CREATE TABLE subscriber (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, address TEXT NOT NULL, address_key TEXT NOT NULL,
        components TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
        UNIQUE (kind, address_key)) STRICT;
    CREATE TABLE letter (
        subscriber INTEGER PRIMARY KEY REFERENCES subscriber (id) ON DELETE CASCADE, asked INTEGER NOT NULL,
        progress INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL) STRICT;
    CREATE TABLE published (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE delivery (
        published INTEGER NOT NULL REFERENCES published (id) ON DELETE CASCADE,
        subscriber INTEGER NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
        kind TEXT NOT NULL, progress INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL,
        PRIMARY KEY (published, subscriber)) STRICT, WITHOUT ROWID;
    CREATE INDEX delivery_due ON delivery (published, progress, kind, next);
    CREATE INDEX delivery_of ON delivery (subscriber, published);
    CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Creates the tables of a new file.
pub(crate) fn create(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}
