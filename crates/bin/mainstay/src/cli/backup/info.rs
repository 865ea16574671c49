//! `pgbackrest info`: the last backup of a stanza, its size, and the version of PostgreSQL that it needs.

use super::Stop;
use super::programs::{ProgramError, Programs};
use crate::cli::Failure;
use serde::Deserialize;
use std::time::Duration;

/// Longest wait for the answer: a repository on object storage is listed first.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
struct Stanza {
    #[serde(default)]
    status: Status,
    #[serde(default)]
    backup: Vec<Entry>,
    #[serde(default)]
    db: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Entry {
    label: String,
    #[serde(default)]
    database: Key,
    /// Whether damaged pages were found while it was made.
    #[serde(default)]
    error: Option<bool>,
    info: Sizes,
    timestamp: Timestamp,
}

#[derive(Default, Deserialize)]
struct Key {
    #[serde(default)]
    id: u64,
    #[serde(rename = "repo-key", default = "first")]
    repository: u64,
}

#[derive(Deserialize)]
struct Sizes {
    /// Bytes of the restored database.
    size: u64,
}

#[derive(Deserialize)]
struct Timestamp {
    stop: i64,
}

#[derive(Deserialize)]
struct Version {
    id: u64,
    #[serde(rename = "repo-key", default = "first")]
    repository: u64,
    version: String,
}

fn first() -> u64 {
    1
}

/// The last backup of a stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastBackup {
    /// The tool's name of it.
    pub label: String,
    /// The repository that has it.
    pub repository: u64,
    /// Bytes of the restored database.
    pub bytes: u64,
    /// Major version of its PostgreSQL.
    pub major: String,
    /// Whether pgBackRest found damaged pages in it.
    pub is_damaged: bool,
}

/// Asks for the last backup of a stanza.
///
/// # Errors
/// When the tool cannot be run, or there is no backup that it can read.
pub(crate) async fn last(programs: &Programs, stanza: &str) -> Result<LastBackup, Stop> {
    let mut command = programs.pgbackrest(stanza);
    command.args(["info", "--output=json"]);
    let output = match programs.output(command, TIMEOUT).await {
        Ok(output) => output,
        Err(why @ ProgramError::NotRun(..)) => {
            let hint =
                "pgBackRest and its configuration are needed on this machine, with access to the repository";
            return Err(Failure::no(why).hint(hint).into());
        }
        Err(why) => return Err(Stop::Unproven(format!("`pgbackrest info` failed: {why}"))),
    };
    let unreadable = |why| Stop::Unproven(format!("the output of `pgbackrest info` cannot be read: {why}"));
    let stanzas: Vec<Stanza> = serde_json::from_str(&output).map_err(unreadable)?;
    parse(stanzas).map_err(|why| Stop::Unproven(format!("{stanza} has no backup to restore: {why}")))
}

fn parse(stanzas: Vec<Stanza>) -> Result<LastBackup, String> {
    let Some(Stanza { status, backup, db }) = stanzas.into_iter().next() else {
        return Err("pgBackRest knows no such stanza".to_owned());
    };
    let Some(last) = backup.into_iter().max_by_key(|entry| entry.timestamp.stop) else {
        return Err(status.message);
    };
    let Key { id, repository } = last.database;
    let version = db.iter().find(|db| db.id == id && db.repository == repository);
    let version = version.ok_or_else(|| format!("the version of {} is not known", last.label))?;
    Ok(LastBackup {
        label: last.label,
        repository,
        bytes: last.info.size,
        // Before PostgreSQL 10 a major version had two numbers; those have no data folder that is started here.
        major: version.version.split('.').next().unwrap_or_default().to_owned(),
        is_damaged: last.error == Some(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_backup_of_any_repository_is_the_last() {
        let text = r#"[{"name":"main","status":{"code":0,"message":"ok"},
            "db":[{"id":1,"repo-key":1,"version":"15"},{"id":1,"repo-key":2,"version":"16"}],
            "backup":[{"label":"20261201-010000F","database":{"id":1,"repo-key":1},"error":false,"info":{"size":7},"timestamp":{"start":1,"stop":20}},
                      {"label":"20261202-010000F","database":{"id":1,"repo-key":2},"error":true,"info":{"size":9},"timestamp":{"start":1,"stop":30}}]}]"#;
        let last = parse(serde_json::from_str(text).unwrap()).unwrap();
        let expected = LastBackup {
            label: "20261202-010000F".to_owned(),
            repository: 2,
            bytes: 9,
            major: "16".to_owned(),
            is_damaged: true,
        };
        assert_eq!(last, expected);
        let none = r#"[{"name":"main","status":{"code":2,"message":"no valid backups"}}]"#;
        assert_eq!(parse(serde_json::from_str(none).unwrap()).unwrap_err(), "no valid backups");
        assert!(parse(Vec::new()).is_err());
    }
}
