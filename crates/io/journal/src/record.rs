//! An event as bytes, and the hash chain: each record's hash covers the hash before it.

use crate::journal::{AppendError, MAX_BYTES, MAX_EVENTS};
use sha2::{Digest as _, Sha256};
use std::fmt;
use text::hex;
use types::Event;

/// SHA-256 over the previous hash and the bytes of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The previous hash of the first record.
    pub const ORIGIN: Self = Self([0; 32]);

    /// The hash of the record that follows.
    #[must_use]
    pub fn then(&self, body: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(body).finalize().into())
    }

    /// Parses the output of `Display`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// An event as the journal stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number.
    pub seq: u64,
    /// Time of the event, for people who read the file.
    pub at: String,
    /// The event as JSON, in the bytes first written. These bytes are hashed and never written again.
    pub body: String,
}

impl Record {
    /// Encodes events as records.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`]; [`AppendError::Unavailable`] when an event has no JSON form.
    pub fn encode_all(events: &[Event]) -> Result<Vec<Self>, AppendError> {
        if events.len() > MAX_EVENTS {
            return Err(AppendError::TooLarge);
        }
        let mut bytes = 0;
        let mut records = Vec::with_capacity(events.len());
        for event in events {
            let body = serde_json::to_string(event).map_err(|e| {
                AppendError::Unavailable(format!("event {} cannot be written: {e}", event.seq))
            })?;
            bytes += body.len();
            if bytes > MAX_BYTES {
                return Err(AppendError::TooLarge);
            }
            records.push(Self { seq: event.seq, at: event.at.to_string(), body });
        }
        Ok(records)
    }
}

/// Whether the sequence numbers increase from record to record, the first one above `from`.
#[must_use]
pub(crate) fn is_increasing(from: u64, records: &[Record]) -> bool {
    // SQLite counts to 2^63 - 1, and so does every journal.
    let seqs = || records.iter().map(|line| line.seq);
    std::iter::once(from).chain(seqs()).zip(seqs()).all(|(before, after)| before < after && after < 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_what_it_writes() {
        let hash = Hash::ORIGIN.then(b"one").then(b"two");
        assert_eq!(Hash::from_hex(&hash.to_string()), Some(hash));
        for wrong in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Hash::from_hex(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_chain_sees_order_and_content() {
        let chain =
            |bodies: &[&str]| bodies.iter().fold(Hash::ORIGIN, |hash, body| hash.then(body.as_bytes()));
        assert_eq!(chain(&["a", "b"]), chain(&["a", "b"]));
        assert_ne!(chain(&["a", "b"]), chain(&["b", "a"]));
        assert_ne!(chain(&["a", "b"]), chain(&["a"]));
    }

    #[test]
    fn numbers_must_rise() {
        let records = |seqs: &[u64]| -> Vec<Record> {
            seqs.iter().map(|&seq| Record { seq, at: String::new(), body: String::new() }).collect()
        };
        for (from, seqs, wanted) in [
            (0, &[][..], true),
            (0, &[1, 2, 3], true),
            (3, &[4, 9], true),
            (0, &[0], false),
            (3, &[3], false),
            (3, &[5, 4], false),
            (3, &[5, 5], false),
            (3, &[u64::MAX], false),
        ] {
            assert_eq!(is_increasing(from, &records(seqs)), wanted, "{from} {seqs:?}");
        }
    }
}
