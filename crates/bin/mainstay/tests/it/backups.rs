//! A real backup of a real PostgreSQL: verified, damaged, and what the audit says before and after.

use crate::instance::{Instance, SITE, Web, until};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use testbed::postgres::Postgres;
use tokio::runtime::Runtime;

/// A stanza of a real server: configuration and repository are in a folder that all may use.
struct Stanza {
    folder: tempfile::TempDir,
    server: Postgres,
}

impl Stanza {
    fn start(runtime: &Runtime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let archive = format!("archive_command=pgbackrest --config={at}/conf --stanza=main archive-push %p");
        let sockets = format!("unix_socket_directories={at}");
        let server = runtime.block_on(Postgres::start(&["archive_mode=on", &archive, &sockets]));
        let conf = format!(
            "[global]\nrepo1-path={at}/repo\nrepo1-retention-full=9\nlog-level-file=off\nlock-path={at}/lock\n\
             spool-path={at}/spool\nstart-fast=y\n[main]\npg1-path={}\npg1-socket-path={at}\npg1-port={}\npg1-user=postgres\n",
            server.data().display(),
            server.port
        );
        fs::write(folder.path().join("conf"), conf).unwrap();
        fs::set_permissions(folder.path().join("conf"), Permissions::from_mode(0o644)).unwrap();
        Self { folder, server }
    }

    fn conf(&self) -> String {
        self.folder.path().join("conf").display().to_string()
    }

    fn execute(&self, args: &[&str]) {
        let conf = format!("--config={}", self.conf());
        let done = Postgres::program("/usr/bin/pgbackrest")
            .args([&conf, "--stanza=main"])
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    /// Overwrites the middle of every compressed file of every backup.
    fn damage(&self) {
        let mut todo = vec![self.folder.path().join("repo/backup/main")];
        let mut damaged = 0;
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_symlink() {
                    continue;
                }
                if entry.is_dir() {
                    todo.push(entry);
                } else if entry.extension().is_some_and(|extension| extension == "gz" || extension == "lz4") {
                    let mut bytes = fs::read(&entry).unwrap();
                    let middle = bytes.len() / 2;
                    if let Some(byte) = bytes.get_mut(middle) {
                        *byte = !*byte;
                        damaged += 1;
                    }
                    fs::write(&entry, bytes).unwrap();
                }
            }
        }
        assert!(damaged > 0);
    }
}

fn config(web: &Web) -> String {
    format!(
        r#"{SITE}
[service.shop]
title = "Shop"
depends_on = ["database.main"]
runbook = "https://wiki.example.com/shop"

[probe.front]
http = "http://{address}/"
interval = "500ms"
service = "shop"

[database.main]
url = "file:database-url"
backup = {{ from = "pgbackrest:main" }}

[person.ana]
timezone = "UTC"
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://{address}/"
"#,
        address = web.address
    )
}

fn verify(instance: &Instance, stanza: &Stanza, args: &[&str]) -> Output {
    let mut command = instance.prepared(&["backup", "verify", "main"]);
    command.args(args).env("PGBACKREST_CONFIG", stanza.conf());
    command.output().unwrap()
}

/// What the audit says about restores of the database.
fn proof(instance: &Instance) -> Option<String> {
    let report =
        until("an audit", || Some(instance.json(&["audit"])).filter(|report| report["findings"].is_array()));
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["criterion"] == "restore-proven");
    found.map(|finding| finding["evidence"].as_str().unwrap().to_owned())
}

/// Names in a folder.
fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn real_backup_is_proven_until_it_is_damaged() {
    let runtime = Runtime::new().unwrap();
    let stanza = Stanza::start(&runtime);
    for statement in [
        "create table orders as select i as id from generate_series(1, 1000) as i",
        "alter system set shared_preload_libraries = 'pg_stat_statements'",
        "alter system set archive_timeout = 17",
    ] {
        runtime.block_on(stanza.server.sql(statement));
    }
    stanza.execute(&["stanza-create"]);
    stanza.execute(&["--type=full", "backup"]);
    let web = Web::start();
    let mut instance = Instance::with(&config(&web));
    fs::write(instance.folder.path().join("database-url"), stanza.server.url()).unwrap();
    instance.start();
    let before = until("an audit", || proof(&instance));
    assert_eq!(before, "no restore of its backups is known");

    // Rows that came after the backup are in the archive, and are restored too.
    runtime.block_on(stanza.server.sql("insert into orders values (2001)"));
    runtime.block_on(stanza.server.sql("select pg_switch_wal()"));
    until("the archive", || {
        runtime.block_on(async {
            let client = stanza.server.client("look").await;
            let row =
                client.query_one("select archived_count >= 3 from pg_stat_archiver", &[]).await.unwrap();
            row.get::<_, bool>(0).then_some(())
        })
    });
    let archived = || names(&stanza.folder.path().join("repo/archive/main"));
    let archive_before = archived();
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
    let folder = scratch.path().display().to_string();
    let done = verify(&instance, &stanza, &["--scratch", &folder, "--query", "select count(*) from orders"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    println!("{said}");
    for part in ["database postgres: 2 tables", "select count(*) from orders: 1001", "can be restored"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(names(scratch.path()), 0, "the scratch folder is empty again");
    assert_eq!(archived(), archive_before, "nothing was archived by the scratch server");
    until("the proof", || proof(&instance).is_none().then_some(()));
    let list = instance.json(&["backup", "list"]);
    assert_eq!(
        (&list["restores"][0]["database"], &list["restores"][0]["failed"]),
        (&"main".into(), &Value::Null)
    );

    // Never in a data folder, and never over something else.
    let inside = stanza.server.data().join("base/scratch").display().to_string();
    let refused = verify(&instance, &stanza, &["--scratch", &inside]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing is restored there"), "{refused:?}");

    stanza.damage();
    let failed = verify(&instance, &stanza, &["--scratch", &folder]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let why = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(why.contains("the backups of main are not proven"), "{why}");
    println!("{why}");
    let after = until("the failure", || proof(&instance));
    assert!(after.contains("failed: `pgbackrest restore` failed"), "{after}");
    assert_eq!(names(scratch.path()), 0);

    job_of_the_company_reports(&instance);
}

/// Another job restores by means of its own, and only reports that.
fn job_of_the_company_reports(instance: &Instance) {
    let proven = instance.command(&["backup", "proven", "main", "--backup", "dump-7", "--by", "nightly job"]);
    assert!(proven.status.success(), "{proven:?}");
    until("the report", || proof(instance).is_none().then_some(()));
    let unknown = instance.command(&["backup", "proven", "other"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}
