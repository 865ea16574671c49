//! Sessions that were signed out: their cookies are refused everywhere, also after a restart.

use crate::snapshot::replace;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use types::Time;

/// Maximum number of entries. Beyond it the one that expires first is dropped. Each entry used up a sign-in link.
const SIGNED_OUT_MAX: usize = 10_000;
/// Maximum size of the file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Signed-out sessions: the link that created each, and the time of its regular end.
#[derive(Debug, Default)]
pub(crate) struct SignedOut {
    file: Option<PathBuf>,
    links: Mutex<BTreeMap<String, Time>>,
}

impl SignedOut {
    /// Loads the file. An unreadable file is logged, and overwritten at the next sign-out.
    pub(crate) fn in_file(file: PathBuf, now: Time) -> Self {
        let links = read(&file, now).unwrap_or_else(|error| {
            tracing::error!(%error, file = %file.display(), "earlier sign-outs could not be loaded: those sessions are valid again");
            BTreeMap::new()
        });
        Self { file: Some(file), links: Mutex::new(links) }
    }

    pub(crate) fn contains(&self, link: &str) -> bool {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).contains_key(link)
    }

    /// Adds a session. It is refused by this process even if the file cannot be written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add(&self, link: &str, until: Time, now: Time) -> io::Result<()> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, until| *until > now);
        if links.len() >= SIGNED_OUT_MAX
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
    fn entries_survive_a_restart_until_they_expire() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signed-out");
        let signed_out = SignedOut::in_file(file.clone(), at(0));
        signed_out.add("1.1", at(100), at(0)).unwrap();
        signed_out.add("1.2", at(200), at(0)).unwrap();
        let again = SignedOut::in_file(file.clone(), at(150));
        assert!(!again.contains("1.1") && again.contains("1.2") && !again.contains("1.3"));
        std::fs::write(&file, b"200 1.2\nnonsense\n\xff").unwrap();
        assert!(!SignedOut::in_file(file, at(0)).contains("1.2"), "unreadable");
    }

    #[test]
    fn failing_disk_still_ends_the_session() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a-file");
        std::fs::write(&file, "").unwrap();
        let signed_out = SignedOut::in_file(file.join("below"), at(0));
        assert!(signed_out.add("1.1", at(100), at(0)).is_err());
        assert!(signed_out.contains("1.1"));
    }

    #[test]
    fn number_of_entries_is_bounded() {
        let signed_out = SignedOut::default();
        for number in 0..=SIGNED_OUT_MAX {
            let until = at(1_000 + i64::try_from(number).unwrap());
            signed_out.add(&format!("1.{number}"), until, at(0)).unwrap();
        }
        assert!(
            !signed_out.contains("1.0")
                && signed_out.contains("1.1")
                && signed_out.contains(&format!("1.{SIGNED_OUT_MAX}"))
        );
    }
}
