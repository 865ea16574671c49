//! `mainstay backup`: prove that backups can be restored, report it, list the last proofs.
//!
//! | module | contents |
//! |---|---|
//! | `info` | `pgbackrest info`: the last backup of a stanza |
//! | `programs` | programs of pgBackRest and PostgreSQL, run as the right user and within a time |
//! | `scratch` | the folder that a backup is restored into, and what it must not be |
//! | `restore` | `pgbackrest restore` into the scratch folder |
//! | `server` | the scratch PostgreSQL |
//! | `reading` | what is read from it |
//! | `verify` | one verification, from the free space to the record |

mod info;
mod programs;
mod reading;
mod restore;
mod scratch;
mod server;
mod verify;

use crate::cli::running::Running;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, actor, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Why a verification ended without a proof.
#[derive(Debug)]
enum Stop {
    /// It could not be made, which says nothing about the backup. Not recorded.
    Setup(Failure),
    /// The backup is not proven: the reason. Recorded.
    Unproven(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Setup(failure)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Restore the last backup of a database into a scratch folder, start a PostgreSQL on it, read it, and record the result.
    Verify(verify::Verify),
    /// Record that a job of your own has restored a backup, or that it failed.
    Proven(Proven),
    /// List the last restore of each database.
    List,
}

/// A restore that another program or a person has made.
#[derive(Debug, Args)]
pub(crate) struct Proven {
    /// The database: `[database.NAME]`.
    database: String,
    /// What its tool calls the backup: "20261201-030000F".
    #[arg(long, value_name = "LABEL")]
    backup: Option<String>,
    /// The restore failed: the reason.
    #[arg(long, value_name = "WHY")]
    failed: Option<String>,
    /// Your name, or that of the job; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

impl Backup {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match self {
            Self::Verify(verify) => verify.run(common),
            Self::Proven(proven) => proven.record(common),
            Self::List => list(common),
        }
    }
}

impl Proven {
    fn record(&self, common: &Common) -> Result<ExitCode, Failure> {
        let answer = Running::find(common)?.post(
            "/api/v1/restores",
            &json!({
                "by": actor(self.by.as_ref()),
                "database": self.database,
                "how": "reported",
                "backup": self.backup,
                "failed": self.failed,
            }),
        )?;
        if common.json {
            table::json(&answer)?;
        } else {
            table::say("recorded");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(common: &Common) -> Result<ExitCode, Failure> {
    let answer = Running::find(common)?.get("/api/v1/restores")?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timezone = timezone_of(&answer);
    let restores: Vec<&Value> = answer["restores"].as_array().into_iter().flatten().collect();
    if restores.is_empty() {
        table::say("no restore is known; prove the backups of a database with: mainstay backup verify NAME");
    }
    let row = |restore: &&Value| {
        let text = |name: &str| restore[name].as_str().unwrap_or_default().to_owned();
        let result = match restore["failed"].as_str() {
            Some(why) => format!("failed: {why}"),
            None => match restore["duration_seconds"].as_u64() {
                Some(secs) => format!("restored in {secs} s"),
                None => "restored".to_owned(),
            },
        };
        let how = if text("how") == "verified" { "verified" } else { "reported" };
        let backup = text("backup");
        let about = if backup.is_empty() { String::new() } else { format!(" ({backup})") };
        [text("database"), display_time(&text("at"), &timezone), format!("{how}: {result}{about}")]
    };
    for line in table::rows(&restores.iter().map(row).collect::<Vec<_>>()) {
        table::say(&line);
    }
    Ok(ExitCode::SUCCESS)
}
