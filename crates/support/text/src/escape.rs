//! Untrusted text made safe to show.
//!
//! Text that a registry, a certificate or a web server wrote reaches terminals, pages and messages. Control characters
//! move a terminal's cursor or colour its text; direction marks make `exe.gpj` look like `jpg.exe`.

use std::borrow::Cow;

/// Writes every character that is not visible as itself as its number: `\u{1b}`, `\u{202e}`.
#[must_use]
pub fn hidden(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// As [`hidden`] for text of several lines: line breaks and tabs stay.
#[must_use]
pub fn hidden_in_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && !is_layout(c))
}

/// Replaces control characters, direction overrides and noncharacters by U+FFFD, but line breaks and tabs. For text of
/// people in any script: the marks that right-to-left scripts need stay, and the result is valid in XML.
#[must_use]
pub fn replace_unsafe(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) && !is_layout(c) { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// Replaces every character that is not visible as itself by U+FFFD. For names inside a message, which must not grow.
#[must_use]
pub fn replace_hidden(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Whether [`hidden`] would change the text.
#[must_use]
pub fn has_hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// Escapes text for HTML and XML, as an element's content or a quoted attribute.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_layout(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

/// Controls, embeddings, overrides and isolates of direction (UAX 9), noncharacters.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Those, and the characters without a width, other direction marks, line and paragraph separators, and tags.
fn is_hidden(c: char) -> bool {
    is_unsafe(c)
        || matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
