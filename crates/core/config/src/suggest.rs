//! Did you mean: the declared name that a mistyped one is nearest to.

/// Names looked at: a hint is a courtesy, and must not cost more than the reading.
const MOST: usize = 2_000;

/// The name that `word` most probably stands for, if any is near enough.
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

/// "did you mean `auth`?", or what there is to choose from when nothing is near and the choice is small.
pub(crate) fn hint<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    if let Some(name) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{}`?", shown(name)));
    }
    match known.len() {
        0 => None,
        1..=12 => Some(format!("there is {}", listed(&known))),
        _ => None,
    }
}

/// What was probably meant by a time zone that does not exist.
pub(crate) fn timezone(text: &str) -> String {
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    match nearest(text, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a name of the IANA database, such as \"Europe/Tallinn\" or \"UTC\"".to_owned(),
    }
}

/// `a`, `b` and `c`.
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", shown(name))).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// At most the first 60 characters, so that a message stays a message; control characters are made visible.
pub(crate) fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

fn short(text: &str) -> &str {
    text.char_indices().nth(60).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_off() {
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
        assert_eq!(hint("xyz", known.into_iter()).unwrap(), "there is `auth`, `mail` and `database`");
        assert_eq!(hint("xyz", [].into_iter()), None);
        assert_eq!(timezone("Europe/Talinn"), "did you mean `Europe/Tallinn`?");
    }
}
