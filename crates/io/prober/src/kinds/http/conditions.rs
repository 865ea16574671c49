//! What a response has of that which is expected of it.

use super::body::BodyRead;
use super::head::Head;
use super::question::{JsonValue, Question};
use serde_json::Value;
use types::config::Scalar;
use types::fault::HttpFault;

/// Longest text of a response that a fault shows, in characters.
const SHOWN_MAX: usize = 100;
/// Headers that may hold secrets.
const SECRETIVE: [&str; 2] = ["set-cookie", "authorization"];

/// The expectations that a response does not meet, the most important first.
pub(super) fn unmet(question: &Question, head: &Head, body: &BodyRead) -> Vec<HttpFault> {
    let searched = body.searched.as_ref();
    let unwanted = searched.and_then(|searched| searched.unwanted.clone());
    let mut unmet: Vec<HttpFault> = unwanted.map(|text| HttpFault::BodyHas { text }).into_iter().collect();
    unmet.extend(sizes(question, body));
    unmet.extend(headers(question, head));
    if let Some(text) = searched.and_then(|searched| searched.text.as_deref()) {
        if let Some(pattern) = question.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            unmet.push(HttpFault::BodyMismatch { pattern: pattern.as_str().to_owned() });
        }
        unmet.extend(json(&question.json, text));
    }
    unmet
}

fn sizes(question: &Question, body: &BodyRead) -> Option<HttpFault> {
    let (min, max) = (question.expect.min_size, question.expect.max_size);
    let short = min.filter(|min| body.whole && body.bytes < *min);
    let long = max.filter(|max| body.bytes > *max);
    let short = short.map(|min| HttpFault::TooShort { got: body.bytes, min });
    short.or_else(|| long.map(|max| HttpFault::TooLong { max }))
}

fn headers(question: &Question, head: &Head) -> Vec<HttpFault> {
    let check = |(name, expected): (&String, &String)| {
        let values: Vec<String> =
            head.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        let Some(first) = values.first() else {
            return Some(HttpFault::HeaderMissing { name: name.clone() });
        };
        let wanted = expected.to_lowercase();
        if values.iter().any(|value| value.to_lowercase().contains(&wanted)) {
            return None;
        }
        let got = if SECRETIVE.contains(&name.as_str()) { "...".to_owned() } else { shortened(first) };
        Some(HttpFault::HeaderDiffers { name: name.clone(), expected: expected.clone(), got })
    };
    question.expect.headers.iter().filter_map(check).collect()
}

fn json(expected: &[JsonValue], text: &str) -> Vec<HttpFault> {
    if expected.is_empty() {
        return Vec::new();
    }
    let text = text.trim_start_matches('\u{feff}');
    let body: Value = match serde_json::from_str(text) {
        Ok(body) => body,
        Err(error) => return vec![HttpFault::NotJson { why: error.to_string() }],
    };
    let check = |value: &JsonValue| {
        let path = value.path.to_string();
        let selected = value.path.query(&body).all();
        if selected.is_empty() {
            return Some(HttpFault::JsonMissing { path });
        }
        let other = selected.into_iter().find(|got| !is_equal(got, &value.expected))?;
        let (expected, got) = (shown(&value.expected), shortened(&other.to_string()));
        Some(HttpFault::JsonDiffers { path, expected, got })
    };
    expected.iter().filter_map(check).collect()
}

/// Whether a value is the expected one. 3 and 3.0 are the same number.
fn is_equal(got: &Value, expected: &Scalar) -> bool {
    match (got, expected) {
        (Value::String(got), Scalar::Text(expected)) => got == expected,
        (Value::Bool(got), Scalar::Flag(expected)) => got == expected,
        (Value::Number(got), Scalar::Number(expected)) => {
            got.as_i64() == Some(*expected)
                || got.as_f64().is_some_and(|got| got.to_string() == expected.to_string())
        }
        _ => false,
    }
}

fn shown(expected: &Scalar) -> String {
    match expected {
        Scalar::Text(text) => Value::from(text.as_str()).to_string(),
        Scalar::Flag(flag) => flag.to_string(),
        Scalar::Number(number) => number.to_string(),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::http::body::Reader;
    use proptest::prelude::*;
    use types::config::{Expect, HttpRequest};

    fn faults(expect: &Expect, fields: &[(&str, &str)], body: &[u8]) -> String {
        let question = Question::new(&HttpRequest::default(), expect).unwrap();
        let mut head = Head::new(200);
        for (name, value) in fields {
            head.keep(name.as_bytes(), value.as_bytes(), expect);
        }
        let mut reader = Reader::new(&head, &question.expect);
        reader.pass(body);
        let read = reader.end(true);
        let unmet = unmet(&question, &head, &read);
        let open = read.searched.and_then(|searched| searched.unsearchable);
        unmet.iter().map(ToString::to_string).chain(open).collect::<Vec<_>>().join("; ")
    }

    fn with_json(path: &str, expected: Scalar) -> Expect {
        Expect { json: [(path.to_owned(), expected)].into(), ..Expect::default() }
    }

    #[test]
    fn json_values_are_compared() {
        let up = || Scalar::Text("up".to_owned());
        for (body, path, expected, text) in [
            ("{\"db\":\"up\"}", "$.db", up(), ""),
            ("\u{feff}{\"db\":\"up\"}", "$.db", up(), ""),
            ("{\"db\":\"down\"}", "$.db", up(), "answers with \"down\" at $.db instead of \"up\""),
            ("{\"db\":true}", "$.db", Scalar::Flag(true), ""),
            (
                "{\"db\":\"true\"}",
                "$.db",
                Scalar::Flag(true),
                "answers with \"true\" at $.db instead of true",
            ),
            ("{\"n\":3.0}", "$.n", Scalar::Number(3), ""),
            ("{\"n\":3.5}", "$.n", Scalar::Number(3), "answers with 3.5 at $.n instead of 3"),
            ("{}", "$.db", up(), "answers with JSON that has nothing at $.db"),
            (
                "[{\"s\":\"up\"},{\"s\":null}]",
                "$[*].s",
                up(),
                "answers with null at $[*].s instead of \"up\"",
            ),
            ("[]", "$[*].s", up(), "answers with JSON that has nothing at $[*].s"),
        ] {
            assert_eq!(faults(&with_json(path, expected), &[], body.as_bytes()), text, "{body}");
        }
        let page = faults(&with_json("$.db", up()), &[], b"<html>");
        assert!(page.starts_with("answers with a body that is not JSON: expected value"), "{page}");
    }

    #[test]
    fn headers_are_compared_by_a_part_of_their_value() {
        let expect = |value: &str| Expect {
            headers: [("x-cache".to_owned(), value.to_owned())].into(),
            ..Expect::default()
        };
        let fields = [("X-Cache", "MISS"), ("x-cache", "Hit from edge")];
        for (value, fields, text) in [
            ("hit", &fields[..], ""),
            ("", &fields, ""),
            (
                "stale",
                &fields,
                "answers with another header `x-cache` than expected: \"MISS\" instead of \"stale\"",
            ),
            ("", &[], "answers without the header `x-cache`"),
        ] {
            assert_eq!(faults(&expect(value), fields, b""), text);
        }
    }

    #[test]
    fn unwanted_texts_patterns_and_sizes_are_found() {
        let lacks =
            Expect { body_lacks: vec!["HACKED".to_owned(), "ransom".to_owned()], ..Expect::default() };
        assert_eq!(faults(&lacks, &[], b"all is well"), "");
        assert_eq!(
            faults(&lacks, &[], b"pay the ransom"),
            "answers with the text \"ransom\", which must not be there"
        );
        let matches = Expect { body_matches: Some("version: [0-9]+".to_owned()), ..Expect::default() };
        assert_eq!(faults(&matches, &[], b"version: 12"), "");
        assert_eq!(
            faults(&matches, &[], b"version: x"),
            "answers with a body that does not match version: [0-9]+"
        );
        let sized = Expect { min_size: Some(1), max_size: Some(4), ..Expect::default() };
        assert_eq!(faults(&sized, &[], b""), "answers with 0 bytes of body (minimum 1)");
        assert_eq!(faults(&sized, &[], b"12345"), "answers with more than 4 bytes of body");
        assert_eq!(faults(&sized, &[], b"1234"), "");
    }

    #[test]
    fn body_that_cannot_be_searched_is_not_missing_anything() {
        let coded = [("content-encoding", "compress")];
        let lacks = Expect { body_lacks: vec!["HACKED".to_owned()], ..Expect::default() };
        let open = "its content coding cannot be undone (compress)";
        assert_eq!(faults(&lacks, &coded, b"\x1f\x9d\xff\xff"), open);
        assert_eq!(faults(&with_json("$.db", Scalar::Flag(true)), &coded, b"\x1f\x9d\xff\xff"), open);
        // It is called compressed and is not.
        assert_eq!(faults(&lacks, &coded, b"all is well"), "");
        let large = vec![b' '; 3 << 20];
        assert_eq!(
            faults(&with_json("$.db", Scalar::Flag(true)), &[], &large),
            "it is larger than 2 MiB (size limit for JSON and regular expressions)"
        );
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}:\"0-9a,. ]{0,60}") {
            let expect = Expect { body_matches: Some("a+".to_owned()), ..with_json("$..a", Scalar::Number(1)) };
            for body in [body.as_slice(), text.as_bytes()] {
                let _ = faults(&expect, &[("content-encoding", "gzip")], body);
                let _ = faults(&expect, &[("content-type", "text/html; charset=utf-16")], body);
            }
        }
    }
}
