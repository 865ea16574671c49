//! One verification: free space, restore, start, read, stop, record.

use super::info::{self, LastBackup};
use super::programs::Programs;
use super::reading::{self, DatabaseRead};
use super::scratch::Scratch;
use super::server::Server;
use super::{Stop, restore};
use crate::cli::running::Running;
use crate::cli::{Common, Failure, actor, config, table};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use types::config::BackupSource;

/// Restores a backup and reads it.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The database: `[database.NAME]`, with `backup`.
    database: String,
    /// An empty folder to restore into; default: a new one in the folder for temporary files.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Keep the restored database in the scratch folder.
    #[arg(long)]
    keep: bool,
    /// A question to the restored database, whose answer is shown: "select count(*) from orders".
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
    /// The database that the question is for.
    #[arg(long, value_name = "NAME", default_value = "postgres")]
    query_database: String,
    /// Folder of the programs of PostgreSQL; default: /usr/lib/postgresql/VERSION/bin.
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
    /// User of the scratch server, when this command is run as root.
    #[arg(long, default_value = "postgres")]
    user: String,
    /// Superuser of the restored database.
    #[arg(long, default_value = "postgres")]
    role: String,
    /// Longest duration of each step: restore, start, check.
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = ::config::duration)]
    timeout: Duration,
    /// Your name, or that of the job; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

/// What was learned on the way.
#[derive(Debug, Default)]
struct Learned {
    backup: Option<LastBackup>,
    seconds: Option<u64>,
    databases: Vec<DatabaseRead>,
    checks: Vec<String>,
    answer: Option<String>,
    kept: Option<PathBuf>,
}

impl Verify {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let config = config::read(&common.config, common.json)?;
        let stanza = self.stanza(&config)?;
        // Before the restore, which may take hours: a record that cannot be made is known at the beginning.
        let running = Running::find_if_any(common)?;
        if running.is_none() {
            table::warn(
                "warning: mainstay is not running with this configuration; the result is not recorded",
            );
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        let mut learned = Learned::default();
        let ended = runtime.block_on(self.until_stopped(&stanza, &mut learned, common.json));
        let failed = match ended {
            Ok(()) => None,
            Err(Stop::Unproven(why)) => Some(why),
            Err(Stop::Setup(failure)) => return Err(failure),
        };
        let recorded = running.map(|running| self.record(&running, &learned, failed.as_deref()));
        self.show(common, &learned, failed.as_deref())?;
        recorded.transpose()?;
        Ok(if failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn stanza(&self, config: &types::Config) -> Result<String, Failure> {
        let name = &self.database;
        let known = || config.databases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let database = config.databases.get(name).ok_or_else(|| {
            Failure::wrong(format!("the configuration has no `[database.{name}]`"))
                .hint(format!("it has: {}", known()))
        })?;
        match &database.backups {
            Some(BackupSource::Pgbackrest(stanza)) => Ok(stanza.clone()),
            Some(BackupSource::Files(_) | BackupSource::Heartbeat(_)) | None => Err(Failure::wrong(format!(
                "[database.{name}] has no `backup` from pgBackRest"
            ))
            .hint("restore a backup of another tool yourself, and record that: mainstay backup proven NAME")),
        }
    }

    /// Verifies until it is done, or a signal arrives; then programs are ended and the folder is removed.
    async fn until_stopped(&self, stanza: &str, learned: &mut Learned, quiet: bool) -> Result<(), Stop> {
        let mut terminated = signal(SignalKind::terminate()).map_err(Failure::no)?;
        let stopped = || Stop::Setup(Failure::no("stopped; nothing is recorded"));
        tokio::select! {
            ended = self.verify(stanza, learned, quiet) => ended,
            _ = tokio::signal::ctrl_c() => Err(stopped()),
            _ = terminated.recv() => Err(stopped()),
        }
    }

    async fn verify(&self, stanza: &str, learned: &mut Learned, quiet: bool) -> Result<(), Stop> {
        let progress = |line: String| {
            if !quiet {
                table::say(&line);
            }
        };
        let programs = Programs::new(self.bin.clone(), &self.user)?;
        let backup = info::last(&programs, stanza).await?;
        learned.backup = Some(backup.clone());
        programs.postgres(&backup.major, "postgres")?;
        let size = text::number::grouped(backup.bytes >> 20);
        progress(format!("backup {} of PostgreSQL {}: {size} MiB", backup.label, backup.major));
        let scratch = Scratch::create(self.scratch.as_deref(), backup.bytes, programs.user(), self.keep)?;
        let own = scratch.folder("pgbackrest", programs.user())?;
        let programs = programs.in_folder(&own);
        progress(format!("restoring into {}", scratch.path().display()));
        let began = Instant::now();
        restore::restore(&programs, stanza, &backup, &scratch, self.timeout).await?;
        progress(format!("restored in {} s; starting PostgreSQL", began.elapsed().as_secs()));
        let names = (backup.major.as_str(), self.role.as_str());
        let server = Server::start(&programs, names, &scratch, self.timeout).await?;
        learned.seconds = Some(began.elapsed().as_secs());
        progress(format!("it accepts connections after {} s", began.elapsed().as_secs()));
        learned.databases = reading::databases(&server).await?;
        for DatabaseRead { name, tables } in &learned.databases {
            progress(format!("database {name}: {tables} tables"));
        }
        if let Some(sql) = &self.query {
            let answer = reading::answer(&server, (&self.query_database, sql), self.timeout).await?;
            progress(format!("{sql}: {answer}"));
            learned.answer = Some(answer);
        }
        let checked = reading::structures(&programs, &server, self.timeout).await?;
        progress(checked.clone());
        learned.checks.push(checked);
        server.stop().await?;
        let checked = reading::checksums(&programs, &backup.major, &scratch, self.timeout).await?;
        progress(checked.clone());
        learned.checks.push(checked);
        learned.kept = self.keep.then(|| scratch.path().to_owned());
        if backup.is_damaged {
            let why = format!("pgBackRest found damaged pages when it made {}", backup.label);
            return Err(Stop::Unproven(why));
        }
        Ok(())
    }

    fn record(&self, running: &Running, learned: &Learned, failed: Option<&str>) -> Result<Value, Failure> {
        running.post(
            "/api/v1/restores",
            &json!({
                "by": actor(self.by.as_ref()),
                "database": self.database,
                "how": "verified",
                "backup": learned.backup.as_ref().map(|backup| &backup.label),
                "duration_seconds": learned.seconds,
                "failed": failed,
            }),
        )
    }

    fn show(&self, common: &Common, learned: &Learned, failed: Option<&str>) -> Result<(), Failure> {
        let label = learned.backup.as_ref().map(|backup| backup.label.as_str());
        if common.json {
            table::json(&json!({
                "database": self.database,
                "backup": label,
                "duration_seconds": learned.seconds,
                "databases": learned.databases,
                "checks": learned.checks,
                "answer": learned.answer,
                "kept": learned.kept,
                "failed": failed,
            }))?;
        } else if let Some(why) = failed {
            table::warn(&format!("mainstay: the backups of {} are not proven: {why}", self.database));
        } else {
            let label = label.unwrap_or_default();
            table::say(&format!("the backup {label} of {} can be restored", self.database));
            if let Some(kept) = &learned.kept {
                table::say(&format!("it is kept in {}", kept.display()));
            }
        }
        Ok(())
    }
}
