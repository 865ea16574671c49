//! One mmdb file: loaded completely, searched without waiting, reloaded when it changes.

use super::shape;
use super::{Changed, Location};
use arc_swap::ArcSwapOption;
use maxminddb::Reader;
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The largest that are about, with cities and names in all languages, have about 150 MB.
const BYTES_MAX: u64 = 512 << 20;

pub(super) struct File {
    path: PathBuf,
    reader: ArcSwapOption<Reader<Vec<u8>>>,
    /// The state of the last check, so that nothing is read or reported twice. `None` within: there was no file.
    looked: Mutex<Option<Option<Stamp>>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The state of a file, to detect changes without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    /// A file that was renamed into place may have the time and size of the old one.
    number: u64,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), reader: ArcSwapOption::empty(), looked: Mutex::new(None) }
    }

    /// Reloads it if it changed; returns the result.
    pub(super) fn refresh(&self) -> Option<Changed> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if looked.as_ref() == Some(&stamp) {
            return None;
        }
        *looked = Some(stamp);
        Some(match read(&self.path) {
            Ok(reader) => {
                self.reader.store(Some(Arc::new(reader)));
                Changed::Read(self.path.clone())
            }
            Err(why) => {
                let earlier = self.reader.load().is_some();
                Changed::Broken { path: self.path.clone(), why, earlier }
            }
        })
    }

    pub(super) fn look_up(&self, address: IpAddr) -> Location {
        let reader = self.reader.load();
        reader.as_ref().and_then(|reader| place(reader, address).ok()).unwrap_or_default()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path).ok()?;
    Some(Stamp { modified: found.modified().ok(), bytes: found.len(), number: found.ino() })
}

fn read(path: &Path) -> Result<Reader<Vec<u8>>, String> {
    let file = fs::File::open(path).map_err(|why| why.to_string())?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|why| why.to_string())?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("it has more than {} MB", BYTES_MAX >> 20));
    }
    let reader = Reader::from_source(bytes).map_err(|why| why.to_string())?;
    // A truncated or overwritten file may open without an error: sample addresses all over it must be readable.
    for address in samples() {
        place(&reader, address).map_err(|why| format!("the record of {address} cannot be read: {why}"))?;
    }
    Ok(reader)
}

fn samples() -> impl Iterator<Item = IpAddr> {
    let v4 = (0..=255u32).map(|high| Ipv4Addr::from_bits(high << 24 | 0x0001_0101).into());
    let v6 = (0..=255u128).map(|high| Ipv6Addr::from_bits((0x2000 | high) << 112 | 1 << 80).into());
    v4.chain(v6)
}

fn place(reader: &Reader<Vec<u8>>, address: IpAddr) -> Result<Location, maxminddb::MaxMindDbError> {
    if address.is_ipv6() && reader.metadata().ip_version == 4 {
        return Ok(Location::default());
    }
    let record: Option<shape::Record> = reader.lookup(address)?.decode()?;
    Ok(record.map_or_else(Location::default, |record| record.place()))
}
