//! Short signed passes for every request: a cookie of 42 characters, a header of 60.
//!
//! `base64url(epoch, until, body, tag)`, without padding: one byte of the epoch, five of seconds since 1970, and
//! HMAC-SHA256 truncated to 128 bits (RFC 2104, section 5: not less than half). The key of an epoch is derived from the
//! installation's key, so keys change every week, nodes agree without talking, and nothing is kept.

use crate::key::{Key, SealError, mac, prepared};
use crate::same;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::ops::Deref;
use types::Time;

/// Most bytes of a body.
pub const BODY_BYTES: usize = 48;

/// How many epochs a pass is accepted after its own: with a week each, one signed in the last second of an epoch is good
/// for 35 days.
pub const OLDER: i64 = 5;

const EPOCH_SECS: i64 = 7 * 86_400;
const HEAD_BYTES: usize = 6;
const TAG_BYTES: usize = 16;
const MOST_BYTES: usize = HEAD_BYTES + BODY_BYTES + TAG_BYTES;
/// The longest pass in characters.
const MOST_CHARACTERS: usize = MOST_BYTES.div_ceil(3) * 4;

/// Signs and opens the passes of one purpose.
#[derive(Clone, Debug)]
pub struct Passes {
    purpose: Key,
    /// Keys of the epochs around the one it was made in, ready to be used. Any other is derived when it is asked for.
    ready: Vec<(i64, Prepared)>,
}

#[derive(Clone)]
struct Prepared(Hmac<Sha256>);

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared(hidden)")
    }
}

/// What a pass says, after its signature was found right.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    bytes: [u8; BODY_BYTES],
    length: usize,
    until_secs: i64,
}

impl Body {
    /// When it ends, in seconds since 1970.
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
    /// For one purpose. The keys of the weeks around `now` are made ready; the same passes are signed and opened whenever it
    /// was made.
    #[must_use]
    pub fn new(key: &Key, purpose: &str, now: Time) -> Self {
        let purpose = key.derive("pass").derive(purpose);
        let around = epoch(now);
        let ready = (around - OLDER..=around + 1).map(|epoch| (epoch, prepare(&purpose, epoch))).collect();
        Self { purpose, ready }
    }

    /// Signs a body until an instant (whole seconds, rounded down). Whoever holds the pass can read it. A body of more than
    /// [`BODY_BYTES`] is cut, and opens as the cut one.
    #[must_use]
    pub fn sign(&self, body: &[u8], until: Time, now: Time) -> String {
        let epoch = epoch(now);
        let mut bytes = [0; MOST_BYTES];
        let length = body.len().min(BODY_BYTES);
        bytes[0] = epoch.to_le_bytes()[0];
        bytes[1..HEAD_BYTES].copy_from_slice(&until.as_second().max(0).to_be_bytes()[3..]);
        bytes[HEAD_BYTES..HEAD_BYTES + length].copy_from_slice(&body[..length]);
        let signed = HEAD_BYTES + length;
        let tag = self.tag(epoch, &bytes[..signed]);
        bytes[signed..signed + TAG_BYTES].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(&bytes[..signed + TAG_BYTES])
    }

    /// What a pass says that was signed for this purpose, in one of the epochs that still count, and whose time is not over.
    ///
    /// # Errors
    /// See [`SealError`]. That a pass has expired is only told when its signature is right.
    pub fn open(&self, pass: &[u8], now: Time) -> Result<Body, SealError> {
        // The decoder wants room for whole groups of four characters.
        let mut bytes = [0; MOST_CHARACTERS];
        if pass.len() > MOST_CHARACTERS {
            return Err(SealError::Invalid);
        }
        let length = URL_SAFE_NO_PAD.decode_slice(pass, &mut bytes).map_err(|_| SealError::Invalid)?;
        let bytes = &bytes[..length];
        let signed = length.checked_sub(TAG_BYTES).filter(|signed| *signed >= HEAD_BYTES);
        let signed = signed.filter(|signed| *signed <= HEAD_BYTES + BODY_BYTES).ok_or(SealError::Invalid)?;
        let (text, tag) = bytes.split_at(signed);
        let newest = epoch(now) + 1;
        // One epoch ahead is accepted: another node's clock may be a little ahead of ours.
        let epoch = (newest - 1 - OLDER..=newest)
            .find(|epoch| epoch.to_le_bytes()[0] == text[0])
            .ok_or(SealError::Invalid)?;
        if !same(&self.tag(epoch, text), tag) {
            return Err(SealError::Forged);
        }
        let mut until = [0; 8];
        until[3..].copy_from_slice(&text[1..HEAD_BYTES]);
        let until_secs = i64::from_be_bytes(until);
        let until = Time::from_second(until_secs).map_err(|_| SealError::Invalid)?;
        if until <= now {
            return Err(SealError::Expired(until));
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
    Prepared(prepared(&mac(purpose.bytes(), &[b"mainstay pass v1\0", &epoch.to_be_bytes()])))
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
    fn a_cookie_is_short() {
        assert_eq!(passes(0).sign(&[1; 9], at(100), at(0)).len(), 42);
    }

    #[test]
    fn ends_by_time_and_by_epoch() {
        let signed = 100 * WEEK + 5;
        let pass = passes(signed).sign(b"ana", at(signed + 90 * 86_400), at(signed));
        for (after, good) in
            [(-WEEK, true), (0, true), (5 * WEEK, true), (6 * WEEK, false), (-2 * WEEK, false)]
        {
            // Whenever the opener was made.
            for made in [0, signed, signed + after] {
                let opened = passes(made).open(pass.as_bytes(), at(signed + after));
                assert_eq!(opened.is_ok(), good, "{after} {made}");
            }
        }
        let short = passes(signed).sign(b"ana", at(signed + 10), at(signed));
        assert!(passes(signed).open(short.as_bytes(), at(signed + 9)).is_ok());
        let over = passes(signed).open(short.as_bytes(), at(signed + 10)).unwrap_err();
        assert_eq!(over, SealError::Expired(at(signed + 10)));
    }

    #[test]
    fn is_good_for_one_purpose_and_one_key() {
        let pass = passes(0).sign(b"ana", at(100), at(0));
        let other = Passes::new(&Key::new([42; 32]), "header", at(0));
        assert_eq!(other.open(pass.as_bytes(), at(0)).unwrap_err(), SealError::Forged);
        let other = Passes::new(&Key::new([43; 32]), "cookie", at(0));
        assert_eq!(other.open(pass.as_bytes(), at(0)).unwrap_err(), SealError::Forged);
        assert!(!format!("{other:?}").contains("43"));
    }

    proptest! {
        #[test]
        fn any_body_comes_back(body in prop::collection::vec(any::<u8>(), 0..=BODY_BYTES), secs in 1i64..200_000_000_000) {
            let passes = passes(secs);
            let pass = passes.sign(&body, at(secs + 1), at(secs));
            let opened = passes.open(pass.as_bytes(), at(secs)).unwrap();
            prop_assert_eq!(&*opened, &body[..]);
            prop_assert_eq!(opened.until_secs(), secs + 1);
        }

        #[test]
        fn any_change_is_refused(
            body in prop::collection::vec(any::<u8>(), 0..=BODY_BYTES),
            place in any::<prop::sample::Index>(),
            to in "[A-Za-z0-9_=+/. -]",
        ) {
            let pass = passes(0).sign(&body, at(100), at(0));
            let place = place.index(pass.len());
            let mut changed = pass.clone();
            changed.replace_range(place..=place, &to);
            prop_assume!(changed != pass);
            prop_assert!(passes(0).open(changed.as_bytes(), at(0)).is_err());
            prop_assert!(passes(0).open(&pass.as_bytes()[..place], at(0)).is_err());
            prop_assert!(passes(0).open((pass + &to).as_bytes(), at(0)).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(pass in prop::collection::vec(any::<u8>(), 0..200), text in "[A-Za-z0-9_-]{0,120}") {
            prop_assert!(passes(0).open(&pass, at(0)).is_err());
            prop_assert!(passes(0).open(text.as_bytes(), at(0)).is_err());
        }
    }
}
