//! Text cut to a length. What was cut is marked by an ellipsis, which counts towards the length.

const ELLIPSIS: char = '…';

/// At most `max` characters.
#[must_use]
pub fn chars(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    with_ellipsis(&kept, max >= 1)
}

/// At most `max` bytes, cut between characters.
#[must_use]
pub fn bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len_utf8()))];
    with_ellipsis(kept, max >= ELLIPSIS.len_utf8())
}

fn with_ellipsis(kept: &str, has_room: bool) -> String {
    let mut text = kept.trim_end().to_owned();
    text.extend(has_room.then_some(ELLIPSIS));
    text
}
