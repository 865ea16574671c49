//! `[database.NAME]` as written.

use crate::diagnostics::Diagnostics;
use crate::formats::{INTERVAL, SECRET, WEEK};
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::{Boolean, Integer, Span, duration, integer};
use crate::kind::string::{Format, Text, format};
use crate::kind::table::{OrFalse, made};
use crate::kind::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::config::{BackupSource, Database, SecretRef};
use types::database::DatabaseThresholds;

/// Maximum number of nodes: each keeps a connection and is measured in every round.
const MAX_NODES: usize = 32;

const PERCENT: Integer<u32> = integer(1, 100);
const AGE: Span = duration(Duration::from_secs(1), WEEK);
const BACKUP_AGE: Span = duration(Duration::from_secs(60), Duration::from_secs(366 * 86_400));
const RESTORE_EVERY: Duration = Duration::from_secs(30 * 86_400);
const BACKUP_SOURCE: Format<BackupSource> =
    format("\"pgbackrest:STANZA\", or \"file:/PATH/*.dump\"", Some("^(pgbackrest:.|file:/)"), |text, _| {
        backup_source(text)
    });

keys! {
    /// A database with its replicas: PostgreSQL, MariaDB, MySQL, Redis or Valkey. Its URLs hold passwords, so they are secrets.
    [database.NAME]
    struct RawDatabase {
        /// Reference to the URL of the primary, such as `postgres://mainstay:PASSWORD@db1.acme.net:5432/postgres`,
        /// `mysql://mainstay:PASSWORD@db1.acme.net:3306` or `redis://mainstay:PASSWORD@cache1.acme.net:6379`.
        url: Option<SecretRef> = SECRET, required, example r#""env:MAIN_DB_URL""#;
        /// References to the URLs of the replicas.
        replicas: Vec<At<SecretRef>> = list(SECRET), otherwise "none", example r#"["env:MAIN_DB_REPLICA_URL"]"#;
        /// Where the machine of its primary stands, as in `[service.NAME]`.
        location: Option<String> = Text, otherwise "none", example r#""rack A""#;
        /// What its backups must be like; `false` for a database that needs none, because its content can be made again.
        backup: Option<Option<RawBackup>> =
            OrFalse { table: made(|backup: RawBackup, _, _| Some(Some(backup))), otherwise: || None },
            otherwise "not checked, and the audit asks for it", example r#"{ from = "pgbackrest:main", max_age = "12h" }"#;
        /// Time between rounds of measurements.
        interval: Duration = INTERVAL, default Duration::from_secs(10), example r#""10s""#;
        /// Share of the connection slots in use that is worth a warning when it lasts for 2 minutes, in percent. All of them in
        /// use is critical.
        connections_percent: u32 = PERCENT, default DatabaseThresholds::default().connections_percent, example "90";
        /// Number of sessions that wait for one other from which on it is critical, once they have waited for 10 seconds.
        blocked_sessions: u32 = integer::<u32>(1, 10_000), default DatabaseThresholds::default().blocked_sessions,
            example "10";
        /// Wait of one session for a lock that is worth a warning.
        blocked_wait: Duration = AGE, default DatabaseThresholds::default().blocked_wait, example r#""2m""#;
        /// Execution time of one statement that is worth a warning. Dumps and maintenance are exempt.
        long_statement: Duration = AGE, default DatabaseThresholds::default().long_statement, example r#""1h""#;
        /// Time without a statement in an open transaction that is worth a warning. Dumps are exempt.
        idle_in_transaction: Duration = AGE, default DatabaseThresholds::default().idle_in_transaction,
            example r#""15m""#;
        /// Lag of a replica that is worth a warning, when it is more than 16 MiB as well.
        lag: Duration = AGE, default DatabaseThresholds::default().lag, example r#""5m""#;
        /// Write-ahead log that an unused replication slot may keep, in bytes.
        slot_bytes: u64 = integer::<u64>(1 << 20, 1 << 50), default DatabaseThresholds::default().slot_bytes,
            example "10737418240";
        /// Share of the memory limit of Redis or Valkey that is worth a warning, in percent.
        memory_percent: u32 = PERCENT, default DatabaseThresholds::default().memory_percent, example "90";
    }
}

keys! {
    /// What the backups of a database must be like.
    struct RawBackup {
        /// Where they are: `pgbackrest:STANZA`, for which mainstay runs `pgbackrest info`, or `file:/PATH/*.dump`, files of a folder
        /// with `*` and `?` in their name. Both on the machine of mainstay. Of files the newest must not be empty, nor less than half
        /// as large as those before. `heartbeat:NAME` is for every other tool, such as restic or borg: the last backup is as old as
        /// the last success that its job reported.
        from: Option<At<BackupSource>> = BACKUP_SOURCE, required, example r#""pgbackrest:main""#;
        /// Maximum age of the last good backup.
        max_age: Option<Duration> = BACKUP_AGE, otherwise "any age; only whether they are sound counts",
            example r#""12h""#;
        /// Whether copies of them are kept in another place. For the audit.
        offsite: bool = Boolean, default false, example "true";
        /// Longest time between two restores that prove them. For the audit; see `mainstay backup verify`.
        restore_every: Duration = BACKUP_AGE, default RESTORE_EVERY, example r#""90d""#;
    }
}

impl RawDatabase {
    /// Checks the number of its nodes.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        if let Some(beyond) = self.replicas.get(MAX_NODES) {
            let message = format!("`replicas` has {} nodes; the maximum is {MAX_NODES}", self.replicas.len());
            diagnostics.error(beyond.place.clone(), message, "divide it into several databases");
        }
        self
    }

    /// The database; `None` without a URL, which was reported already.
    pub(crate) fn resolve(self) -> Option<Database> {
        let backup = self.backup.as_ref().and_then(Option::as_ref);
        Some(Database {
            needs_backups: !matches!(self.backup, Some(None)),
            url: self.url?,
            backups: backup.and_then(|backup| backup.from.as_ref()).map(|from| from.value.clone()),
            offsite: backup.is_some_and(|backup| backup.offsite),
            restore_every: backup.map_or(RESTORE_EVERY, |backup| backup.restore_every),
            thresholds: DatabaseThresholds {
                connections_percent: self.connections_percent,
                blocked_sessions: self.blocked_sessions,
                blocked_wait: self.blocked_wait,
                long_statement: self.long_statement,
                idle_in_transaction: self.idle_in_transaction,
                lag: self.lag,
                slot_bytes: self.slot_bytes,
                memory_percent: self.memory_percent,
                backup_age: backup.and_then(|backup| backup.max_age),
                ..DatabaseThresholds::default()
            },
            replicas: self.replicas.into_iter().map(|at| at.value).collect(),
        })
    }
}

/// Parses where backups are.
fn backup_source(text: &str) -> Result<BackupSource, ValueError> {
    let is_name = |name: &str| {
        name.len() <= 100
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match text.trim().split_once(':') {
        Some(("pgbackrest", name)) if is_name(name) => Ok(BackupSource::Pgbackrest(name.to_owned())),
        Some(("pgbackrest", _)) => {
            Err(ValueError::new("what follows `pgbackrest:` is not the name of a stanza")
                .hint("letters, digits, `-`, `_` and `.`: \"pgbackrest:main\""))
        }
        Some(("file", path)) => files(path),
        Some(("heartbeat", name)) if is_name(name) => Ok(BackupSource::Heartbeat(name.to_owned())),
        Some(("heartbeat", _)) => {
            Err(ValueError::new("what follows `heartbeat:` is not the name of a heartbeat")
                .hint("the name of a section [heartbeat.NAME]: \"heartbeat:nightly-backup\""))
        }
        _ => Err(ValueError::new(format!("`{}` is no source of backups that mainstay knows", shown(text)))
            .hint("write \"pgbackrest:STANZA\", \"file:/PATH/*.dump\" or \"heartbeat:NAME\"")),
    }
}

/// Parses the path of backups that are files. One folder is read, so wildcards are in the file name only.
fn files(path: &str) -> Result<BackupSource, ValueError> {
    let is_wild = |text: &str| text.contains(['*', '?', '[', ']']);
    let hint = "an absolute path with `*` and `?` in its last part: \"file:/var/backups/main/*.dump\"";
    match path.rsplit_once('/') {
        Some((folder, name))
            if path.starts_with('/')
                && !is_wild(folder)
                && !name.is_empty()
                && !name.contains(['[', ']', '\0']) =>
        {
            // `**` has a meaning in paths that it cannot have in a name.
            Ok(BackupSource::Files(format!("{folder}/{}", collapsed(name))))
        }
        Some((folder, _)) if is_wild(folder) => {
            Err(ValueError::new(format!("the folder `{}` has wildcards", shown(folder))).hint(hint))
        }
        _ => Err(ValueError::new(format!("`{}` names no files", shown(path))).hint(hint)),
    }
}

/// A name with one `*` where it has several in a row.
fn collapsed(name: &str) -> String {
    let mut chars: Vec<char> = name.chars().collect();
    chars.dedup_by(|one, before| *one == '*' && *before == '*');
    chars.into_iter().collect()
}
