//! Matchers of labels as Prometheus and Alertmanager have them: `zone="a"`, `job=~"api|web"`.

use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Largest compiled regular expression, in bytes.
const REGEX_MAX: usize = 64 << 10;
/// Maximum length of a name or a value, in bytes.
const TEXT_MAX: usize = 1_000;

/// A condition on one label. A label that is missing counts as empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Matcher {
    written: Written,
    regex: Option<Regex>,
}

/// A matcher as the API of Alertmanager writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Name of the label.
    pub name: String,
    /// The value, or a regular expression for all of it.
    pub value: String,
    /// Whether the value is a regular expression.
    #[serde(default)]
    pub is_regex: bool,
    /// Whether it must match; otherwise it must not.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Why a text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAMatcher {
    /// It has no operator.
    #[error("it has none of =, !=, =~ and !~")]
    NoOperator,
    /// It has no name.
    #[error("it has no name of a label")]
    NoName,
    /// It is too long.
    #[error("it is longer than {TEXT_MAX} bytes")]
    TooLong,
    /// The regular expression is invalid.
    #[error("invalid regular expression: {0}")]
    Regex(String),
}

impl Matcher {
    /// Whether it matches labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.written.name).map_or("", String::as_str);
        let is_match = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => value == self.written.value,
        };
        is_match == self.written.is_equal
    }

    /// As it is written.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }
}

/// Whether every matcher matches labels.
#[must_use]
pub fn all_match(matchers: &[Matcher], labels: &BTreeMap<String, String>) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Matcher {}

impl TryFrom<Written> for Matcher {
    type Error = NotAMatcher;

    fn try_from(written: Written) -> Result<Self, NotAMatcher> {
        if written.name.is_empty() {
            return Err(NotAMatcher::NoName);
        }
        if written.name.len().max(written.value.len()) > TEXT_MAX {
            return Err(NotAMatcher::TooLong);
        }
        let compiled = |text: &str| {
            regex::RegexBuilder::new(&format!("^(?:{text})$")).size_limit(REGEX_MAX).build().map_err(
                |error| NotAMatcher::Regex(error.to_string().lines().last().unwrap_or_default().to_owned()),
            )
        };
        let regex = written.is_regex.then(|| compiled(&written.value)).transpose()?;
        Ok(Self { written, regex })
    }
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Self {
        matcher.written
    }
}

impl FromStr for Matcher {
    type Err = NotAMatcher;

    /// Parses `name="value"`; the quotes may be missing.
    fn from_str(text: &str) -> Result<Self, NotAMatcher> {
        let at = text.find(['=', '!']).ok_or(NotAMatcher::NoOperator)?;
        let (name, rest) = text.split_at(at);
        const OPERATORS: [(&str, bool, bool); 4] =
            [("=~", true, true), ("!~", true, false), ("!=", false, false), ("=", false, true)];
        let operator = OPERATORS.iter().find_map(|(sign, is_regex, is_equal)| {
            Some((rest.strip_prefix(sign)?.trim(), *is_regex, *is_equal))
        });
        let (value, is_regex, is_equal) = operator.ok_or(NotAMatcher::NoOperator)?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = quoted.map_or_else(|| value.to_owned(), unescaped);
        Written { name: name.trim().to_owned(), value, is_regex, is_equal }.try_into()
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => plain.push('\n'),
                Some(escaped @ ('"' | '\\')) => plain.push(escaped),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            plain_letter => plain.push(plain_letter),
        }
    }
    plain
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.written.is_regex, self.written.is_equal) {
            (false, true) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (true, false) => "!~",
        };
        write!(f, "{}{sign}{:?}", self.written.name, self.written.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matcher_matches_the_whole_value() {
        let labels = [("zone", "ab"), ("job", "api")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        for (text, is_match) in [
            ("zone=\"ab\"", true),
            ("zone=ab", true),
            ("zone=a", false),
            ("zone=~\"a.\"", true),
            ("zone=~\"a\"", false),
            ("zone!~\"a|b\"", true),
            ("zone!=ab", false),
            ("absent=\"\"", true),
            ("absent!=\"\"", false),
            ("absent!=\"x\"", true),
            ("job =~ \"api|web\"", true),
        ] {
            assert_eq!(text.parse::<Matcher>().unwrap().matches(&labels), is_match, "{text}");
        }
    }

    #[test]
    fn what_is_no_matcher_says_why() {
        let why = |text: &str| text.parse::<Matcher>().unwrap_err().to_string();
        assert_eq!(why("zone"), "it has none of =, !=, =~ and !~");
        assert_eq!(why("=a"), "it has no name of a label");
        assert!(why("zone=~\"(\"").starts_with("invalid regular expression"));
        assert!(why("zone=~\"(a{1000}){1000}\"").starts_with("invalid regular expression"));
    }

    #[test]
    fn matcher_is_read_as_it_was_written() {
        let matcher: Matcher = "zone!~\"a|b\"".parse().unwrap();
        let json = serde_json::to_string(&matcher).unwrap();
        assert_eq!(json, r#"{"name":"zone","value":"a|b","isRegex":true,"isEqual":false}"#);
        assert_eq!(serde_json::from_str::<Matcher>(&json).unwrap(), matcher);
        assert!(serde_json::from_str::<Matcher>(r#"{"name":"a","value":"(","isRegex":true}"#).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_texts_never_panic(text in "\\PC{0,60}|[a-z]{0,3}(=|!=|=~|!~)\\PC{0,40}") {
            if let Ok(matcher) = text.parse::<Matcher>() {
                _ = matcher.matches(&BTreeMap::new());
            }
        }

        #[test]
        fn displayed_form_is_parsed_again(name in "[a-z]{1,5}", value in "[ -~]{0,20}", is_equal: bool) {
            let written = Written { name, value, is_regex: false, is_equal };
            let matcher = Matcher::try_from(written).unwrap();
            prop_assert_eq!(matcher.to_string().parse::<Matcher>().unwrap(), matcher);
        }
    }
}
