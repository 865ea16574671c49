//! Words of identifiers and texts.

/// The words of an identifier or text in lower case: split at everything that is no letter or digit, and before capitals.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut after_small = false;
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_small) {
            found.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        after_small = c.is_lowercase() || c.is_numeric();
    }
    found.extend((!word.is_empty()).then_some(word));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_split_into_words() {
        assert_eq!(words("RotaOf"), ["rota", "of"]);
        assert_eq!(words("rotate_all2B"), ["rotate", "all2", "b"]);
        assert_eq!(words("A page, in hand."), ["a", "page", "in", "hand"]);
    }
}
