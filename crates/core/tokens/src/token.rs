//! Layout of a token: `base64url(version, tag, expiry, text)`, without padding.
//!
//! A token has exactly one spelling: the decoder rejects padding, other characters and unused bits at the end. A change
//! of any character is therefore a change of the content.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Length of the signature in bytes.
pub const TAG_BYTES: usize = 32;

/// Maximum length of a token in characters. Real tokens are far shorter; longer input is not decoded.
pub const CHARACTERS_MAX: usize = 4096;

const VERSION: u8 = 1;

/// The content of a token, not verified.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// The signature.
    pub tag: [u8; TAG_BYTES],
    /// Its expiry, in seconds since 1970.
    pub until_secs: i64,
    /// The text.
    pub text: String,
}

impl Token {
    /// Encodes the token in characters that need no escaping in a URL, a cookie or a form.
    #[must_use]
    pub fn write(&self) -> String {
        let mut bytes = Vec::with_capacity(1 + TAG_BYTES + 8 + self.text.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.tag);
        bytes.extend_from_slice(&self.until_secs.to_be_bytes());
        bytes.extend_from_slice(self.text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes the output of [`Token::write`]; `None` for any other text.
    #[must_use]
    pub fn read(characters: &str) -> Option<Self> {
        if characters.len() > CHARACTERS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(characters).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (tag, rest) = rest.split_first_chunk::<TAG_BYTES>()?;
        let (until, text) = rest.split_first_chunk::<8>()?;
        if version != VERSION {
            return None;
        }
        let text = String::from_utf8(text.to_vec()).ok()?;
        Some(Self { tag: *tag, until_secs: i64::from_be_bytes(*until), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_read() {
        let token =
            Token { tag: [7; TAG_BYTES], until_secs: 1_700_000_000, text: "incident-7|ana".to_owned() };
        let written = token.write();
        assert_eq!(Token::read(&written), Some(token));
        for wrong in
            ["", "=", "AQ", &format!("{written}="), &format!("{written}\n"), &"A".repeat(CHARACTERS_MAX + 1)]
        {
            assert_eq!(Token::read(wrong), None, "{wrong:?}");
        }
        // Version 2 does not exist yet.
        let bytes = [2; 64];
        assert_eq!(Token::read(&URL_SAFE_NO_PAD.encode(bytes)), None);
    }
}
