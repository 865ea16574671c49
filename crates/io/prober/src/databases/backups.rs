//! Backups of a database: what their tool or their folder says, asked every few minutes.

use super::dump_files::{self, FilesError, Sizes};
use crate::kinds::postgres::pgbackrest;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use types::Time;
use types::config::BackupSource;
use types::database::{Backup, Reading};

/// Backups change once a day.
const INTERVAL: Duration = Duration::from_mins(5);
/// Sizes of earlier backups that are remembered, for files that are replaced.
const REMEMBERED: usize = 32;

/// The backups of one database.
pub(super) struct Backups {
    source: Option<BackupSource>,
    asked: Option<Instant>,
    last: Reading<Vec<Backup>>,
    sizes: Sizes,
    /// A look at the folder that has not ended, as on a network drive that hangs: there is never a second one.
    looking: Option<JoinHandle<Result<Sizes, FilesError>>>,
}

impl Backups {
    pub(super) fn new(source: Option<BackupSource>) -> Self {
        Self { source, asked: None, last: Reading::default(), sizes: Sizes::new(), looking: None }
    }

    /// The last answer; a new one where it is due.
    pub(super) async fn read(&mut self, now: Time, deadline: Instant) -> Reading<Vec<Backup>> {
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= INTERVAL);
        if let Some(source) = self.source.clone().filter(|_| is_due) {
            self.last = match source {
                BackupSource::Pgbackrest(stanza) => Reading::Known(of_stanza(&stanza, deadline).await),
                BackupSource::Files(pattern) => {
                    Reading::Known(vec![self.of_files(pattern, now, deadline).await])
                }
                // Their job reports them.
                BackupSource::Heartbeat(_) => Reading::Absent,
            };
            self.asked = Some(Instant::now());
        }
        self.last.clone()
    }

    async fn of_files(&mut self, pattern: String, now: Time, deadline: Instant) -> Backup {
        let path = PathBuf::from(&pattern);
        let look = || tokio::task::spawn_blocking(move || dump_files::sizes(&path, now));
        let looking = self.looking.get_or_insert_with(look);
        let Ok(looked) = timeout_at(deadline, looking).await else {
            return unsound(pattern, "the folder cannot be read in time".to_owned());
        };
        self.looking = None;
        let found = match looked {
            Ok(Ok(sizes)) => sizes,
            Ok(Err(error)) => return unsound(pattern, error.to_string()),
            Err(_) => return unsound(pattern, "the folder was not read".to_owned()),
        };
        // Without a file now, the ones before are no backups any more.
        if let Some((newest, _)) = found.last_key_value() {
            self.sizes.retain(|at, _| at <= newest);
            self.sizes.extend(&found);
        } else {
            self.sizes.clear();
        }
        while self.sizes.len() > REMEMBERED {
            self.sizes.pop_first();
        }
        dump_files::judge(&pattern, &self.sizes, now)
    }
}

/// A tool that fails says nothing good about the backups.
async fn of_stanza(stanza: &str, deadline: Instant) -> Vec<Backup> {
    match pgbackrest::run("pgbackrest", stanza, deadline).await {
        Ok(backups) if backups.is_empty() => {
            vec![unsound(stanza.to_owned(), "pgbackrest does not know the stanza".to_owned())]
        }
        Ok(backups) => backups,
        Err(error) => vec![unsound(stanza.to_owned(), error.to_string())],
    }
}

fn unsound(name: String, status: String) -> Backup {
    Backup { name, status, ..Backup::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[tokio::test]
    async fn file_that_is_replaced_is_compared_with_its_former_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.dump");
        let pattern = path.display().to_string();
        let mut backups = Backups::new(None);
        let night = |bytes: u64, hours: u64| {
            let file = std::fs::File::create(&path).unwrap();
            file.set_len(bytes).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(hours)).unwrap();
        };
        let mut sound = Vec::new();
        for (bytes, hours) in [(9_000, 30), (9_100, 20), (1_000, 10)] {
            night(bytes, hours);
            let deadline = Instant::now() + Duration::from_secs(60);
            sound.push(backups.of_files(pattern.clone(), Time::now(), deadline).await.ok);
        }
        assert_eq!(sound, [true, true, false]);
        std::fs::remove_file(&path).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let gone = backups.of_files(pattern, Time::now(), deadline).await;
        assert_eq!((gone.ok, gone.status.as_str()), (false, "no file has this name"));
    }
}
