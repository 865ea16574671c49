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
    use rustix::process::Signal;
    use std::fs::Permissions;
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
    use testbed::postgres::Postgres;

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

    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    /// A stanza of a real server, whose configuration, repository and tool are in a folder that all may use.
    struct RealStanza {
        folder: tempfile::TempDir,
        server: Postgres,
    }

    impl RealStanza {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let place = |name: &str, mode, text: String| {
                std::fs::write(folder.path().join(name), text).unwrap();
                let permissions = Permissions::from_mode(mode);
                std::fs::set_permissions(folder.path().join(name), permissions).unwrap();
            };
            std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
            let at = folder.path().display();
            // A machine has one configuration and one tool, a test its own.
            place("pgbackrest", 0o755, format!("#!/bin/sh\nexec pgbackrest --config={at}/conf \"$@\"\n"));
            let archive = format!("archive_command={at}/pgbackrest --stanza=main archive-push %p");
            let sockets = format!("unix_socket_directories={at}");
            let server = Postgres::start(&["archive_mode=on", &archive, &sockets]).await;
            let global = format!(
                "[global]\nrepo1-path={at}/repo\nrepo1-retention-full=9\nlog-level-file=off\nlock-path={at}/lock\n\
                 spool-path={at}/spool\nstart-fast=y\n"
            );
            let (data, port) = (server.data(), server.port);
            let main = format!(
                "[main]\npg1-path={}\npg1-socket-path={at}\npg1-port={port}\npg1-user=postgres\n",
                data.display()
            );
            place("conf", 0o644, global + &main);
            Self { folder, server }
        }

        fn tool(&self) -> String {
            self.folder.path().join("pgbackrest").display().to_string()
        }

        /// Runs a command of the tool as the user of the server.
        fn execute(&self, args: &[&str]) {
            let done = Postgres::program(&self.tool()).arg("--stanza=main").args(args).output().unwrap();
            assert!(done.status.success(), "{args:?}: {done:?}");
        }

        /// What mainstay reads.
        async fn info(&self) -> Backup {
            let read = run(&self.tool(), "main", Instant::now() + PATIENCE).await.unwrap();
            let [main] = &read[..] else { panic!("{read:?}") };
            main.clone()
        }

        /// Damages a page of the table `t` behind the back of the server, which has checksums from now on.
        async fn damage(&mut self) {
            let client = self.server.client("test").await;
            client.batch_execute("checkpoint").await.unwrap();
            let path = client.query_one("select pg_relation_filepath('t')", &[]).await.unwrap();
            let path = self.server.data().join(path.get::<_, String>(0));
            drop(client);
            self.server.stop(Signal::INT);
            let enabled =
                Postgres::program("pg_checksums").args(["-e", "-N", "-D"]).arg(self.server.data()).output();
            assert!(enabled.unwrap().status.success());
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"damage", 4_000).unwrap();
            self.server.run().await;
        }
    }

    #[tokio::test]
    async fn real_backup_counts_until_only_unsound_ones_follow() {
        let mut stanza = RealStanza::new().await;
        let none = stanza.info().await;
        assert_eq!((none.ok, none.status.as_str(), none.last), (false, "missing stanza path", None));
        stanza.execute(&["stanza-create"]);
        let none = stanza.info().await;
        assert_eq!((none.ok, none.status.as_str(), none.last), (false, "no valid backups", None));

        let began = Time::now();
        stanza.execute(&["--type=full", "backup"]);
        let good = stanza.info().await;
        assert_eq!((good.ok, good.status.as_str(), good.repositories), (true, "ok", 1));
        let last = good.last.unwrap();
        assert!(last.as_second() >= began.as_second() && last <= Time::now(), "{last} {began}");

        // The tool calls a backup of damaged pages a backup; the last good one gets older.
        stanza.damage().await;
        stanza.execute(&["--type=full", "backup"]);
        let aged = stanza.info().await;
        assert_eq!((aged.ok, aged.last), (true, Some(last)));

        let unknown = run(&stanza.tool(), "other", Instant::now() + PATIENCE).await.unwrap();
        assert!(unknown.iter().all(|backup| !backup.ok), "{unknown:?}");
        std::fs::write(stanza.folder.path().join("conf"), "[global]\nrepo1-path=relative\n").unwrap();
        let broken = run(&stanza.tool(), "main", Instant::now() + PATIENCE).await.unwrap_err();
        assert!(broken.to_string().contains("info failed: exit status"), "{broken}");
    }

    proptest! {
        #[test]
        fn any_output_is_read_or_refused(output in "\\PC{0,200}") {
            let _ = parse(&output);
        }
    }
}
