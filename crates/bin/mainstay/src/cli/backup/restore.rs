//! `pgbackrest restore` into the scratch folder.
//!
//! Whatever the configuration of pgBackRest maps elsewhere - links, tablespaces - would be restored over production: each such
//! option is reset here, and the data folder is named explicitly.

use super::Stop;
use super::info::LastBackup;
use super::programs::{ProgramError, Programs};
use super::scratch::Scratch;
use crate::cli::Failure;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Settings of the restored cluster by which it was a part of production. PostgreSQL writes them with ALTER SYSTEM.
const SETTINGS: &str = "postgresql.auto.conf";
/// The one setting that is kept: pgBackRest adds it, and it only reads from the repository.
const KEPT: &str = "restore_command";
/// Oldest major version whose recovery is configured by settings, and not by a file of its own.
const OLDEST: u32 = 12;

/// Restores a backup.
///
/// # Errors
/// When the tool cannot be run, or the backup cannot be restored.
pub(crate) async fn restore(
    programs: &Programs,
    stanza: &str,
    backup: &LastBackup,
    scratch: &Scratch,
    within: Duration,
) -> Result<(), Stop> {
    if backup.major.parse().is_ok_and(|major: u32| major < OLDEST) {
        let why =
            format!("PostgreSQL {} is too old for `backup verify`; {OLDEST} is the oldest", backup.major);
        return Err(Failure::no(why)
            .hint("restore it yourself, and record that: mainstay backup proven")
            .into());
    }
    let data = scratch.folder("data", programs.user())?;
    let tablespaces = scratch.folder("tablespaces", programs.user())?;
    let mut command = programs.pgbackrest(stanza);
    command
        .arg(format!("--pg1-path={}", data.display()))
        .arg(format!("--repo={}", backup.repository))
        .arg(format!("--set={}", backup.label))
        .arg(format!("--tablespace-map-all={}", tablespaces.display()))
        .args(["--archive-mode=off", "--type=default", "--no-link-all", "--no-delta"])
        .args(["--reset-link-map", "--reset-tablespace-map", "--reset-recovery-option"])
        .args(["--reset-db-include", "--reset-db-exclude", "restore"]);
    match programs.output(command, within).await {
        Ok(_) => {}
        Err(why @ ProgramError::NotRun(..)) => return Err(Failure::no(why).into()),
        Err(why) => return Err(Stop::Unproven(format!("`pgbackrest restore` failed: {why}"))),
    }
    detach(&data).map_err(|why| Failure::no(format!("{}: {why}", data.join(SETTINGS).display())).into())
}

/// Removes every setting of production: preloaded libraries, addresses, archiving, upstream servers.
fn detach(data: &Path) -> io::Result<()> {
    let path = data.join(SETTINGS);
    let text = fs::read_to_string(&path)?;
    fs::write(&path, kept(&text))
}

fn kept(text: &str) -> String {
    let is_kept = |line: &&str| {
        line.trim_start().strip_prefix(KEPT).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    // The last one counts, as for PostgreSQL: a former restore may have left its own.
    text.lines().rfind(is_kept).map(|line| format!("{line}\n")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_restore_command_is_kept() {
        let text = "# Do not edit\nprimary_conninfo = 'host=db1'\nrestore_command = 'old'\narchive_mode = 'on'\n\
                    restore_command = 'pgbackrest archive-get %f \"%p\"'\nshared_preload_libraries = 'x'\n";
        assert_eq!(kept(text), "restore_command = 'pgbackrest archive-get %f \"%p\"'\n");
        assert_eq!(kept("restore_commander = 'x'\n"), "");
    }
}
