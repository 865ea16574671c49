//! `expect` as written: which HTTP responses are successful.

use crate::formats::SIZE;
use crate::keys::keys;
use crate::kind::list::{OneOrList, filled_list, map};
use crate::kind::scalar::{Scalar, duration, integer};
use crate::kind::string::{Format, Text, format};
use crate::kind::table::{Table, made};
use crate::parse::scalar;
use crate::raw::request::any_header_name;
use crate::suggest::shown;
use crate::value_error::ValueError;
use regex::RegexBuilder;
use serde_json_path::JsonPath;
use std::collections::BTreeMap;
use std::time::Duration;
use types::config::Expect;

/// Largest body that is read to be searched.
const BODY_MAX: u64 = 8 << 20;
/// Largest compiled regular expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Longest JSONPath.
const JSON_PATH_MAX: usize = 500;

const PATTERN: Format<String> = format("a regular expression", None, |text, _| pattern(text));
/// A text that may be empty.
const PART: Format<String> = format("a string", None, |text, _| match text.is_empty() {
    true => Ok(String::new()),
    false => scalar::text(text),
});

keys! {
    for Expect {
        /// Accepted status codes.
        status: Vec<u16> = filled_list(integer::<u16>(100, 599)), otherwise "any 2xx", example "[200, 204]";
        /// Headers that the response must have, each with a text that its value contains, in upper or lower case; `""` for any value.
        headers: BTreeMap<String, String> = map("header", any_header_name, PART), otherwise "none",
            example r#"{ Content-Type = "application/json" }"#;
        /// Text that the response body must contain.
        body_contains: Option<String> = Text, otherwise "nothing", example r#""ok""#;
        /// Text that the response body must not contain, or a list of such texts.
        body_lacks: Vec<String> = OneOrList(Text), otherwise "nothing", example r#"["Fatal error", "HACKED"]"#;
        /// Regular expression that the response body must match somewhere. `(?i)` at its beginning ignores upper and lower case,
        /// `(?s)` lets `.` match line ends.
        body_matches: Option<String> = PATTERN, otherwise "anything", example r#"'version: [0-9]+'"#;
        /// Values of a JSON body by JSONPath (RFC 9535). Where a path selects several values, all of them must be equal to it.
        json: BTreeMap<String, types::config::Scalar> = map("JSONPath", json_path, Scalar), otherwise "anything",
            example r#"{ "$.db" = "up" }"#;
        /// Least size of the body.
        min_size: Option<u64> = SIZE, otherwise "none", example r#""1B""#;
        /// Largest size of the body, 8 MiB at most.
        max_size: Option<u64> = BODY_SIZE, otherwise "none", example r#""512KB""#;
        /// A slower response is a fault.
        max_latency: Option<Duration> = duration(Duration::from_millis(1), Duration::from_secs(120)),
            otherwise "the timeout", example r#""2s""#;
    } ..default
}

/// `expect`, with checks across its keys.
pub(crate) const EXPECT: Table<Expect, Expect> = made(|expect: Expect, written, context| {
    if let (Some(min), Some(max)) = (expect.min_size, expect.max_size)
        && min > max
    {
        context.diagnostics.error(
            written.key_place("min_size"),
            "`min_size` is larger than `max_size`",
            "no body can be both: change one of them",
        );
    }
    Some(expect)
});

const BODY_SIZE: Format<u64> =
    format("a size: \"512KB\"", None, |text, _| {
        crate::parse::size::size(text).and_then(|size| match size <= BODY_MAX {
            true => Ok(size),
            false => Err(ValueError::new(format!("`{}` is more than is read of a body", shown(text)))
                .hint("8MiB at most")),
        })
    });

fn pattern(text: &str) -> Result<String, ValueError> {
    if text.is_empty() {
        return Err(ValueError::new("the regular expression is empty"));
    }
    match RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            // The library draws the place over several lines; the last one says what is wrong.
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(ValueError::new(format!("`{}` is not a regular expression: {why}", shown(text)))
                .hint("single quotes keep backslashes: body_matches = '[0-9]+\\.[0-9]+'"))
        }
    }
}

fn json_path(text: &str) -> Result<String, ValueError> {
    let hint = "a path begins with $: \"$.db\", \"$.checks[0].status\"";
    if text.len() > JSON_PATH_MAX {
        return Err(ValueError::new("the JSONPath is too long").hint(hint));
    }
    match JsonPath::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(ValueError::new(match error.message() {
            // A message without content.
            "parser error" => format!("`{}` is not a JSONPath", shown(text)),
            why => format!("`{}` is not a JSONPath: {why} (character {})", shown(text), error.position() + 1),
        })
        .hint(hint)),
    }
}
