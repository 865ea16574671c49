//! Parses sizes in bytes.

use crate::suggest::shown;
use crate::value_error::ValueError;

/// Units, the longest first.
const UNITS: [(&str, u64); 7] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

/// Parses a size: `64MB`, `512 KiB`.
pub(crate) fn size(text: &str) -> Result<u64, ValueError> {
    let error = || {
        ValueError::new(format!("`{}` is not a size", shown(text)))
            .hint("a whole number from 1 and B, KB, MB, GB, KiB, MiB or GiB: \"64MB\"")
    };
    let lower = text.trim().to_ascii_lowercase();
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?.trim_end(), *factor)))
        .ok_or_else(error)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error());
    }
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(error)?;
    // Beyond the memory of any machine it is a slip of the unit.
    if (1..=1 << 40).contains(&bytes) { Ok(bytes) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64MB", Some(64_000_000)),
            (" 512 KiB ", Some(512 << 10)),
            ("1gib", Some(1 << 30)),
            ("7b", Some(7)),
            ("0MB", None),
            ("64", None),
            ("-1MB", None),
            ("1.5MB", None),
            ("MB", None),
            ("99999999999999999999MB", None),
            ("99999999999GB", None),
            ("", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text:?}");
        }
    }
}
