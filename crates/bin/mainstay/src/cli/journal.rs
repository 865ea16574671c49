//! `mainstay journal`: dump, verify, back up and restore the journal.

use crate::app::permissions;
use crate::cli::{Common, Failure, config, table};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Print every event, one JSON object per line. Works while mainstay runs.
    Dump {
        /// Print only events after this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Verify that every event is present, unchanged and in order.
    Verify,
    /// Copy the journal while mainstay runs.
    Backup {
        /// The destination; must not exist.
        to: PathBuf,
    },
    /// Replace the journal with a backup. Mainstay must not run.
    Restore {
        /// The backup.
        from: PathBuf,
        /// Replace an existing journal; the old one is kept beside it.
        #[arg(long)]
        replace: bool,
    },
}

impl Journal {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let path = config::data(&common.config)?.join("journal.db");
        match self {
            Self::Dump { after } => {
                for event in journal::dump(&path, *after).map_err(Failure::no)? {
                    let event = event.map_err(Failure::no)?;
                    let event = web::json::to_value(&event).map_err(Failure::no)?;
                    if !table::try_say(&event.to_string()) {
                        break;
                    }
                }
            }
            Self::Verify => {
                let verified = journal::verify(&path).map_err(|why| {
                    Failure::no(why).hint("restore the last backup: mainstay journal restore FILE --replace")
                })?;
                if common.json {
                    table::json(&serde_json::json!({
                        "events": verified.events, "head": verified.head, "hash": verified.hash.to_string()
                    }))?;
                } else {
                    table::say(&format!(
                        "{} events, complete and in order; head {}",
                        verified.events, verified.head
                    ));
                }
            }
            Self::Backup { to } => {
                let copied = journal::backup(&path, to).map_err(Failure::no)?;
                if common.json {
                    table::json(&serde_json::json!({
                        "file": to, "events": copied.events, "head": copied.head, "hash": copied.hash
                    }))?;
                } else {
                    table::say(&format!("{}: backup complete", to.display()));
                }
            }
            Self::Restore { from, replace } => {
                if from.is_file()
                    && let Some(data) = path.parent()
                {
                    // A new machine has no data folder yet.
                    permissions::folder(data)
                        .map_err(|why| Failure::no(format!("{}: {why}", data.display())))?;
                }
                let epoch = journal::restore(from, &path, *replace).map_err(|why| {
                    let exists = matches!(why, journal::sqlite::CopyError::Exists(_));
                    let failure = Failure::no(why);
                    let hint = "--replace replaces the journal and keeps the old one beside it";
                    if exists { failure.hint(hint) } else { failure }
                })?;
                if common.json {
                    table::json(&serde_json::json!({ "epoch": epoch }))?;
                } else {
                    table::say(&format!("restored; the journal is now at epoch {epoch}"));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
