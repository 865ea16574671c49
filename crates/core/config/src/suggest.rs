//! Suggestions for mistyped names, and how names are shown in messages.

use text::{escape, list, truncate};

/// Names compared at most, so that a hint never costs more than reading the file.
const MOST: usize = 2_000;

/// Returns the known name most similar to `word`, if one is similar enough.
pub(crate) fn nearest<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let word = short(word).to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known.take(MOST) {
        let score = strsim::jaro_winkler(&word, &short(name).to_lowercase());
        if score > 0.82 && best.is_none_or(|(high, _)| score > high) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Returns "did you mean `auth`?", or the known names when none is similar and they are few.
pub(crate) fn hint<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    if let Some(name) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{}`?", shown(name)));
    }
    match known.len() {
        0 => None,
        1..=12 => Some(format!("declared: {}", listed(&known))),
        _ => None,
    }
}

/// Returns the hint for an unknown timezone.
pub(crate) fn timezone(text: &str) -> String {
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    match nearest(text, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a name of the IANA database, such as \"Europe/Tallinn\" or \"UTC\"".to_owned(),
    }
}

/// Joins names: `a`, `b` and `c`.
pub(crate) fn listed(names: &[&str]) -> String {
    list::and(names.iter().map(|name| format!("`{}`", shown(name))))
}

/// Returns at most the first 60 characters of a text, control characters replaced.
pub(crate) fn shown(text: &str) -> String {
    truncate::chars(&escape::replace_hidden(text), 61)
}

fn short(text: &str) -> &str {
    text.char_indices().nth(60).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_name_suggests_nearest_and_nothing_unlike() {
        let known = ["auth", "mail", "database"];
        for (word, meant) in [
            ("auht", Some("auth")),
            ("Auth", Some("auth")),
            ("datbase", Some("database")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.iter().copied()), meant, "{word}");
        }
        assert_eq!(hint("xyz", known.into_iter()).unwrap(), "declared: `auth`, `mail` and `database`");
        assert_eq!(hint("xyz", [].into_iter()), None);
        assert_eq!(timezone("Europe/Talinn"), "did you mean `Europe/Tallinn`?");
    }
}
