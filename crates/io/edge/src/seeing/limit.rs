//! A limit that refused a request, and the headers by which servers tell of theirs.
//!
//! Read in all shapes that are about: `RateLimit` and `RateLimit-Policy` as lists of named items
//! (draft-ietf-httpapi-ratelimit-headers, since -08), `RateLimit` as a dictionary (-07), the triple
//! `RateLimit-Limit`, `-Remaining`, `-Reset` (to -06), `X-RateLimit-*` in its usual spellings, and `Retry-After`.
//! What cannot be read is left out; nothing here refuses an answer.

use super::text::Text;
use http::{HeaderMap, HeaderName};
use serde::Serialize;

/// Whose limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A limit of the configuration, kept by the edge.
    Edge,
    /// A limit of the server that answered.
    Server,
}

/// A limit, with its numbers as the answer told them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose.
    pub by: By,
    /// Its name: `visitor`, `per-address`. Empty where a server told none.
    pub name: Text<32>,
    /// How many are allowed in a window.
    pub quota: Option<u32>,
    /// The window, in seconds.
    pub window: Option<u32>,
    /// How many are left.
    pub remaining: Option<u32>,
    /// Seconds until there are more.
    pub reset: Option<u32>,
    /// Seconds that the refused one shall wait.
    pub retry_after: Option<u32>,
}

impl Limit {
    /// The rule of the edge by which the guard refused.
    #[must_use]
    pub fn of(refusal: &traffic::Refusal) -> Self {
        let secs =
            |span: std::time::Duration| u32::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        let quota = refusal.quota;
        Self {
            name: refusal.limit.as_str().into(),
            quota: quota.map(|quota| quota.burst),
            window: quota.map(|quota| quota.window_secs),
            remaining: quota.map(|quota| quota.remaining),
            reset: quota.map(|quota| quota.reset_secs),
            retry_after: refusal.retry_after.map(secs),
            ..Self::unnamed(By::Edge)
        }
    }

    fn unnamed(by: By) -> Self {
        Self {
            by,
            name: Text::EMPTY,
            quota: None,
            window: None,
            remaining: None,
            reset: None,
            retry_after: None,
        }
    }

    /// The limit of which a server's answer tells; of several, the one that is used up. `unix` is the time of day in
    /// seconds.
    #[must_use]
    pub fn told(headers: &HeaderMap, unix: u64) -> Option<Self> {
        let mut limit =
            listed(headers).or_else(|| triple(headers, unix)).unwrap_or(Self::unnamed(By::Server));
        limit.retry_after = text(headers, "retry-after").and_then(|value| wait(value, unix));
        (limit != Self::unnamed(By::Server)).then_some(limit)
    }
}

/// Values longer than this are not read: no server means them.
const VALUE_BYTES_MAX: usize = 1024;

/// The first value of a header, where it is text of decent length.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let value = headers.get(HeaderName::from_static(name))?;
    value.to_str().ok().filter(|value| value.len() <= VALUE_BYTES_MAX)
}

/// `RateLimit` as list or dictionary, with the policy of the same name beside it.
fn listed(headers: &HeaderMap) -> Option<Limit> {
    let items = |name| text(headers, name).map(|value| split(value, ',').filter_map(Item::read));
    let policies: Vec<Item<'_>> = items("ratelimit-policy").into_iter().flatten().take(16).collect();
    let Some(states) = items("ratelimit") else {
        return policies.first().filter(|_| !headers.contains_key("ratelimit-limit")).map(Item::limit);
    };
    let mut dictionary = Limit::unnamed(By::Server);
    let mut tightest: Option<Limit> = None;
    for state in states.take(16) {
        match state.member {
            "limit" => dictionary.quota = number(state.value),
            "remaining" => dictionary.remaining = number(state.value),
            "reset" => dictionary.reset = number(state.value),
            _ => {
                let mut limit = state.limit();
                if let Some(policy) = policies.iter().find(|policy| policy.value == state.value) {
                    let policy = policy.limit();
                    limit.quota = limit.quota.or(policy.quota);
                    limit.window = limit.window.or(policy.window);
                }
                let left = |limit: &Limit| limit.remaining.unwrap_or(u32::MAX);
                if tightest.as_ref().is_none_or(|known| left(&limit) < left(known)) {
                    tightest = Some(limit);
                }
            }
        }
    }
    if dictionary != Limit::unnamed(By::Server) {
        let policy = policies.iter().find(|policy| number(policy.value) == dictionary.quota);
        dictionary.window = policy.and_then(|policy| policy.number("w"));
        return Some(dictionary);
    }
    tightest
}

/// `RateLimit-Limit: 100, 100;w=60` and its companions, or the same with `X-`.
fn triple(headers: &HeaderMap, unix: u64) -> Option<Limit> {
    let first = |names: [&'static str; 3]| names.into_iter().find_map(|name| text(headers, name));
    let quota = first(["ratelimit-limit", "x-ratelimit-limit", "x-rate-limit-limit"]);
    let remaining = first(["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"]);
    let reset = first(["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"]);
    if quota.is_none() && remaining.is_none() && reset.is_none() {
        return None;
    }
    let mut limit = Limit::unnamed(By::Server);
    if let Some(value) = quota {
        let mut items = split(value, ',').filter_map(Item::read);
        limit.quota = items.next().and_then(|item| number(item.value));
        limit.window = items.find(|item| number(item.value) == limit.quota).and_then(|item| item.number("w"));
    }
    limit.remaining = remaining.and_then(number);
    limit.reset = reset.and_then(|value| until(value, unix));
    Some(limit)
}

/// Some say in how many seconds, others at which second since 1970, in seconds or milliseconds.
fn until(value: &str, unix: u64) -> Option<u32> {
    let value: f64 = value.trim().parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)?;
    let seconds = if value < 1e8 {
        value
    } else {
        let at = if value < 1e11 { value } else { value / 1e3 };
        (at - unix as f64).max(0.0)
    };
    Some(seconds.ceil().min(f64::from(u32::MAX)) as u32)
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn wait(value: &str, unix: u64) -> Option<u32> {
    number(value).or_else(|| {
        let at = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp().as_second();
        u32::try_from(u64::try_from(at).ok()?.saturating_sub(unix)).ok()
    })
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    // Not `parse` alone: it takes a plus sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Parts between separators, but not those within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = whole.find(|each: char| {
            let ends = !quoted && each == separator;
            match each {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ => {}
            }
            ends
        });
        rest = end.map(|end| &whole[end + separator.len_utf8()..]);
        Some(whole[..end.unwrap_or(whole.len())].trim())
    })
}

/// One item of a list, or one member of a dictionary: `"name";q=100;w=60`, `limit=100`.
struct Item<'a> {
    /// Before the `=` of a dictionary; else empty.
    member: &'a str,
    /// The value, without its quotes.
    value: &'a str,
    parameters: &'a str,
}

impl<'a> Item<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let value = split(text, ';').next()?;
        let parameters = &text[value.len()..];
        let (member, value) = match value.split_once('=') {
            Some((member, value)) if !value.is_empty() && !member.starts_with('"') => {
                (member.trim(), value.trim())
            }
            _ => ("", value),
        };
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        (!bare.is_empty()).then_some(Self { member, value: bare, parameters })
    }

    fn number(&self, key: &str) -> Option<u32> {
        split(self.parameters, ';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            (name.trim() == key).then(|| number(value)).flatten()
        })
    }

    fn limit(&self) -> Limit {
        Limit {
            name: self.value.into(),
            quota: self.number("q"),
            window: self.number("w"),
            remaining: self.number("r"),
            reset: self.number("t"),
            ..Limit::unnamed(By::Server)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Name, quota, window, remaining, reset, retry-after.
    type Told = (String, Option<u32>, Option<u32>, Option<u32>, Option<u32>, Option<u32>);

    const NOON: u64 = 1_800_000_000;

    fn told(pairs: &[(&'static str, &str)]) -> Option<Told> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let limit = Limit::told(&headers, NOON)?;
        assert_eq!(limit.by, By::Server);
        let Limit { quota, window, remaining, reset, retry_after, .. } = limit;
        Some((limit.name.to_string(), quota, window, remaining, reset, retry_after))
    }

    #[test]
    fn every_shape_that_is_about() {
        let some = Some::<u32>;
        for (headers, expected) in [
            (
                &[
                    ("ratelimit", r#""per-address";r=0;t=30"#),
                    ("ratelimit-policy", r#""per-address";q=100;w=60"#),
                ][..],
                ("per-address", some(100), some(60), some(0), some(30), None),
            ),
            (
                &[
                    ("ratelimit", r#""day";r=900;t=3600, "burst";r=0;t=2, "x;y,z";r=5"#),
                    ("ratelimit-policy", r#""day";q=1000;w=86400;pk=:YWJj:, "burst";qu="requests";q=10;w=1"#),
                    ("retry-after", "3"),
                ],
                ("burst", some(10), some(1), some(0), some(2), some(3)),
            ),
            (
                &[
                    ("ratelimit", "limit=100, remaining=0, reset=50"),
                    ("ratelimit-policy", "100;w=60, 5000;w=3600"),
                ],
                ("", some(100), some(60), some(0), some(50), None),
            ),
            (
                &[
                    ("ratelimit-limit", "10, 10;w=1, 50;w=60"),
                    ("ratelimit-remaining", "0"),
                    ("ratelimit-reset", "1"),
                ],
                ("", some(10), some(1), some(0), some(1), None),
            ),
            (
                &[
                    ("x-ratelimit-limit", "60"),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1800000042"),
                ],
                ("", some(60), None, some(0), some(42), None),
            ),
            (&[("x-rate-limit-reset", "1800000042500")], ("", None, None, None, some(43), None)),
            (&[("x-ratelimit-reset", "0.25")], ("", None, None, None, some(1), None)),
            (&[("retry-after", "120")], ("", None, None, None, None, some(120))),
            (&[("retry-after", "Fri, 15 Jan 2027 08:01:00 GMT")], ("", None, None, None, None, some(60))),
            (&[("ratelimit-policy", r#""only";q=5;w=1"#)], ("only", some(5), some(1), None, None, None)),
        ] {
            let (name, quota, window, remaining, reset, after) = expected;
            let expected = Some((name.to_owned(), quota, window, remaining, reset, after));
            assert_eq!(told(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for headers in [
            &[][..],
            &[("ratelimit", "")],
            &[("ratelimit", ",,;;")],
            &[("retry-after", "soon")],
            &[("retry-after", "+5")],
            &[("retry-after", "-5")],
            &[("ratelimit", "limit=99999999999")],
        ] {
            assert_eq!(told(headers), None, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_left_out(
            values in prop::collection::vec(("[ -~]{0,40}", 0usize..8), 0..6),
            unix in any::<u64>(),
        ) {
            let names = ["ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining",
                "ratelimit-reset", "x-ratelimit-limit", "x-ratelimit-reset", "retry-after"];
            let mut headers = HeaderMap::new();
            for (value, name) in values {
                headers.append(names[name], value.parse().unwrap());
            }
            let _ = Limit::told(&headers, unix);
        }

        #[test]
        fn near_misses_of_the_real_resource_are_read_or_left_out(
            value in r#"("[a-z;,\\"]{0,4}"?|[a-z]{1,9}=?)(;[a-z]{0,2}(=("[,;]"|-?[0-9]{0,11}|:[a-z]*:?))?){0,3}(, ?"[a-z]";r=[0-9]{1,2})?"#,
        ) {
            let mut headers = HeaderMap::new();
            headers.append("ratelimit", value.parse().unwrap());
            headers.append("ratelimit-policy", value.parse().unwrap());
            let _ = Limit::told(&headers, 0);
        }

        #[test]
        fn what_is_said_by_the_draft_is_what_is_read(
            name in "[a-z][a-z-]{0,20}", q in any::<u32>(), w in any::<u32>(), r in any::<u32>(), t in any::<u32>(),
        ) {
            let mut headers = HeaderMap::new();
            headers.append("ratelimit", format!("\"{name}\";r={r};t={t}").parse().unwrap());
            headers.append("ratelimit-policy", format!("\"{name}\";q={q};w={w}").parse().unwrap());
            let limit = Limit::told(&headers, 0).unwrap();
            prop_assert_eq!(limit.name.as_str(), name);
            prop_assert_eq!((limit.quota, limit.window), (Some(q), Some(w)));
            prop_assert_eq!((limit.remaining, limit.reset), (Some(r), Some(t)));
        }
    }
}
