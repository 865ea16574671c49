//! Signature of a webhook, which proves to the receiver that mainstay sent it, and when.
//!
//! The header `Mainstay-Signature` reads `t=SECONDS,v1=HEX`: the Unix time of sending, and the HMAC-SHA256 of that
//! number, a dot and the body's bytes, keyed with the channel's secret. A receiver computes the same, compares in
//! constant time, and rejects requests that are older than a few minutes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use text::hex;
use types::Time;

/// Name of the header.
pub(crate) const HEADER: &str = "Mainstay-Signature";

/// Value of the header for a body sent at `now`. `None` only for a key that HMAC rejects, and it rejects none.
#[must_use]
pub(crate) fn sign(secret: &SecretString, now: Time, body: &[u8]) -> Option<String> {
    let secs = now.as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(format!("{secs}.").as_bytes());
    mac.update(body);
    Some(format!("t={secs},v1={}", hex::encode(&mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_agrees_with_openssl() {
        // printf '1732276800.{"a":1}' | openssl dgst -sha256 -hmac s3cret
        let now = Time::from_second(1_732_276_800).unwrap();
        assert_eq!(
            sign(&"s3cret".into(), now, br#"{"a":1}"#).unwrap(),
            "t=1732276800,v1=a00706120ff041e2be2394159eccc91476b5483b1328eb0cbf276354ee2f9194"
        );
    }
}
