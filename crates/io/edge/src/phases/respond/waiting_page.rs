//! The page for people whom the valve of a service holds out. It asks again by itself, without a script.

use super::body::Body;
use super::error_page;
use crate::phases::record::Completion;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::time::Duration;
use traffic::Held;

/// The style, which the policy allows by its digest.
const STYLE: &str = ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}code{font-size:.85em;overflow-wrap:anywhere}";
/// Nothing but that style: no script, no image, no form.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-60RQ4iGx4Q+H9EZiScz9ngrTNyvWoyRHFUHNVE1B6Wo='; base-uri 'none'; form-action 'none'",
);
const REFRESH: HeaderName = HeaderName::from_static("refresh");

const WAIT: &str = "Please wait a moment";
const STEP_BY_STEP: &str = "This site lets visitors in step by step at the moment, so that it works well for everybody who is let in. You need not do anything: this page asks again by itself and opens the site as soon as it is your turn.";
const LIMITED: &str = "Some features of this site are switched off at the moment, so that the most important ones work. This page asks again by itself and opens as soon as they are back.";
const UNKNOWN: &str = "The waiting time is not known yet.";

/// Returns the page: 503 with `Retry-After`, and `Refresh` after the same time, which has jitter.
pub(super) fn response(
    held: &Held,
    id: &str,
    mut headers: HeaderMap,
    completion: Completion,
) -> Response<Body> {
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    error_page::retry_after(&mut headers, held.retry_after);
    headers.insert(REFRESH, HeaderValue::from(error_page::whole_secs(held.retry_after)));
    let page = (StatusCode::SERVICE_UNAVAILABLE, error_page::HTML, html(held, id));
    error_page::own(page, id, headers, completion)
}

fn html(held: &Held, id: &str) -> String {
    let estimate = held.estimate.map_or_else(|| UNKNOWN.into(), spoken);
    let parts = [
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\"><title>",
        WAIT,
        "</title><style>",
        STYLE,
        "</style><main><h1>",
        WAIT,
        "</h1><p>",
        if held.limited { LIMITED } else { STEP_BY_STEP },
        "</p><p role=\"status\">",
        &*estimate,
        "</p><p><a href=\"\">Ask again now</a></p><p>If you report this, please include this id: <code>",
        id,
        "</code></p></main></html>\n",
    ];
    parts.concat()
}

/// An estimate for people: they need no seconds.
fn spoken(wait: Duration) -> std::borrow::Cow<'static, str> {
    match wait.as_secs().div_ceil(60) {
        0 | 1 => "Estimated waiting time: about a minute.".into(),
        minutes => format!("Estimated waiting time: about {minutes} minutes.").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn policy_allows_the_style_and_nothing_else() {
        let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
        let expected = format!("'sha256-{}'", STANDARD.encode(digest));
        assert!(POLICY.to_str().unwrap().contains(&expected), "{expected}");
    }

    #[test]
    fn page_has_the_estimate_where_there_is_one() {
        for (secs, limited, text) in [
            (None, false, UNKNOWN),
            (Some(20), false, "about a minute"),
            (Some(61), false, "about 2 minutes"),
            (Some(300), false, "about 5 minutes"),
            (None, true, "switched off"),
        ] {
            let held = Held {
                retry_after: Duration::from_secs(30),
                estimate: secs.map(Duration::from_secs),
                limited,
            };
            assert!(html(&held, "4bf9").contains(text), "{secs:?} {limited}");
        }
    }
}
