//! What the team denied, in a file beside the journal: an edge that serves alone does not open the journal, and still refuses
//! what was to be refused.

use model::{Denial, DenialId};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Larger than a thousand denials, the most that there are.
const BYTES_MAX: u64 = 4 << 20;

fn file(data: &Path) -> PathBuf {
    data.join("denials.json")
}

/// The last that were written; none when none ever were.
///
/// # Errors
/// When the file is there but cannot be read or understood.
pub(crate) fn read(data: &Path) -> io::Result<BTreeMap<DenialId, Denial>> {
    let file = match fs::File::open(file(data)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => opened?,
    };
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    let denials: Vec<Denial> = serde_json::from_str(&text)?;
    Ok(denials.into_iter().map(|denial| (denial.id, denial)).collect())
}

/// Writes those in force, whole or not at all.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write(data: &Path, denials: &BTreeMap<DenialId, Denial>) -> io::Result<()> {
    let (kept, fresh) = (file(data), data.join("denials.json.new"));
    fs::write(&fresh, serde_json::to_string(&denials.values().collect::<Vec<_>>())?)?;
    fs::rename(fresh, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_spoiled_is_told() {
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
        fs::write(file(folder.path()), "[{").unwrap();
        assert!(read(folder.path()).is_err());
    }
}
