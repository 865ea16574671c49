//! How a signed text is laid out: `base64url(version, tag, expiry, text)`, without padding.
//!
//! Only the layout lives here, nothing secret. A token has exactly one spelling, so that changing any character of it
//! changes what it says: the decoder refuses padding, foreign characters and stray bits at the end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of the signature.
pub const TAG_BYTES: usize = 32;

/// Longest token that is looked at, in characters. Ours are far shorter; a stranger's megabyte is not decoded.
pub const LONGEST: usize = 4096;

const VERSION: u8 = 1;

/// What a token says, before anybody has checked that it is true.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// The signature that it carries.
    pub tag: [u8; TAG_BYTES],
    /// When it ends, in seconds since 1970.
    pub until_secs: i64,
    /// The text.
    pub text: String,
}

impl Token {
    /// The token as characters that need no escaping in a URL, a cookie or a form.
    #[must_use]
    pub fn write(&self) -> String {
        let mut bytes = Vec::with_capacity(1 + TAG_BYTES + 8 + self.text.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.tag);
        bytes.extend_from_slice(&self.until_secs.to_be_bytes());
        bytes.extend_from_slice(self.text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Token::write`] wrote; `None` for everything else.
    #[must_use]
    pub fn read(characters: &str) -> Option<Self> {
        if characters.len() > LONGEST {
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
    fn only_its_own_spelling_is_read() {
        let token =
            Token { tag: [7; TAG_BYTES], until_secs: 1_700_000_000, text: "incident-7|ana".to_owned() };
        let written = token.write();
        assert_eq!(Token::read(&written), Some(token));
        for wrong in
            ["", "=", "AQ", &format!("{written}="), &format!("{written}\n"), &"A".repeat(LONGEST + 1)]
        {
            assert_eq!(Token::read(wrong), None, "{wrong:?}");
        }
        // Version 2 does not exist yet.
        let bytes = [2; 64];
        assert_eq!(Token::read(&URL_SAFE_NO_PAD.encode(bytes)), None);
    }
}
