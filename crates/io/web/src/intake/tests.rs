//! Hostile bodies: every format answers with a change, a refusal or nothing to do, and never ends the process.

use super::{Reported, github, gitlab, own, pagerduty};
use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use types::change::{LINK_MAX, TITLE_MAX};

fn headers(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
}

fn all(body: &[u8]) -> Vec<Result<Reported, Problem>> {
    vec![
        own::read(body, Some("key")),
        pagerduty::read(body).map(|(_, reported)| reported),
        github::read(&headers("x-github-event", "deployment"), body),
        github::read(&headers("x-github-event", "deployment_status"), body),
        gitlab::read(&headers("x-gitlab-event", "Deployment Hook"), body),
    ]
}

/// What is recorded is bounded and has no control characters.
fn check(body: &[u8]) -> usize {
    let mut changes = 0;
    for reported in all(body).into_iter().flatten() {
        let Reported::Change { new, .. } = reported else { continue };
        changes += 1;
        assert!(!new.title.is_empty() && new.title.chars().count() <= TITLE_MAX, "{:?}", new.title);
        assert!(!new.title.chars().any(char::is_control), "{:?}", new.title);
        assert!(new.link.is_none_or(|link| link.len() <= LINK_MAX && link.starts_with("http")));
        assert!(new.key.is_none_or(|key| key.len() <= 200));
    }
    changes
}

fn documented() -> Vec<Value> {
    [
        include_str!("../../tests/fixtures/intake/github-deployment.json"),
        include_str!("../../tests/fixtures/intake/github-deployment-status.json"),
        include_str!("../../tests/fixtures/intake/gitlab-deployment.json"),
        include_str!("../../tests/fixtures/intake/pagerduty-change.json"),
        r#"{"title":"deploy auth","service":"auth","by":"ana","link":"https://ci.acme.net/7"}"#,
    ]
    .iter()
    .map(|text| serde_json::from_str(text).unwrap())
    .collect()
}

/// Replaces the n-th value of a document, counted in depth.
fn replace(value: &mut Value, n: &mut usize, with: &Value) {
    if *n == 0 {
        *value = with.clone();
    }
    *n = n.wrapping_sub(1);
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, n, with)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, n, with)),
        _ => {}
    }
}

#[test]
fn documented_bodies_are_changes() {
    for body in documented() {
        assert!(check(body.to_string().as_bytes()) >= 1, "{body}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(check(&body), 0);
    }

    #[test]
    fn documented_bodies_with_one_odd_value_never_panic(
        which in 0..5_usize,
        at in 0..60_usize,
        text in "\\PC{0,40}|[\\x00-\\x1f\u{202e}\u{ffff}]{0,9}|x{500}",
        kind in 0..6_u8,
    ) {
        let with = match kind {
            0 => Value::Null,
            1 => json!(-1.5e300),
            2 => json!([[[text]]]),
            3 => json!({ "a": { "b": text } }),
            4 => json!(u64::MAX),
            _ => json!(text),
        };
        let mut body = documented().remove(which);
        replace(&mut body, &mut at.clone(), &with);
        check(body.to_string().as_bytes());
    }

    #[test]
    fn cut_bodies_never_panic(which in 0..5_usize, end in 0..3_000_usize) {
        let body = documented().remove(which).to_string();
        check(body.as_bytes().get(..end).unwrap_or_default());
    }
}
