//! The denials in force, in a file beside the journal: an edge that runs alone does not open the journal, and applies
//! them too.

use atomic_file::{Access, replace};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use types::{Denial, DenialId};

/// Most that is read, in bytes: more than a thousand denials take, which is their limit.
const BYTES_MAX: u64 = 4 << 20;

fn file(data: &Path) -> PathBuf {
    data.join("denials.json")
}

/// The saved denials cannot be read. A running mainstay replaces the file with the next denial.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub(crate) struct DenialsError {
    path: PathBuf,
    why: io::Error,
}

/// Reads the denials saved last; none when the file is missing.
///
/// # Errors
/// When the file exists but cannot be read or parsed: its path, and why.
pub(crate) fn read(data: &Path) -> Result<BTreeMap<DenialId, Denial>, DenialsError> {
    let path = file(data);
    let wrong = |why: io::Error| DenialsError { path: path.clone(), why };
    let file = match fs::File::open(&path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => opened.map_err(wrong)?,
    };
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text).map_err(wrong)?;
    let denials: Vec<Denial> = serde_json::from_slice(&text).map_err(|why| wrong(why.into()))?;
    Ok(denials.into_iter().map(|denial| (denial.id, denial)).collect())
}

/// Saves the denials in force, atomically.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write(data: &Path, denials: &BTreeMap<DenialId, Denial>) -> io::Result<()> {
    replace(&file(data), &serde_json::to_vec(&denials.values().collect::<Vec<_>>())?, Access::Owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_denials_are_read_and_damaged_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), BTreeMap::new());
        let denial = Denial {
            id: DenialId(3),
            what: "AS64500".parse().unwrap(),
            service: Some("auth".into()),
            from: "2026-11-22T04:16:09Z".parse().unwrap(),
            until: "2026-11-22T05:16:09Z".parse().unwrap(),
            by: "ana".to_owned(),
        };
        let denials = BTreeMap::from([(denial.id, denial)]);
        write(folder.path(), &denials).unwrap();
        assert_eq!(read(folder.path()).unwrap(), denials);
        let whole = fs::read(file(folder.path())).unwrap();
        // Torn by a disk that lied, and not ours at all.
        for spoiled in [&whole[..whole.len() / 2], b"", b"\0\0\0\0", b"\xff\xfe[]", b"{}"] {
            fs::write(file(folder.path()), spoiled).unwrap();
            let why = read(folder.path()).unwrap_err().to_string();
            assert!(why.contains("denials.json: "), "{why}");
        }
    }
}
