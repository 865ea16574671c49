//! Untrusted text in records, escaped in place.

use std::borrow::Cow;
use std::collections::BTreeSet;
use text::escape;

/// Escapes the hidden characters of a text of a record.
pub(crate) fn clean(text: &mut String) {
    if let Cow::Owned(safe) = escape::hidden(text) {
        *text = safe;
    }
}

/// Escapes the hidden characters of a set of texts.
pub(crate) fn clean_all(texts: &mut BTreeSet<String>) {
    if texts.iter().any(|text| escape::has_hidden(text)) {
        *texts = std::mem::take(texts).into_iter().map(|text| escape::hidden(&text).into_owned()).collect();
    }
}
