//! Backups of databases whose jobs report by heartbeats.

use super::Detect;
use crate::heartbeat::Job;
use std::borrow::Cow;
use std::time::Duration;
use types::config::{BackupSource, Database};
use types::database::{Backup, Reading};
use types::time::between;
use types::{Answer, Context, ProbeResult, Time};

/// Time that a new job has for its first backup where the configuration declares no age.
const FIRST_WITHIN: Duration = Duration::from_secs(30 * 3_600);

impl Detect {
    /// A round of a database with the last backup that its job reported; every other result as it is.
    #[must_use]
    pub fn with_backups<'a>(&self, context: &Context<'_>, result: &'a ProbeResult) -> Cow<'a, ProbeResult> {
        let reported = || {
            let Answer::Database(seen) = &result.answer else { return None };
            let about = &context.config.probes.get(&result.probe)?.about;
            let database = context.config.databases.get(&about.name)?;
            let Some(BackupSource::Heartbeat(name)) = &database.backups else { return None };
            let backup = last_backup(name, database, self.state.jobs.get(name)?, context.now)?;
            let mut seen = seen.clone();
            seen.backups = Reading::Known(vec![backup]);
            Some(ProbeResult { answer: Answer::Database(seen), ..result.clone() })
        };
        reported().map_or(Cow::Borrowed(result), Cow::Owned)
    }
}

/// The last backup by a job; `None` while a new one still has time for its first. A failed run is an alert of the job, and leaves the
/// backup before it as it is.
fn last_backup(name: &str, database: &Database, job: &Job, now: Time) -> Option<Backup> {
    let first_within = database.thresholds.backup_age.unwrap_or(FIRST_WITHIN);
    if job.succeeded().is_none() && between(job.declared_at(), now) <= first_within {
        return None;
    }
    let status = "as its job reported".to_owned();
    Some(Backup { name: name.to_owned(), ok: true, status, last: job.succeeded(), repositories: 0 })
}
