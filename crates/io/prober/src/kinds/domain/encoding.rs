//! The character set of a WHOIS answer. The protocol has none (RFC 3912, section 4), so it is guessed from the bytes. Pure.
//!
//! | the bytes | are read as |
//! |---|---|
//! | have escape sequences that choose a set | ISO-2022-JP |
//! | are UTF-8, or were until a broken one came | UTF-8 |
//! | are kana in EUC-JP or Shift_JIS | that |
//! | anything else | windows-1252, which leaves ASCII as it is |

use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, WINDOWS_1252};

/// Invalid characters that a Japanese answer may have, such as the last one of a truncated answer.
const BROKEN_MAX: usize = 1;

/// The text of an answer.
pub(super) fn read(bytes: &[u8]) -> String {
    if bytes.windows(2).any(|pair| pair == b"\x1b$" || pair == b"\x1b(") {
        return decoded(ISO_2022_JP, bytes);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(broken) if !bytes[..broken.valid_up_to()].is_ascii() => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Err(_) => japanese(bytes).unwrap_or_else(|| decoded(WINDOWS_1252, bytes)),
    }
}

/// Western letters can be read as kanji too, and would take the ASCII letter behind them along; as kana hardly ever.
fn japanese(bytes: &[u8]) -> Option<String> {
    let readings = [EUC_JP, SHIFT_JIS].map(|encoding| decoded(encoding, bytes));
    let is_sound = |text: &&String| {
        let broken = text.chars().filter(|letter| *letter == char::REPLACEMENT_CHARACTER).count();
        broken <= BROKEN_MAX && text.chars().any(is_kana)
    };
    readings
        .iter()
        .filter(is_sound)
        .max_by_key(|text| text.chars().filter(|letter| is_kana(*letter)).count())
        .cloned()
}

/// Hiragana and katakana of full width.
fn is_kana(letter: char) -> bool {
    ('\u{3041}'..='\u{30fe}').contains(&letter)
}

fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> String {
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::UTF_8;
    use proptest::prelude::*;

    const JAPANESE: &str = "[ドメイン名]                  ACME.JP\r\n[登録者名]  株式会社アクメ\r\n[有効期限]  2027/03/31\r\n[状態]  Active\r\n";

    #[test]
    fn answers_are_read_in_the_set_that_they_came_in() {
        for (encoding, text) in [
            (UTF_8, JAPANESE),
            (ISO_2022_JP, JAPANESE),
            (EUC_JP, JAPANESE),
            (SHIFT_JIS, JAPANESE),
            (WINDOWS_1252, "domain: acme.fr\r\nholder: Société Générale, Québec\r\nexpires: 2027-03-31\r\n"),
            (WINDOWS_1252, "domínio: acme.br\r\ndata de expiração: 2027-03-31\r\n"),
            (UTF_8, "Domain Name: ACME.COM\r\n"),
        ] {
            let (bytes, _, unmappable) = encoding.encode(text);
            assert!(!unmappable);
            assert_eq!(read(&bytes), text, "{}", encoding.name());
        }
    }

    #[test]
    fn one_broken_letter_does_not_change_the_set() {
        let (bytes, ..) = EUC_JP.encode(JAPANESE);
        let cut = bytes.iter().rposition(|byte| *byte >= 0x80).unwrap();
        assert!(read(&bytes[..cut]).contains("[有効期限]  2027/03/31"));
        let broken = [JAPANESE.as_bytes(), b"\xff\r\n"].concat();
        assert!(read(&broken).starts_with(JAPANESE));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = read(&[b"\x1b$B", bytes.as_slice()].concat());
        }

        #[test]
        fn what_is_ascii_stays(text in "[ -~\r\n]{0,200}") {
            prop_assert_eq!(read(text.as_bytes()), text);
        }
    }
}
