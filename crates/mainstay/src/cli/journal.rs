//! `mainstay journal`: look into, verify, back up and restore what happened.

use crate::cli::{Common, Failure, plan, table};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Every event, one JSON object a line. Works while mainstay runs.
    Dump {
        /// Only events after this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Is every row there, unchanged, in order?
    Verify,
    /// Copy the journal while mainstay runs.
    Backup {
        /// Where to; must not exist.
        to: PathBuf,
    },
    /// Put a backup in the journal's place. Mainstay must not run.
    Restore {
        /// The backup.
        from: PathBuf,
        /// Even though a journal is there; the old one is kept beside it.
        #[arg(long)]
        replace: bool,
    },
}

impl Journal {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let path = plan::read(&common.plan, true)?.site.data.join("journal.db");
        match self {
            Self::Dump { after } => {
                for event in journal::dump(&path, *after).map_err(Failure::no)? {
                    let event = event.map_err(Failure::no)?;
                    table::say(&serde_json::to_string(&event).map_err(Failure::no)?);
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
                        "{} events, whole and in order; head {}",
                        verified.events, verified.head
                    ));
                }
            }
            Self::Backup { to } => {
                journal::backup(&path, to).map_err(Failure::no)?;
                table::say(&format!("{} holds a copy", to.display()));
            }
            Self::Restore { from, replace } => {
                let epoch = journal::restore(from, &path, *replace).map_err(Failure::no)?;
                table::say(&format!("restored; this is epoch {epoch} of the journal"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
