//! The key that signs and verifies tokens.

use crate::constant_time_eq;
use crate::token::{TAG_BYTES, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::array::Array;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;
use thiserror::Error;
use types::Time;

/// Bytes of a short signature.
const SHORT_BYTES: usize = 9;

/// A secret key of 32 bytes. `Debug` hides it, and its memory is overwritten when it is dropped.
#[derive(Debug)]
pub struct Key(SecretBox<[u8; 32]>);

/// A token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is not a token: cut while copying, or changed.
    #[error("this link or token is not valid: copy all of it, or request a new one")]
    Invalid,
    /// Its signature is wrong: changed, signed for another purpose, or signed by another installation. The error does
    /// not say which.
    #[error("this link or token was not signed for this use")]
    Forged,
    /// Its signature is right, and it has expired.
    #[error("this link or token expired at {0}: request a new one")]
    Expired(Time),
}

impl Key {
    /// A key from 32 secret random bytes.
    #[must_use]
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = SecretBox::init_with_mut(|key: &mut [u8; 32]| key.copy_from_slice(&bytes));
        bytes.zeroize();
        Self(key)
    }

    /// Derives a key for one purpose. The derived key reveals neither this key nor other derived keys.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self::new(mac(self.bytes(), &[b"mainstay derive v1\0", purpose.as_bytes()]))
    }

    /// Derives a number for one purpose. It is always the same, and cannot be computed without this key.
    #[must_use]
    pub fn number(&self, purpose: &str) -> u64 {
        let tag = mac(self.bytes(), &[b"mainstay number v1\0", purpose.as_bytes()]);
        tag.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Signs a text for one purpose until an instant (whole seconds, rounded down). The holder of the token can read
    /// the text. The same call gives the same token.
    #[must_use]
    pub fn sign(&self, purpose: &str, text: &str, until: Time) -> String {
        let until_secs = until.as_second();
        Token { tag: self.tag(purpose, until_secs, text), until_secs, text: text.to_owned() }.write()
    }

    /// Verifies a token and returns its text.
    ///
    /// # Errors
    /// See [`TokenError`]. [`TokenError::Expired`] is returned only when the signature is right.
    pub fn verify(&self, purpose: &str, token: &str, now: Time) -> Result<String, TokenError> {
        let token = Token::read(token).ok_or(TokenError::Invalid)?;
        if !constant_time_eq(&self.tag(purpose, token.until_secs, &token.text), &token.tag) {
            return Err(TokenError::Forged);
        }
        let until = Time::from_second(token.until_secs).map_err(|_| TokenError::Invalid)?;
        if until <= now { Err(TokenError::Expired(until)) } else { Ok(token.text) }
    }

    /// A short signature of a text for one purpose: 12 URL-safe characters, 72 bits. Only for links that are typed or sent as
    /// SMS, where whoever guesses is answered by a server and can try few; the text carries its own end.
    #[must_use]
    pub fn short(&self, purpose: &str, text: &str) -> String {
        let tag = mac(self.bytes(), &[b"mainstay short v1\0", purpose.as_bytes(), b"\0", text.as_bytes()]);
        URL_SAFE_NO_PAD.encode(&tag[..SHORT_BYTES])
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    /// The signature. It uses a key derived for the purpose, so that a purpose with a NUL in it cannot equal another
    /// one.
    fn tag(&self, purpose: &str, until_secs: i64, text: &str) -> [u8; TAG_BYTES] {
        let until = until_secs.to_string();
        let parts = [purpose.as_bytes(), b"\0", until.as_bytes(), b"\0", text.as_bytes()];
        mac(self.derive(purpose).bytes(), &parts)
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        Self::new(*self.bytes())
    }
}

/// HMAC-SHA256 (RFC 2104) of the concatenated parts.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut mac = prepared(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An HMAC with the key already processed, for repeated use.
pub(crate) fn prepared(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104: a key shorter than the block is filled up with zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut block = Array(block);
    let mac = Hmac::<Sha256>::new(&block);
    block.zeroize();
    mac
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
    fn mac_agrees_with_rfc_4231() {
        let mut bytes = [0; 32];
        bytes[..20].fill(0x0b);
        let tag = mac(&bytes, &[b"Hi ", b"There"]);
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn token_is_valid_until_its_end() {
        let token = key().sign("ack", "incident-7|ana", at("2026-11-22T12:00:00.9Z"));
        for (now, expected) in [
            ("2026-11-22T04:00:00Z", Ok("incident-7|ana".to_owned())),
            ("2026-11-22T11:59:59.999Z", Ok("incident-7|ana".to_owned())),
            ("2026-11-22T12:00:00Z", Err(TokenError::Expired(at("2026-11-22T12:00:00Z")))),
            ("2031-01-01T00:00:00Z", Err(TokenError::Expired(at("2026-11-22T12:00:00Z")))),
        ] {
            assert_eq!(key().verify("ack", &token, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn token_is_valid_for_one_purpose_and_key() {
        let now = at("2026-11-22T04:00:00Z");
        let token = key().sign("ack", "ana", at("2026-11-22T12:00:00Z"));
        assert_eq!(key().verify("session", &token, now), Err(TokenError::Forged));
        assert_eq!(key().verify("ack\0", &token, now), Err(TokenError::Forged));
        assert_eq!(Key::new([43; 32]).verify("ack", &token, now), Err(TokenError::Forged));
        assert_eq!(key().derive("ack").verify("ack", &token, now), Err(TokenError::Forged));
    }

    #[test]
    fn short_signature_depends_on_key_purpose_and_text() {
        let short = key().short("sms", "7.k3x9|ana");
        assert!(
            short.len() == 12 && short.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_eq!(short, key().short("sms", "7.k3x9|ana"));
        for other in [
            key().short("sms", "7.k3x9|bo"),
            key().short("ack", "7.k3x9|ana"),
            Key::new([43; 32]).short("sms", "7.k3x9|ana"),
        ] {
            assert_ne!(short, other);
        }
    }

    #[test]
    fn debug_hides_key() {
        let shown = format!("{:?}", Key::new([65; 32]));
        assert!(shown.contains("REDACTED") && !shown.contains("65"), "{shown}");
    }

    #[test]
    fn constant_time_eq_compares_values() {
        assert!(constant_time_eq(b"", b"") && constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd") && !constant_time_eq(b"abc", b"ab"));
    }

    proptest! {
        #[test]
        fn verified_text_equals_signed_text(
            text in "\\PC{0,200}|(?s:.{0,50})",
            purpose in "[a-z]{1,8}",
            secs in 1i64..200_000_000_000,
        ) {
            let until = Time::from_second(secs).unwrap();
            let token = key().sign(&purpose, &text, until);
            prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(key().verify(&purpose, &token, Time::from_second(secs - 1).unwrap()), Ok(text));
        }

        #[test]
        fn changed_token_is_rejected(
            text in ".{0,60}",
            at in any::<prop::sample::Index>(),
            to in "[A-Za-z0-9_=+/. -]",
        ) {
            let until: Time = "2030-01-01T00:00:00Z".parse().unwrap();
            let token = key().sign("ack", &text, until);
            let place = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(place..=place, &to);
            prop_assume!(changed != token);
            prop_assert!(key().verify("ack", &changed, Time::UNIX_EPOCH).is_err());
            prop_assert!(key().verify("ack", &token[..place], Time::UNIX_EPOCH).is_err());
            let longer = token.clone() + &to;
            prop_assert!(key().verify("ack", &longer, Time::UNIX_EPOCH).is_err());
        }

        #[test]
        fn arbitrary_text_is_rejected(token in "(?s:.{0,300})|[A-Za-z0-9_-]{0,300}") {
            prop_assert!(key().verify("ack", &token, Time::UNIX_EPOCH).is_err());
        }
    }
}
