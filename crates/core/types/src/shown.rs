//! External text, made safe to display.
//!
//! Text from registries, certificates and web servers reaches terminals, pages and messages. Control characters move a
//! terminal's cursor or colour its text; direction marks make `exe.gpj` look like `jpg.exe`. Both are displayed as
//! escapes: `\u{1b}`, `\u{202e}`.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Escapes every character that is invisible or changes the display.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The same for text with several lines: line breaks and tabs stay.
#[must_use]
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    let is_layout = |c: char| matches!(c, '\n' | '\t');
    if !text.chars().any(|c| is_hidden(c) && !is_layout(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) && !is_layout(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Escapes a text in place.
pub(crate) fn clean(text: &mut String) {
    if let Cow::Owned(safe) = shown(text) {
        *text = safe;
    }
}

/// The same for a set of texts.
pub(crate) fn clean_all(texts: &mut BTreeSet<String>) {
    if texts.iter().any(|text| text.chars().any(is_hidden)) {
        *texts = std::mem::take(texts).into_iter().map(|text| shown(&text).into_owned()).collect();
    }
}

/// Control and direction characters, zero-width characters, line and paragraph separators, tags, and noncharacters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_and_control_characters_are_escaped() {
        for (text, safe) in [
            ("ns1.acme.com", "ns1.acme.com"),
            ("Mün\u{301}chen 🚀 عمان שלום", "Mün\u{301}chen 🚀 عمان שלום"),
            ("a\u{1b}[2J\u{7}b", "a\\u{1b}[2J\\u{7}b"),
            ("gnp.\u{202e}exe\u{202c}", "gnp.\\u{202e}exe\\u{202c}"),
            ("two\nlines\r\t", "two\\u{a}lines\\u{d}\\u{9}"),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
            ("\u{fffe}\u{ffff}\u{1fffe}", "\\u{fffe}\\u{ffff}\\u{1fffe}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(shown(text), safe, "{text:?}");
            assert_eq!(shown(&shown(text)), safe, "twice is the same");
        }
        assert_eq!(shown_lines("one\n\ttwo\u{1b}[31m\r\n"), "one\n\ttwo\\u{1b}[31m\\u{d}\n");
    }
}
