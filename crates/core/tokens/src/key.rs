//! The key, and the one way to use it.

use crate::same;
use crate::token::{TAG_BYTES, Token};
use hmac::digest::array::Array;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use thiserror::Error;
use types::Time;

/// A secret of 32 bytes. It never shows itself, not even in Debug.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// Not a token of ours: cut off while copying, changed, or signed by another installation.
    #[error("this link or token is not valid: copy it whole, or ask for a new one")]
    Invalid,
    /// It was ours, but for something else, or it was tampered with. The two look the same on purpose.
    #[error("this link or token was not signed for this use")]
    Forged,
    /// It was ours, and its time is over.
    #[error("this link or token ended at {0}; ask for a new one")]
    Expired(Time),
}

impl Key {
    /// A key of 32 bytes that nobody else knows.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key of its own for one purpose, derived from this one. Knowing it tells nothing about its parent or siblings.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(mac(&self.0, &[b"mainstay derive v1\0", purpose.as_bytes()]))
    }

    /// A number for one purpose: always the same, and told by nothing but this key.
    #[must_use]
    pub fn number(&self, purpose: &str) -> u64 {
        let tag = mac(&self.0, &[b"mainstay number v1\0", purpose.as_bytes()]);
        tag.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Signs a text for one purpose until an instant (whole seconds, rounded down). Whoever holds the token can read
    /// the text. The same call gives the same token.
    #[must_use]
    pub fn sign(&self, purpose: &str, text: &str, until: Time) -> String {
        let until_secs = until.as_second();
        Token { tag: self.tag(purpose, until_secs, text), until_secs, text: text.to_owned() }.write()
    }

    /// The text of a token that this key signed for this purpose and whose time is not over.
    ///
    /// # Errors
    /// See [`SealError`]. That a token has expired is only told when its signature is right.
    pub fn open(&self, purpose: &str, token: &str, now: Time) -> Result<String, SealError> {
        let token = Token::read(token).ok_or(SealError::Invalid)?;
        if !same(&self.tag(purpose, token.until_secs, &token.text), &token.tag) {
            return Err(SealError::Forged);
        }
        let until = Time::from_second(token.until_secs).map_err(|_| SealError::Invalid)?;
        if until <= now { Err(SealError::Expired(until)) } else { Ok(token.text) }
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Signed with a key of the purpose's own, so that a purpose with a NUL in it cannot pass for another.
    fn tag(&self, purpose: &str, until_secs: i64, text: &str) -> [u8; TAG_BYTES] {
        let until = until_secs.to_string();
        let parts = [purpose.as_bytes(), b"\0", until.as_bytes(), b"\0", text.as_bytes()];
        mac(&self.derive(purpose).0, &parts)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// HMAC-SHA256 (RFC 2104) of the parts, one after the other.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut mac = prepared(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The key worked in, for whoever signs often.
pub(crate) fn prepared(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104: a key shorter than the block is filled up with zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::<Sha256>::new(&Array(block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Key {
        Key::new([42; 32])
    }

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn agrees_with_rfc_4231() {
        let mut bytes = [0; 32];
        bytes[..20].fill(0x0b);
        let tag = mac(&bytes, &[b"Hi ", b"There"]);
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn opens_until_its_end_and_not_at_it() {
        let token = key().sign("ack", "incident-7|ana", at("2026-11-22T12:00:00.9Z"));
        for (now, wanted) in [
            ("2026-11-22T04:00:00Z", Ok("incident-7|ana".to_owned())),
            ("2026-11-22T11:59:59.999Z", Ok("incident-7|ana".to_owned())),
            ("2026-11-22T12:00:00Z", Err(SealError::Expired(at("2026-11-22T12:00:00Z")))),
            ("2031-01-01T00:00:00Z", Err(SealError::Expired(at("2026-11-22T12:00:00Z")))),
        ] {
            assert_eq!(key().open("ack", &token, at(now)), wanted, "{now}");
        }
    }

    #[test]
    fn is_good_for_one_purpose_and_one_key() {
        let now = at("2026-11-22T04:00:00Z");
        let token = key().sign("ack", "ana", at("2026-11-22T12:00:00Z"));
        assert_eq!(key().open("session", &token, now), Err(SealError::Forged));
        assert_eq!(key().open("ack\0", &token, now), Err(SealError::Forged));
        assert_eq!(Key::new([43; 32]).open("ack", &token, now), Err(SealError::Forged));
        assert_eq!(key().derive("ack").open("ack", &token, now), Err(SealError::Forged));
    }

    #[test]
    fn neither_debug_nor_a_token_shows_the_key() {
        assert_eq!(format!("{:?}", Key::new([65; 32])), "Key(hidden)");
    }

    #[test]
    fn comparison_is_by_value() {
        assert!(same(b"", b"") && same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab"));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{0,200}|(?s:.{0,50})", purpose in "[a-z]{1,8}", secs in 1i64..200_000_000_000) {
            let until = Time::from_second(secs).unwrap();
            let token = key().sign(&purpose, &text, until);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(key().open(&purpose, &token, Time::from_second(secs - 1).unwrap()), Ok(text));
        }

        #[test]
        fn any_change_is_refused(text in ".{0,60}", at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_=+/. -]") {
            let until: Time = "2030-01-01T00:00:00Z".parse().unwrap();
            let token = key().sign("ack", &text, until);
            let place = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(place..=place, &to);
            prop_assume!(changed != token);
            prop_assert!(key().open("ack", &changed, Time::UNIX_EPOCH).is_err());
            prop_assert!(key().open("ack", &token[..place], Time::UNIX_EPOCH).is_err());
            let longer = token.clone() + &to;
            prop_assert!(key().open("ack", &longer, Time::UNIX_EPOCH).is_err());
        }

        #[test]
        fn arbitrary_text_never_panics(token in "(?s:.{0,300})|[A-Za-z0-9_-]{0,300}") {
            prop_assert!(key().open("ack", &token, Time::UNIX_EPOCH).is_err());
        }
    }
}
