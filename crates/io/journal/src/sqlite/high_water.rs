//! The high-water mark: the end of the journal, stored in a second file.
//!
//! Two slots of 4 KiB are written in turn, each with a checksum. A torn write spoils one of them, and then the
//! other still tells the state one append earlier. So a mark costs one write and one sync, and no rename.

use crate::journal::Head;
use crate::record::Hash;
use atomic_file::{Access, replace_with};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

const SLOT: usize = 4096;

/// The acknowledged end of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HighWater {
    pub(crate) head: Head,
    pub(crate) hash: Hash,
}

/// Content of the mark's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredMark {
    Missing,
    Damaged,
    Intact(HighWater),
}

/// The path of the mark: `journal.mark` for `journal.db`.
pub(crate) fn path_of(journal: &Path) -> PathBuf {
    journal.with_extension("mark")
}

impl HighWater {
    fn write(&self) -> [u8; SLOT] {
        let Head { epoch, seq } = self.head;
        let text = format!("mainstay mark 1 epoch {epoch} seq {seq} hash {}", self.hash);
        let text = format!("{text} check {}\n", check(&text));
        let mut slot = [b' '; SLOT];
        slot[..text.len()].copy_from_slice(text.as_bytes());
        slot[SLOT - 1] = b'\n';
        slot
    }

    fn read(slot: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(slot).ok()?.lines().next()?;
        let (text, sum) = line.rsplit_once(" check ")?;
        if check(text) != sum {
            return None;
        }
        let words: Vec<&str> = text.split(' ').collect();
        let ["mainstay", "mark", "1", "epoch", epoch, "seq", seq, "hash", hash] = words.as_slice() else {
            return None;
        };
        Some(Self {
            head: Head { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? },
            hash: Hash::from_hex(hash)?,
        })
    }
}

fn check(text: &str) -> String {
    Hash(Sha256::digest(text).into()).to_string()[..16].to_owned()
}

/// Reads both slots; the later one counts.
pub(crate) fn read(path: &Path) -> std::io::Result<StoredMark> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(2 * SLOT as u64).read_to_end(&mut bytes)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(StoredMark::Missing),
        Err(e) => return Err(e),
    };
    let newest = bytes.chunks(SLOT).filter_map(HighWater::read).max_by_key(|mark| mark.head);
    Ok(newest.map_or(StoredMark::Damaged, StoredMark::Intact))
}

/// The mark's file, kept open by the writer of the journal.
#[derive(Debug)]
pub(crate) struct HighWaterFile {
    file: File,
    newest: HighWater,
    /// The slot that does not hold the newest mark.
    next: usize,
}

impl HighWaterFile {
    /// Replaces the file atomically and keeps it open.
    pub(crate) fn replace(path: &Path, mark: HighWater) -> std::io::Result<Self> {
        // Both slots are written, so that later marks need no room that the disk may not have.
        let file = replace_with(path, Access::Umask, |file| {
            file.write_all(&mark.write())?;
            file.write_all(&mark.write())
        })?;
        Ok(Self { file, newest: mark, next: 0 })
    }

    /// The last mark written.
    pub(crate) fn newest(&self) -> HighWater {
        self.newest
    }

    /// Moves the mark. Returns when it is on disk.
    pub(crate) fn set(&mut self, mark: HighWater) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start((self.next * SLOT) as u64))?;
        self.file.write_all(&mark.write())?;
        self.file.sync_data()?;
        self.newest = mark;
        self.next = 1 - self.next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64) -> HighWater {
        HighWater { head: Head { epoch: 3, seq }, hash: Hash::ORIGIN.then(&seq.to_be_bytes()) }
    }

    #[test]
    fn the_newest_mark_counts_and_a_torn_one_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.mark");
        assert_eq!(read(&path).unwrap(), StoredMark::Missing);
        let mut file = HighWaterFile::replace(&path, mark(0)).unwrap();
        for seq in 1..=9 {
            file.set(mark(seq)).unwrap();
            assert_eq!(read(&path).unwrap(), StoredMark::Intact(mark(seq)));
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len(), 2 * SLOT);
        let newest = if HighWater::read(&whole[..SLOT]).unwrap() == mark(9) { 0 } else { SLOT };
        for offset in [0, 30, 60, 100] {
            let mut torn = whole.clone();
            torn[newest + offset] ^= 4;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(read(&path).unwrap(), StoredMark::Intact(mark(8)), "{offset}");
        }
        std::fs::write(&path, &whole[..20]).unwrap();
        assert_eq!(read(&path).unwrap(), StoredMark::Damaged);
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&path).unwrap(), StoredMark::Damaged);
    }
}
