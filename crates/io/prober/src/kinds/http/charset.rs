//! The character set of a page, found as browsers find it: byte order mark, `Content-Type`, `<meta>` in its first bytes.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Browsers look for a `<meta>` no further than this.
pub(super) const PRESCAN_BYTES: usize = 1024;

/// The character set of a page that begins so. `content_type` is the field's value, if there is one.
pub(super) fn of(content_type: Option<&[u8]>, begin: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(begin) {
        return encoding;
    }
    let prescan = begin.get(..PRESCAN_BYTES).unwrap_or(begin);
    content_type
        .and_then(|value| labelled(value, b"charset"))
        .or_else(|| in_page(prescan))
        .unwrap_or(WINDOWS_1252)
}

/// The encoding named behind `charset=`, quoted or not; `None` when nothing or nothing known is named.
fn labelled(text: &[u8], key: &[u8]) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&lower[from..], key) {
        from += at + key.len();
        let Some(rest) = lower[from..].trim_ascii_start().strip_prefix(b"=") else { continue };
        let rest = rest.trim_ascii_start();
        let label = match rest.first() {
            Some(quote @ (b'"' | b'\'')) => rest[1..].split(|byte| byte == quote).next().unwrap_or_default(),
            _ => rest
                .split(|byte| {
                    byte.is_ascii_whitespace()
                        || matches!(byte, b';' | b',' | b'"' | b'\'' | b'>' | b'/' | b'?')
                })
                .next()
                .unwrap_or_default(),
        };
        if let Some(encoding) = Encoding::for_label(label) {
            return Some(encoding);
        }
    }
    None
}

/// What the page itself says, in `<?xml encoding=...?>` or `<meta ... charset=...>`. It was read as ASCII to find that, so it
/// is not UTF-16, whatever it says (HTML, section 13.2.3.2).
fn in_page(begin: &[u8]) -> Option<&'static Encoding> {
    let lower = begin.to_ascii_lowercase();
    let declared = lower
        .strip_prefix(b"<?xml")
        .and_then(|rest| rest.split(|byte| *byte == b'>').next())
        .and_then(|declaration| labelled(declaration, b"encoding"));
    let metas = || {
        memchr::memmem::find_iter(&lower, b"<meta")
            .filter_map(|at| lower[at + 5..].split(|byte| *byte == b'>').next())
            .find_map(|tag| labelled(tag, b"charset"))
    };
    let found = declared.or_else(metas)?;
    Some(if found == UTF_16BE || found == UTF_16LE { UTF_8 } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn character_sets_are_found_where_browsers_look() {
        for (content_type, begin, name) in [
            (None, &b""[..], "windows-1252"),
            (Some("text/html; charset=utf-8"), b"", "UTF-8"),
            (Some("text/html;charset=\"GBK\""), b"", "GBK"),
            (Some("text/html; Charset = 'gb2312' ; x=y"), b"", "GBK"),
            (Some("text/html; charset=iso-8859-1"), b"", "windows-1252"),
            (Some("text/html; charset=koi8-r"), b"<meta charset=utf-8>", "KOI8-R"),
            (Some("text/html; charset=nonsense"), b"<meta charset=shift_jis>", "Shift_JIS"),
            (Some("text/html"), b"<html><META CHARSET='Big5'/>", "Big5"),
            (None, b"<meta http-equiv=\"Content-Type\" content=\"text/html; charset=euc-kr\">", "EUC-KR"),
            (None, b"<meta name=charset><meta charset=utf-8>", "UTF-8"),
            (None, b"<meta charset=utf-16>", "UTF-8"),
            (None, b"<?xml version=\"1.0\" encoding=\"ISO-8859-2\"?>", "ISO-8859-2"),
            (Some("text/html; charset=iso-8859-1"), b"\xef\xbb\xbfx", "UTF-8"),
            (None, b"\xff\xfea\0", "UTF-16LE"),
        ] {
            assert_eq!(
                of(content_type.map(str::as_bytes), begin).name(),
                name,
                "{content_type:?} {}",
                begin.escape_ascii()
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in "[<mea>=charset'\" -]{0,40}", more in proptest::collection::vec(any::<u8>(), 0..40)) {
            let all = [bytes.as_bytes(), &more].concat();
            let _ = of(Some(&all), &all);
            let _ = of(None, &[b"<meta charset=", all.as_slice()].concat());
        }
    }
}
