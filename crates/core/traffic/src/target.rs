//! Normalization of request targets: characters that RFC 3986 requires to be percent-encoded are encoded.

/// Bytes that a target may have as they are, those that are percent-encoded, and those that make it none.
const PLAIN: u8 = 0;
const RAW: u8 = 1;
const UNFIT: u8 = 2;

const CLASSES: [u8; 256] = {
    let mut classes = [PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            // A fragment is the client's own (RFC 9110 section 7.1): two parsers differ in whether the target ends
            // there.
            0..=b' ' | 0x7f | b'#' => UNFIT,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80..=0xff => RAW,
            _ => PLAIN,
        };
        byte += 1;
    }
    classes
};

/// A target with a control character, a blank or a `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// Returns a path and query with its raw characters percent-encoded; `None` where it has none. Sequences that begin
/// with `%` stay as they are.
pub fn encoded(target: &str) -> Result<Option<String>, Unfit> {
    match target.bytes().fold(PLAIN, |seen, byte| seen | CLASSES[usize::from(byte)]) {
        PLAIN => return Ok(None),
        RAW => {}
        _ => return Err(Unfit),
    }
    let mut out = String::with_capacity(target.len() + 64);
    for byte in target.bytes() {
        if CLASSES[usize::from(byte)] == PLAIN {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
    }
    Ok(Some(out))
}

fn digit(half: u8) -> char {
    char::from(if half < 10 { b'0' + half } else { b'A' + half - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn raw_characters_are_encoded_and_nothing_else() {
        for (target, right) in [
            ("/", Ok(None)),
            ("*", Ok(None)),
            ("/a%20b%zz%?c[]=1&d='e'", Ok(None)),
            ("/search?filter={\"a\":\"b\"}", Ok(Some("/search?filter=%7B%22a%22:%22b%22%7D"))),
            ("/a`b|c\\d^e?<f>", Ok(Some("/a%60b%7Cc%5Cd%5Ee?%3Cf%3E"))),
            ("/caf\u{e9}?q=\u{20ac}%41", Ok(Some("/caf%C3%A9?q=%E2%82%AC%41"))),
            ("/a b", Err(Unfit)),
            ("/a?b c", Err(Unfit)),
            ("/a\tb", Err(Unfit)),
            ("/a\r\nx: y", Err(Unfit)),
            ("/a\0", Err(Unfit)),
            ("/a\x7f", Err(Unfit)),
            ("/a#b", Err(Unfit)),
            ("/a?b#\u{e9}", Err(Unfit)),
        ] {
            let found = encoded(target);
            assert_eq!(found.as_ref().map(Option::as_deref), right.as_ref().map(|right| *right), "{target}");
        }
    }

    proptest! {
        #[test]
        fn encoded_target_is_printable_and_stays_so(target in "[ -~\u{80}-\u{2fff}]{0,40}") {
            if let Ok(Some(once)) = encoded(&target) {
                prop_assert!(once.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(encoded(&once), Ok(None));
            }
        }
    }
}
