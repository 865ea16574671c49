//! Country and autonomous system of an address, from files in the mmdb format.
//!
//! There are two shapes of records, and either file may have either: MaxMind's and DB-IP's (`country.iso_code`,
//! `autonomous_system_number`) and the flat one of IPinfo and others (`country_code` or a two-letter `country`,
//! `asn` as `AS64500`). A file is reloaded when it changes; a broken one is reported, and the last good one stays
//! in use.
//!
//! | module | holds |
//! |---|---|
//! | `file` | one mmdb file, and whether it changed |
//! | `shape` | a record in either shape |

mod file;
#[cfg(test)]
mod fixture;
mod shape;

use file::File;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Country and autonomous system of an address, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Two capital letters of ISO 3166-1.
    pub country: Option<[u8; 2]>,
    /// The number of the autonomous system that announces it.
    pub asn: Option<u32>,
}

/// The result of reloading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was loaded.
    Read(PathBuf),
    /// It cannot be used; an earlier version, if any, stays in use.
    Broken {
        /// Which.
        path: PathBuf,
        /// The reason.
        why: String,
        /// Whether an earlier state of it is still in use.
        earlier: bool,
    },
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path) => write!(f, "{} was loaded", path.display()),
            Self::Broken { path, why, earlier: true } => {
                write!(f, "{} cannot be used, the version loaded before stays in use: {why}", path.display())
            }
            Self::Broken { path, why, earlier: false } => write!(
                f,
                "{} cannot be used, so rules by country or autonomous system match no client: {why}",
                path.display()
            ),
        }
    }
}

/// The GeoIP files. Lookups never wait for a file being read.
#[derive(Debug, Default)]
pub struct Geo {
    /// First the file for countries, then the one for autonomous systems; both are searched for both.
    files: Vec<File>,
}

impl Geo {
    /// Knows which files to read, and has read none yet: call [`Geo::refresh`].
    #[must_use]
    pub fn new(countries: Option<&Path>, networks: Option<&Path>) -> Self {
        let mut paths: Vec<&Path> = countries.into_iter().chain(networks).collect();
        paths.dedup();
        Self { files: paths.into_iter().map(File::new).collect() }
    }

    /// Reads the files that are new or have changed. Blocks on the disk: call it at the start and every few seconds,
    /// not on a thread that serves. Says what happened, each thing once.
    pub fn refresh(&self) -> Vec<Changed> {
        self.files.iter().filter_map(File::refresh).collect()
    }

    /// Looks up an address. Takes some microseconds: cache the result for a connection.
    #[must_use]
    pub fn look_up(&self, address: IpAddr) -> Location {
        let address = address.to_canonical();
        let mut place = Location::default();
        for file in &self.files {
            let found = file.look_up(address);
            place.country = place.country.or(found.country);
            place.asn = place.asn.or(found.asn);
        }
        place
    }
}

/// A GeoIP file cannot be used: its path, and why. A good file in its place is loaded while the edge runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GeoIpError(Changed);

/// Checks whether a GeoIP file can be used. Blocks: it reads the file.
///
/// # Errors
/// See [`GeoIpError`].
pub fn look(path: &Path) -> Result<(), GeoIpError> {
    match Geo::new(Some(path), None).refresh().pop() {
        Some(broken @ Changed::Broken { .. }) => Err(GeoIpError(broken)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{Value, flat_country, maxmind_asn, maxmind_country, mmdb};
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    fn place(geo: &Geo, address: &str) -> (Option<String>, Option<u32>) {
        let place = geo.look_up(address.parse().unwrap());
        (place.country.map(|code| String::from_utf8(code.to_vec()).unwrap()), place.asn)
    }

    fn some(country: &str, asn: u32) -> (Option<String>, Option<u32>) {
        (Some(country.to_owned()), Some(asn))
    }

    #[test]
    fn two_files_of_maxmind_shape() {
        let folder = tempfile::tempdir().unwrap();
        let (countries, networks) = (folder.path().join("country.mmdb"), folder.path().join("asn.mmdb"));
        fs::write(
            &countries,
            mmdb(&[("192.0.2.0/24", maxmind_country("EE")), ("2001:db8::/32", maxmind_country("FI"))]),
        )
        .unwrap();
        fs::write(
            &networks,
            mmdb(&[("192.0.2.128/25", maxmind_asn(64500)), ("2001:db8::/32", maxmind_asn(4_200_000_000))]),
        )
        .unwrap();
        let geo = Geo::new(Some(&countries), Some(&networks));
        assert_eq!(place(&geo, "192.0.2.1"), (None, None), "nothing is read yet");
        assert_eq!(geo.refresh(), [Changed::Read(countries), Changed::Read(networks)]);
        assert_eq!(place(&geo, "192.0.2.1"), (Some("EE".to_owned()), None));
        assert_eq!(place(&geo, "192.0.2.200"), some("EE", 64500));
        assert_eq!(place(&geo, "::ffff:192.0.2.200"), some("EE", 64500));
        assert_eq!(place(&geo, "2001:db8:1::1"), some("FI", 4_200_000_000));
        assert_eq!(place(&geo, "198.51.100.1"), (None, None));
        assert_eq!(geo.refresh(), [], "nothing changed");
    }

    #[test]
    fn one_file_of_flat_shape_in_all_its_spellings() {
        let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flat.mmdb");
        let records = [
            ("192.0.2.0/26", flat_country("EE", "AS64500")),
            // IPinfo Lite: the name as `country`, the code beside it.
            (
                "192.0.2.64/26",
                Value::Map(vec![
                    text("country", "Finland"),
                    text("country_code", "FI"),
                    text("asn", "AS64501"),
                ]),
            ),
            (
                "192.0.2.128/26",
                Value::Map(vec![text("country_code", "se"), ("asn".into(), Value::Number(64502))]),
            ),
            ("192.0.2.192/26", Value::Map(vec![text("country", ""), text("asn", "ASx")])),
        ];
        fs::write(&path, mmdb(&records)).unwrap();
        let geo = Geo::new(Some(&path), Some(&path));
        assert_eq!(geo.refresh().len(), 1, "named twice, read once");
        assert_eq!(place(&geo, "192.0.2.1"), some("EE", 64500));
        assert_eq!(place(&geo, "192.0.2.65"), some("FI", 64501));
        assert_eq!(place(&geo, "192.0.2.129"), some("SE", 64502));
        assert_eq!(place(&geo, "192.0.2.193"), (None, None));
    }

    #[test]
    fn broken_file_is_reported_once_and_last_good_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("country.mmdb");
        let geo = Geo::new(Some(&path), None);
        let said = geo.refresh();
        assert!(matches!(&said[..], [Changed::Broken { earlier: false, .. }]), "missing: {said:?}");
        assert_eq!(geo.refresh(), [], "said once");

        let good = mmdb(&[("192.0.2.0/24", maxmind_country("EE"))]);
        fs::write(&path, &good).unwrap();
        assert_eq!(geo.refresh(), [Changed::Read(path.clone())]);
        assert_eq!(place(&geo, "192.0.2.1").0.as_deref(), Some("EE"));

        for broken in [&good[..good.len() / 2], b"", b"<html>not found</html>"] {
            fs::write(&path, broken).unwrap();
            let said = geo.refresh();
            assert!(matches!(&said[..], [Changed::Broken { earlier: true, .. }]), "{said:?}");
            assert!(said[0].to_string().contains("stays in use"), "{}", said[0]);
            assert_eq!(place(&geo, "192.0.2.1").0.as_deref(), Some("EE"));
        }

        fs::remove_file(&path).unwrap();
        assert!(matches!(&geo.refresh()[..], [Changed::Broken { earlier: true, .. }]));
        fs::write(&path, mmdb(&[("192.0.2.0/24", maxmind_country("LV"))])).unwrap();
        assert_eq!(geo.refresh(), [Changed::Read(path)]);
        assert_eq!(place(&geo, "192.0.2.1").0.as_deref(), Some("LV"));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_refused_or_answers(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("country.mmdb");
            let mut bytes = mmdb(&[("192.0.2.0/24", maxmind_country("EE")), ("2001:db8::/32", flat_country("FI", "AS64500"))]);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            fs::write(&path, &bytes).unwrap();
            let geo = Geo::new(Some(&path), None);
            prop_assert_eq!(geo.refresh().len(), 1);
            let _ = (geo.look_up("192.0.2.1".parse().unwrap()), geo.look_up("2001:db8::1".parse().unwrap()));
            fs::write(&path, &bytes[..cut.index(bytes.len())]).unwrap();
            geo.refresh();
            let _ = geo.look_up("192.0.2.1".parse().unwrap());
        }
    }
}
