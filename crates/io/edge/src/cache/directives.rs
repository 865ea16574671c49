//! `Cache-Control` of a response as a table (RFC 9111 section 5.2.2, RFC 5861).

use http::HeaderMap;
use http::header::{self, HeaderValue};
use std::time::Duration;

/// The largest number of seconds that is distinguished (RFC 9111 section 1.2.2).
const SECONDS_MAX: u64 = 1 << 31;

/// Directives in lower case, each with its argument. Of those that are there twice, the first.
#[derive(Debug, Default)]
pub(crate) struct Directives {
    list: Vec<(String, Option<String>)>,
    /// Whether a directive is there with two arguments: its freshness is not to be trusted.
    pub(crate) contradict: bool,
}

impl Directives {
    /// Reads all fields `Cache-Control`. A field that is no text counts as `no-store`: what it says is unknown.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        for value in headers.get_all(header::CACHE_CONTROL) {
            let text = value.to_str().unwrap_or("no-store");
            split(text, b',').for_each(|part| read.add(part));
        }
        read
    }

    fn add(&mut self, part: &str) {
        let (name, argument) = match part.split_once('=') {
            Some((name, argument)) => (name, Some(argument.trim().trim_matches('"').to_owned())),
            None => (part, None),
        };
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() {
            return;
        }
        match self.list.iter().find(|(known, _)| *known == name) {
            Some((_, known)) => self.contradict |= *known != argument,
            None => self.list.push((name, argument)),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(known, _)| known == name)
    }

    /// The seconds of a directive; zero where they cannot be read.
    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        let (_, argument) = self.list.iter().find(|(known, _)| known == name)?;
        Some(seconds(argument.as_deref().unwrap_or_default()))
    }

    /// All but those named, as one field.
    pub(crate) fn without(&self, names: &[&str]) -> Option<HeaderValue> {
        let kept = self.list.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        let words: Vec<String> = kept
            .map(|(name, argument)| match argument {
                Some(argument) => format!("{name}=\"{argument}\""),
                None => name.clone(),
            })
            .collect();
        HeaderValue::try_from(words.join(", ")).ok().filter(|_| !words.is_empty())
    }
}

/// Reads delta-seconds; zero where they cannot be read, which is stale.
pub(crate) fn seconds(text: &str) -> Duration {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number beyond 64 bits is a very long time.
    let number = if is_number { text.parse().unwrap_or(SECONDS_MAX) } else { 0 };
    Duration::from_secs(number.min(SECONDS_MAX))
}

/// Splits at a byte that is outside of quotes; without what is empty.
pub(crate) fn split(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.bytes().position(|byte| {
            let ends = byte == at && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = quoted && byte == b'\\' && !escaped;
            ends
        });
        let (part, next) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, ""),
        };
        rest = next;
        Some(part.trim())
    })
    .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(fields: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(field).unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn names_have_no_case_and_commas_in_quotes_do_not_split() {
        let read = read(&["Max-Age=60, NO-CACHE=\"set-cookie, x\"", "s-maxage=\"5\""]);
        assert_eq!(read.seconds("max-age"), Some(Duration::from_secs(60)));
        assert_eq!(read.seconds("s-maxage"), Some(Duration::from_secs(5)));
        assert!(read.has("no-cache") && !read.has("x") && !read.contradict);
    }

    #[test]
    fn two_arguments_contradict() {
        assert!(read(&["max-age=1, max-age=2"]).contradict);
        assert!(!read(&["max-age=1", "max-age=1"]).contradict);
    }

    #[test]
    fn unreadable_seconds_are_none() {
        for (text, secs) in
            [("60", 60), ("", 0), ("-1", 0), ("1.5", 0), ("x", 0), ("99999999999999999999", 1 << 31)]
        {
            assert_eq!(seconds(text), Duration::from_secs(secs), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ -~]{0,60}") {
            let read = read(&[&text]);
            let _ = read.without(&["max-age"]);
        }
    }
}
