//! Sessions that ended before their time: whoever signs out is signed out wherever the cookie went, after a restart too.

use crate::keep::replace;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use types::Time;

/// Ended sessions that are remembered; beyond it the one goes that would end first by itself. Each took a sign-in link of its own.
const ENDED_MAX: usize = 10_000;
/// Largest file that is read back, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Which sessions ended, by the link that each came from, until when each would have lasted.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    file: Option<PathBuf>,
    links: Mutex<BTreeMap<String, Time>>,
}

impl Ended {
    /// What a file remembers. One that cannot be read is said, and is written anew with the next session that ends.
    pub(crate) fn kept_in(file: PathBuf, now: Time) -> Self {
        let links = read(&file, now).unwrap_or_else(|error| {
            tracing::error!(%error, file = %file.display(), "who signed out earlier is not known: sessions that ended may be used again");
            BTreeMap::new()
        });
        Self { file: Some(file), links: Mutex::new(links) }
    }

    pub(crate) fn contains(&self, link: &str) -> bool {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).contains_key(link)
    }

    /// Ends a session. It has ended for this process even when that cannot be written down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add(&self, link: &str, until: Time, now: Time) -> io::Result<()> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, until| *until > now);
        if links.len() >= ENDED_MAX
            && let Some(first) = links.iter().min_by_key(|(_, until)| **until).map(|(link, _)| link.clone())
        {
            links.remove(&first);
        }
        links.insert(link.to_owned(), until);
        let Some(file) = &self.file else { return Ok(()) };
        let lines: String =
            links.iter().map(|(link, until)| format!("{} {link}\n", until.as_second())).collect();
        replace(file, lines.as_bytes())
    }
}

fn read(file: &Path, now: Time) -> io::Result<BTreeMap<String, Time>> {
    let mut text = String::new();
    match File::open(file) {
        Ok(file) => file.take(FILE_MAX).read_to_string(&mut text)?,
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let line = |line: &str| {
        let (until, link) = line.split_once(' ')?;
        Some((link.to_owned(), Time::from_second(until.parse().ok()?).ok()?))
    };
    Ok(text.lines().filter_map(line).filter(|(_, until)| *until > now).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Time {
        Time::from_second(secs).unwrap()
    }

    #[test]
    fn survives_a_restart_and_forgets_what_ended_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signed-out");
        let ended = Ended::kept_in(file.clone(), at(0));
        ended.add("1.1", at(100), at(0)).unwrap();
        ended.add("1.2", at(200), at(0)).unwrap();
        let again = Ended::kept_in(file.clone(), at(150));
        assert!(!again.contains("1.1") && again.contains("1.2") && !again.contains("1.3"));
        std::fs::write(&file, b"200 1.2\nnonsense\n\xff").unwrap();
        assert!(!Ended::kept_in(file, at(0)).contains("1.2"), "unreadable: said in the log");
    }

    #[test]
    fn a_disk_that_refuses_ends_the_session_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        let ended = Ended::kept_in(file.join("below"), at(0));
        assert!(ended.add("1.1", at(100), at(0)).is_err());
        assert!(ended.contains("1.1"));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let ended = Ended::default();
        for number in 0..=ENDED_MAX {
            let until = at(1_000 + i64::try_from(number).unwrap());
            ended.add(&format!("1.{number}"), until, at(0)).unwrap();
        }
        assert!(!ended.contains("1.0") && ended.contains("1.1") && ended.contains(&format!("1.{ENDED_MAX}")));
    }
}
