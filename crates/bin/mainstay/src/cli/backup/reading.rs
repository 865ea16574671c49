//! What is read from a restored database: its databases and tables, every page where PostgreSQL has a program for that, and the
//! answer to a question of the caller's.

use super::Stop;
use super::programs::{ProgramError, Programs};
use super::scratch::Scratch;
use super::server::Server;
use serde::Serialize;
use std::time::Duration;

/// Longest wait for a list of databases or tables.
const LIST_WITHIN: Duration = Duration::from_secs(60);
/// Databases that are read.
const DATABASES_MAX: usize = 1_000;
/// Bytes of an answer that are shown.
const ANSWER_MAX: usize = 2_000;

const DATABASES: &str = "select datname from pg_database where datallowconn and not datistemplate order by 1";
const TABLES: &str = "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema')";

/// One database of the restored cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DatabaseRead {
    /// Its name.
    pub name: String,
    /// Tables and materialized views.
    pub tables: u64,
}

/// Lists databases, and counts their tables.
///
/// # Errors
/// When one of them cannot be read.
pub(crate) async fn databases(server: &Server<'_>) -> Result<Vec<DatabaseRead>, Stop> {
    let list = server.query("postgres", DATABASES, LIST_WITHIN).await;
    let list = list.map_err(|why| Stop::Unproven(format!("the list of databases cannot be read: {why}")))?;
    let mut all = Vec::new();
    for name in list.lines().filter(|line| !line.is_empty()).take(DATABASES_MAX) {
        let count = server.query(name, TABLES, LIST_WITHIN).await;
        let count = count.map_err(|why| Stop::Unproven(format!("database {name} cannot be read: {why}")))?;
        all.push(DatabaseRead { name: name.to_owned(), tables: count.trim().parse().unwrap_or_default() });
    }
    Ok(all)
}

/// Reads every table and index with `pg_amcheck`. Returns what was checked.
///
/// # Errors
/// When it finds damage.
pub(crate) async fn structures(
    programs: &Programs,
    server: &Server<'_>,
    within: Duration,
) -> Result<String, Stop> {
    let Ok(mut command) = server.client("pg_amcheck") else {
        return Ok("tables and indexes not checked: pg_amcheck is not installed".to_owned());
    };
    command.args(["--all", "--install-missing"]);
    match programs.output(command, within).await {
        Ok(_) => Ok("pg_amcheck read every table and index, and found no damage".to_owned()),
        Err(ProgramError::Failed { said, .. }) if said.contains("is not available") => {
            Ok("tables and indexes not checked: the extension amcheck is not installed".to_owned())
        }
        Err(why) => Err(Stop::Unproven(format!("pg_amcheck found damage: {why}"))),
    }
}

/// Verifies the checksums of all pages of a stopped server. Returns what was checked.
///
/// # Errors
/// When a page is damaged.
pub(crate) async fn checksums(
    programs: &Programs,
    major: &str,
    scratch: &Scratch,
    within: Duration,
) -> Result<String, Stop> {
    let Ok(mut command) = programs.postgres(major, "pg_checksums") else {
        return Ok("pages not verified: pg_checksums is not installed".to_owned());
    };
    command.args(["--check", "-D"]).arg(scratch.data());
    match programs.output(command, within).await {
        Ok(_) => Ok("pg_checksums verified every page".to_owned()),
        Err(ProgramError::Failed { said, .. }) if said.contains("not enabled") => {
            Ok("pages not verified: the database has no checksums".to_owned())
        }
        Err(why) => Err(Stop::Unproven(format!("pg_checksums found damage: {why}"))),
    }
}

/// The answer to a question of the caller's.
///
/// # Errors
/// When the question fails.
pub(crate) async fn answer(
    server: &Server<'_>,
    (database, sql): (&str, &str),
    within: Duration,
) -> Result<String, Stop> {
    let answer = server.query(database, sql, within).await;
    let answer = answer.map_err(|why| Stop::Unproven(format!("the query failed in {database}: {why}")))?;
    Ok(text::truncate::bytes(answer.trim(), ANSWER_MAX))
}
