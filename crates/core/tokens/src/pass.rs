//! Passes: short tokens for every request. A cookie has 42 characters, a header 60.
//!
//! `base64url(epoch, until, body, tag)`, without padding: one byte of the epoch, five of seconds since 1970, and
//! HMAC-SHA256 truncated to 128 bits (RFC 2104, section 5: not less than half). The key of an epoch is derived from the
//! key of the installation: keys change every week, all nodes derive the same ones, and nothing is stored.

use crate::constant_time_eq;
use crate::key::{Key, TokenError, mac, prepared};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;
use std::ops::Deref;
use types::Time;

/// Maximum length of a body in bytes.
pub const BODY_BYTES: usize = 48;

/// Number of epochs after its own in which a pass is accepted: signed in the last second of an epoch of one week, it is
/// valid for 35 days.
pub const OLDER_EPOCHS: i64 = 5;

const EPOCH_SECS: i64 = 7 * 86_400;
const HEAD_BYTES: usize = 6;
const TAG_BYTES: usize = 16;
const BYTES_MAX: usize = HEAD_BYTES + BODY_BYTES + TAG_BYTES;
/// Maximum length of a pass in characters.
const CHARACTERS_MAX: usize = BYTES_MAX.div_ceil(3) * 4;

/// Signs and verifies the passes of one purpose.
#[derive(Clone, Debug)]
pub struct Passes {
    purpose: Key,
    /// Prepared keys of the epochs around the time of creation. Other keys are derived when they are used.
    ready: Vec<(i64, Prepared)>,
}

#[derive(Clone)]
struct Prepared(Hmac<Sha256>);

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared(hidden)")
    }
}

/// The content of a verified pass.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    bytes: [u8; BODY_BYTES],
    length: usize,
    until_secs: i64,
}

impl Body {
    /// Its expiry, in seconds since 1970.
    #[must_use]
    pub fn until_secs(&self) -> i64 {
        self.until_secs
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Passes {
    /// Creates the passes of one purpose. The keys of the weeks around `now` are prepared; `now` does not change which
    /// passes are signed or verified.
    #[must_use]
    pub fn new(key: &Key, purpose: &str, now: Time) -> Self {
        let purpose = key.derive("pass").derive(purpose);
        let around = epoch(now);
        let ready =
            (around - OLDER_EPOCHS..=around + 1).map(|epoch| (epoch, prepare(&purpose, epoch))).collect();
        Self { purpose, ready }
    }

    /// Signs a body until an instant (whole seconds, rounded down). The holder of the pass can read the body. A body of
    /// more than [`BODY_BYTES`] is cut.
    #[must_use]
    pub fn sign(&self, body: &[u8], until: Time, now: Time) -> String {
        let epoch = epoch(now);
        let mut bytes = [0; BYTES_MAX];
        let length = body.len().min(BODY_BYTES);
        bytes[0] = epoch.to_le_bytes()[0];
        bytes[1..HEAD_BYTES].copy_from_slice(&until.as_second().max(0).to_be_bytes()[3..]);
        bytes[HEAD_BYTES..HEAD_BYTES + length].copy_from_slice(&body[..length]);
        let signed = HEAD_BYTES + length;
        let tag = self.tag(epoch, &bytes[..signed]);
        bytes[signed..signed + TAG_BYTES].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(&bytes[..signed + TAG_BYTES])
    }

    /// Verifies a pass and returns its body.
    ///
    /// # Errors
    /// See [`TokenError`]. [`TokenError::Expired`] is returned only when the signature is right.
    pub fn verify(&self, pass: &[u8], now: Time) -> Result<Body, TokenError> {
        // The decoder needs room for complete groups of four characters.
        let mut bytes = [0; CHARACTERS_MAX];
        if pass.len() > CHARACTERS_MAX {
            return Err(TokenError::Invalid);
        }
        let length = URL_SAFE_NO_PAD.decode_slice(pass, &mut bytes).map_err(|_| TokenError::Invalid)?;
        let bytes = &bytes[..length];
        let signed = length.checked_sub(TAG_BYTES).filter(|signed| *signed >= HEAD_BYTES);
        let signed = signed.filter(|signed| *signed <= HEAD_BYTES + BODY_BYTES).ok_or(TokenError::Invalid)?;
        let (text, tag) = bytes.split_at(signed);
        let newest = epoch(now) + 1;
        // One epoch ahead is accepted: the clock of another node may be ahead.
        let epoch = (newest - 1 - OLDER_EPOCHS..=newest)
            .find(|epoch| epoch.to_le_bytes()[0] == text[0])
            .ok_or(TokenError::Invalid)?;
        if !constant_time_eq(&self.tag(epoch, text), tag) {
            return Err(TokenError::Forged);
        }
        let mut until = [0; 8];
        until[3..].copy_from_slice(&text[1..HEAD_BYTES]);
        let until_secs = i64::from_be_bytes(until);
        let until = Time::from_second(until_secs).map_err(|_| TokenError::Invalid)?;
        if until <= now {
            return Err(TokenError::Expired(until));
        }
        let mut body = Body { bytes: [0; BODY_BYTES], length: signed - HEAD_BYTES, until_secs };
        body.bytes[..body.length].copy_from_slice(&text[HEAD_BYTES..]);
        Ok(body)
    }

    fn tag(&self, epoch: i64, text: &[u8]) -> [u8; TAG_BYTES] {
        let ready = self.ready.iter().find(|(other, _)| *other == epoch);
        let mut hmac = ready.map_or_else(|| prepare(&self.purpose, epoch).0, |(_, ready)| ready.0.clone());
        hmac.update(text);
        let whole: [u8; 32] = hmac.finalize().into_bytes().into();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&whole[..TAG_BYTES]);
        tag
    }
}

fn epoch(at: Time) -> i64 {
    at.as_second().div_euclid(EPOCH_SECS)
}

fn prepare(purpose: &Key, epoch: i64) -> Prepared {
    Prepared(prepared(&Zeroizing::new(mac(purpose.bytes(), &[b"mainstay pass v1\0", &epoch.to_be_bytes()]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEEK: i64 = EPOCH_SECS;

    fn at(secs: i64) -> Time {
        Time::from_second(secs).unwrap()
    }

    fn passes(now: i64) -> Passes {
        Passes::new(&Key::new([42; 32]), "cookie", at(now))
    }

    #[test]
    fn cookie_has_42_characters() {
        assert_eq!(passes(0).sign(&[1; 9], at(100), at(0)).len(), 42);
    }

    #[test]
    fn pass_expires_by_time_and_by_epoch() {
        let signed = 100 * WEEK + 5;
        let pass = passes(signed).sign(b"ana", at(signed + 90 * 86_400), at(signed));
        for (after, good) in
            [(-WEEK, true), (0, true), (5 * WEEK, true), (6 * WEEK, false), (-2 * WEEK, false)]
        {
            // The time of creation does not matter.
            for created in [0, signed, signed + after] {
                let verified = passes(created).verify(pass.as_bytes(), at(signed + after));
                assert_eq!(verified.is_ok(), good, "{after} {created}");
            }
        }
        let short = passes(signed).sign(b"ana", at(signed + 10), at(signed));
        assert!(passes(signed).verify(short.as_bytes(), at(signed + 9)).is_ok());
        let over = passes(signed).verify(short.as_bytes(), at(signed + 10)).unwrap_err();
        assert_eq!(over, TokenError::Expired(at(signed + 10)));
    }

    #[test]
    fn pass_is_valid_for_one_purpose_and_key() {
        let pass = passes(0).sign(b"ana", at(100), at(0));
        let other = Passes::new(&Key::new([42; 32]), "header", at(0));
        assert_eq!(other.verify(pass.as_bytes(), at(0)).unwrap_err(), TokenError::Forged);
        let other = Passes::new(&Key::new([43; 32]), "cookie", at(0));
        assert_eq!(other.verify(pass.as_bytes(), at(0)).unwrap_err(), TokenError::Forged);
        assert!(!format!("{other:?}").contains("43"));
    }

    proptest! {
        #[test]
        fn verified_body_equals_signed_body(
            body in prop::collection::vec(any::<u8>(), 0..=BODY_BYTES),
            secs in 1i64..200_000_000_000,
        ) {
            let passes = passes(secs);
            let pass = passes.sign(&body, at(secs + 1), at(secs));
            let verified = passes.verify(pass.as_bytes(), at(secs)).unwrap();
            prop_assert_eq!(&*verified, &body[..]);
            prop_assert_eq!(verified.until_secs(), secs + 1);
        }

        #[test]
        fn changed_pass_is_rejected(
            body in prop::collection::vec(any::<u8>(), 0..=BODY_BYTES),
            place in any::<prop::sample::Index>(),
            to in "[A-Za-z0-9_=+/. -]",
        ) {
            let pass = passes(0).sign(&body, at(100), at(0));
            let place = place.index(pass.len());
            let mut changed = pass.clone();
            changed.replace_range(place..=place, &to);
            prop_assume!(changed != pass);
            prop_assert!(passes(0).verify(changed.as_bytes(), at(0)).is_err());
            prop_assert!(passes(0).verify(&pass.as_bytes()[..place], at(0)).is_err());
            prop_assert!(passes(0).verify((pass + &to).as_bytes(), at(0)).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_rejected(
            pass in prop::collection::vec(any::<u8>(), 0..200),
            text in "[A-Za-z0-9_-]{0,120}",
        ) {
            prop_assert!(passes(0).verify(&pass, at(0)).is_err());
            prop_assert!(passes(0).verify(text.as_bytes(), at(0)).is_err());
        }
    }
}
