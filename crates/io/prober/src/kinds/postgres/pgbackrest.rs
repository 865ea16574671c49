//! Backups by `pgbackrest info --output=json`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Stdio;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};
use types::Time;
use types::database::Backup;

/// Bytes of output that are read.
const OUTPUT_MAX: u64 = 4 << 20;

#[derive(Deserialize)]
struct Stanza {
    name: String,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    backup: Vec<BackupInfo>,
    #[serde(default)]
    repo: Vec<Repository>,
}

#[derive(Default, Deserialize)]
struct Status {
    code: i64,
    message: String,
}

#[derive(Deserialize)]
struct BackupInfo {
    #[serde(default)]
    database: Database,
    /// Null in versions that do not check.
    #[serde(default)]
    error: Option<bool>,
    timestamp: Timestamp,
}

#[derive(Default, Deserialize)]
struct Database {
    #[serde(rename = "repo-key", default = "first_repository")]
    repository: u32,
}

#[derive(Deserialize)]
struct Timestamp {
    stop: i64,
}

#[derive(Deserialize)]
struct Repository {
    key: u32,
    #[serde(default)]
    status: Status,
}

fn first_repository() -> u32 {
    1
}

/// Reasons why nothing is known of the backups.
#[derive(Debug, Error)]
pub(crate) enum BackupError {
    /// The tool cannot be run.
    #[error("{program} cannot be run: {why} (install it on this machine)")]
    NotRun {
        /// The tool.
        program: String,
        /// The reason.
        why: std::io::Error,
    },
    /// It gave no answer in time.
    #[error("{program} info gave no answer in time")]
    Late {
        /// The tool.
        program: String,
    },
    /// It failed.
    #[error("{program} info failed: {why}")]
    Failed {
        /// The tool.
        program: String,
        /// Its status and its message.
        why: String,
    },
    /// Its output is not what this version of mainstay reads.
    #[error("the output of pgbackrest cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Reads the output. Of several repositories the one whose last good backup is oldest counts, because each is configured for a
/// reason.
///
/// # Errors
/// What is wrong with the output.
pub(crate) fn parse(output: &str) -> Result<Vec<Backup>, BackupError> {
    let stanzas: Vec<Stanza> = serde_json::from_str(output)?;
    Ok(stanzas.into_iter().map(backup).collect())
}

fn backup(stanza: Stanza) -> Backup {
    let mut last: BTreeMap<u32, Option<i64>> = stanza.repo.iter().map(|repo| (repo.key, None)).collect();
    for info in stanza.backup.iter().filter(|info| info.error != Some(true)) {
        let newest = last.entry(info.database.repository).or_default();
        *newest = (*newest).max(Some(info.timestamp.stop));
    }
    let repositories = u32::try_from(last.len()).unwrap_or(u32::MAX);
    let oldest = last.values().copied().min().flatten();
    let failing = stanza.repo.iter().find(|repo| repo.status.code != 0).map(|repo| &repo.status);
    let status = failing.unwrap_or(&stanza.status);
    Backup {
        name: stanza.name,
        ok: status.code == 0 && stanza.status.code == 0,
        status: text::truncate::chars(&status.message, 200),
        last: oldest.and_then(|stop| Time::from_second(stop).ok()),
        repositories,
    }
}

/// Runs the tool for one stanza.
///
/// # Errors
/// Why there is no output, and the next step.
pub(crate) async fn run(program: &str, stanza: &str, deadline: Instant) -> Result<Vec<Backup>, BackupError> {
    let failed = |why: String| BackupError::Failed { program: program.to_owned(), why };
    let mut child = Command::new(program)
        .args(["info", "--output=json", "--log-level-console=off", "--log-level-stderr=error"])
        .arg(format!("--stanza={stanza}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| BackupError::NotRun { program: program.to_owned(), why })?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let finished = async {
        let (mut output, mut errors) = (String::new(), String::new());
        if let (Some(out), Some(err)) = (out, err) {
            let (mut out, mut err) = (out.take(OUTPUT_MAX), err.take(OUTPUT_MAX));
            let _ = tokio::join!(out.read_to_string(&mut output), err.read_to_string(&mut errors));
        }
        (child.wait().await, output, errors)
    };
    let late = |_| BackupError::Late { program: program.to_owned() };
    let (status, output, errors) = timeout_at(deadline, finished).await.map_err(late)?;
    match status {
        Ok(status) if status.success() => parse(&output),
        Ok(status) => Err(failed(format!("{status}: {}", text::truncate::chars(errors.trim(), 200)))),
        Err(error) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_REPOSITORIES: &str = r#"[{"archive":[],"backup":[
        {"archive":{"start":"a","stop":"b"},"database":{"id":1,"repo-key":1},"error":false,"label":"20261121-010000F","timestamp":{"start":1000,"stop":2000},"type":"full"},
        {"database":{"id":1,"repo-key":1},"error":true,"label":"20261122-010000I","timestamp":{"start":8000,"stop":9000},"type":"incr"},
        {"database":{"id":1,"repo-key":2},"error":null,"label":"20261120-010000F","timestamp":{"start":500,"stop":900},"type":"full"}],
        "cipher":"none","db":[],"name":"main","repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}},
        {"cipher":"none","key":2,"status":{"code":0,"message":"ok"}}],
        "status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}]"#;

    #[test]
    fn oldest_repository_counts() {
        let backups = parse(TWO_REPOSITORIES).unwrap();
        let [main] = &backups[..] else { panic!("{backups:?}") };
        assert_eq!((main.name.as_str(), main.ok, main.repositories), ("main", true, 2));
        assert_eq!(main.last, Time::from_second(900).ok());
        let without = parse(
            r#"[{"name":"main","status":{"code":2,"message":"no valid backups"},"repo":[{"key":1,"status":{"code":2,"message":"no valid backups"}}]}]"#,
        );
        let [main] = &without.unwrap()[..] else { panic!() };
        assert_eq!((main.ok, main.last, main.status.as_str()), (false, None, "no valid backups"));
    }

    proptest! {
        #[test]
        fn any_output_is_read_or_refused(output in "\\PC{0,200}") {
            let _ = parse(&output);
        }
    }
}
