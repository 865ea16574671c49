//! W3C trace ids: 32 hexadecimal digits in lower case, not all zero.

use crate::hex;

/// Reads a trace id exactly as the Trace Context standard writes it.
#[must_use]
pub fn parse(text: &[u8]) -> Option<u128> {
    let mut id: u128 = 0;
    for digit in text {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        id = id << 4 | u128::from(nibble);
    }
    (text.len() == 32 && id != 0).then_some(id)
}

/// The canonical form of a trace id as people copy it: with spaces around it, upper-case letters, or the dashes that some
/// programs insert.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    let bytes: [u8; 16] = hex::decode(&digits)?;
    Some(hex::encode(&bytes))
}
