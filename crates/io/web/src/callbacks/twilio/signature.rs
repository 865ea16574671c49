//! The signature of Twilio's requests: `X-Twilio-Signature` is the Base64 of HMAC-SHA1, keyed with the auth token, of the URL
//! and of all parameters, each name with its value, in the order of their names. See
//! <https://www.twilio.com/docs/usage/security#validating-requests>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;

/// Name of the header.
pub(super) const HEADER: &str = "x-twilio-signature";

/// Whether the signature is that of a request. Compares in constant time.
pub(super) fn is_valid(
    token: &SecretString,
    url: &str,
    parameters: &[(String, String)],
    given: Option<&[u8]>,
) -> bool {
    let token = token.expose_secret();
    let (Some(Ok(given)), false) = (given.map(|given| STANDARD.decode(given)), token.is_empty()) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return false };
    mac.update(url.as_bytes());
    let mut sorted: Vec<&(String, String)> = parameters.iter().collect();
    sorted.sort_unstable();
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    /// The example of Twilio's documentation.
    fn example() -> Vec<(String, String)> {
        [
            ("To", "+18005551212"),
            ("Digits", "1234"),
            ("From", "+12349013030"),
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+12349013030"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn signature_agrees_with_the_documentation() {
        let token: SecretString = "12345".into();
        let given = Some(&b"0/KCTR6DLpKmkAf8muzZqo1nDgQ="[..]);
        assert!(is_valid(&token, URL, &example(), given));
        let mut changed = example();
        changed[1].1 = "1".to_owned();
        let mut longer = example();
        longer.push(("Digits".to_owned(), "1".to_owned()));
        for (token, url, parameters, given) in [
            ("12345", URL, changed, given),
            ("12345", URL, longer, given),
            ("12345", "https://mycompany.com/myapp.php", example(), given),
            ("12346", URL, example(), given),
            ("", URL, example(), given),
            ("12345", URL, example(), None),
            ("12345", URL, example(), Some(&b""[..])),
            ("12345", URL, example(), Some(&b"0/KCTR6DLpKmkAf8muzZqo1nDg=="[..])),
        ] {
            assert!(!is_valid(&token.into(), url, &parameters, given), "{token} {url} {parameters:?}");
        }
    }

    proptest! {
        #[test]
        fn any_signature_is_refused(given in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(!is_valid(&"12345".into(), URL, &example(), Some(&given)));
        }
    }
}
