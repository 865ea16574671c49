//! Lines broken at a width. Widths are in characters, as a terminal shows them in most scripts.

/// Treatment of a word that is longer than a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongWord {
    /// It stays whole and its line is too long: an address or a name can be copied.
    Whole,
    /// It is cut, so that columns stay columns.
    Cut,
}

/// Breaks text at spaces into lines of at most `width` characters. The first line begins with `first`, every other one
/// with `next`; both count towards the width. At least one line.
#[must_use]
pub fn wrapped(text: &str, first: &str, next: &str, width: usize, long: LongWord) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used, mut is_empty) = (first.to_owned(), first.chars().count(), true);
    for word in text.split_whitespace() {
        let mut word = word;
        loop {
            let gap = usize::from(!is_empty);
            let length = word.chars().count();
            if used + gap + length <= width || is_empty && long == LongWord::Whole {
                line.extend((!is_empty).then_some(' '));
                line.push_str(word);
                (used, is_empty) = (used + gap + length, false);
                break;
            }
            if is_empty {
                // Not even a line of its own has room for it.
                let room = width.saturating_sub(used).max(1);
                let at = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                line.push_str(&word[..at]);
                word = &word[at..];
            }
            lines.push(std::mem::replace(&mut line, next.to_owned()));
            (used, is_empty) = (next.chars().count(), true);
            if word.is_empty() {
                break;
            }
        }
    }
    if !is_empty || lines.is_empty() {
        lines.push(line);
    }
    lines
}
