//! The denials in force and the valves that are not fully open, in files beside the journal: an edge that runs alone does
//! not open the journal, and applies them too.

use atomic_file::{Access, replace};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use types::{Denial, DenialId, ServiceId, Valve};

type Denials = BTreeMap<DenialId, Denial>;
type Valves = BTreeMap<ServiceId, Valve>;

/// Most that is read of a file, in bytes: more than a thousand denials take, which is their limit.
const BYTES_MAX: u64 = 4 << 20;
const DENIALS: &str = "denials.json";
const VALVES: &str = "valves.json";

/// A saved part of the policy cannot be read. A running mainstay replaces the file with the next change.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub(crate) struct SavedPolicyError {
    path: PathBuf,
    why: io::Error,
}

/// Reads the denials saved last; none when the file is missing.
///
/// # Errors
/// When the file exists but cannot be read or parsed: its path, and why.
pub(crate) fn denials(data: &Path) -> Result<Denials, SavedPolicyError> {
    let denials: Vec<Denial> = read(data.join(DENIALS))?;
    Ok(denials.into_iter().map(|denial| (denial.id, denial)).collect())
}

/// Reads the valves saved last; none when the file is missing.
///
/// # Errors
/// When the file exists but cannot be read or parsed: its path, and why.
pub(crate) fn valves(data: &Path) -> Result<Valves, SavedPolicyError> {
    let valves: Vec<Valve> = read(data.join(VALVES))?;
    Ok(valves.into_iter().map(|valve| (valve.service.clone(), valve)).collect())
}

fn read<T: DeserializeOwned>(path: PathBuf) -> Result<Vec<T>, SavedPolicyError> {
    let wrong = |why: io::Error| SavedPolicyError { path: path.clone(), why };
    let file = match fs::File::open(&path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(wrong)?,
    };
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text).map_err(wrong)?;
    serde_json::from_slice(&text).map_err(|why| wrong(why.into()))
}

/// Saves the denials in force and the valves that are not fully open, each file atomically.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write(data: &Path, (denials, valves): (&Denials, &Valves)) -> io::Result<()> {
    let save = |name: &str, text: Vec<u8>| replace(&data.join(name), &text, Access::Owner);
    save(DENIALS, serde_json::to_vec(&denials.values().collect::<Vec<_>>())?)?;
    save(VALVES, serde_json::to_vec(&valves.values().collect::<Vec<_>>())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_policy_is_read_and_damaged_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert!(denials(data).unwrap().is_empty() && valves(data).unwrap().is_empty());
        let at: types::Time = "2026-11-22T04:16:09Z".parse().unwrap();
        let denial = Denial {
            id: DenialId(3),
            what: "AS64500".parse().unwrap(),
            service: Some("auth".into()),
            from: at,
            until: "2026-11-22T05:16:09Z".parse().unwrap(),
            by: "ana".to_owned(),
        };
        let valve = Valve {
            number: 2,
            service: "auth".into(),
            percent: 20,
            limited: false,
            ramp_from: Some(20),
            since: at,
            changed: at,
            by: "ana".to_owned(),
            usual: None,
        };
        let saved = (BTreeMap::from([(denial.id, denial)]), BTreeMap::from([(valve.service.clone(), valve)]));
        write(data, (&saved.0, &saved.1)).unwrap();
        assert_eq!((denials(data).unwrap(), valves(data).unwrap()), saved);
        // Torn by a disk that lied, and not ours at all.
        for name in [DENIALS, VALVES] {
            let whole = fs::read(data.join(name)).unwrap();
            for spoiled in [&whole[..whole.len() / 2], b"", b"\0\0\0\0", b"\xff\xfe[]", b"{}"] {
                fs::write(data.join(name), spoiled).unwrap();
                let why = [denials(data).err(), valves(data).err()]
                    .into_iter()
                    .flatten()
                    .next()
                    .unwrap()
                    .to_string();
                assert!(why.contains(&format!("{name}: ")), "{why}");
            }
            fs::write(data.join(name), whole).unwrap();
        }
    }
}
