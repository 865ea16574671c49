//! `[[service.NAME.traffic.cache]]` as written: the paths whose responses the edge keeps.

use crate::diagnostics::{Diagnostics, Place};
use crate::formats::{PATH_PATTERN, SIZE, WEEK};
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::{Span, duration};
use crate::kind::string::{Format, format};
use crate::kind::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::config::CacheRule;

/// More rules of one service than this are a mistake: each request is compared with them.
const RULES_MAX: usize = 64;
/// Shares of the cache that one response may take: it would displace too many others.
const SHARE_MIN: u64 = 4;

const FIELD: Format<String> = format("a request header: \"accept-language\"", None, |text, _| field(text));
const AGE: Span = duration(Duration::ZERO, Duration::from_secs(52 * WEEK.as_secs()));

keys! {
    for CacheRule {
        /// Path, or all paths below one. The first rule that matches applies. Responses that are private by the rules of HTTP
        /// (RFC 9111), or that set a cookie, are never stored.
        path: String = PATH_PATTERN, required, example r#""/.well-known/openid-configuration""#;
        /// Freshness lifetime of a response that declares none (no `max-age`, `s-maxage` or `Expires`). Not for requests with
        /// cookies.
        max_age: Duration = AGE, default Duration::ZERO => "0s: validated with the servers every time", example r#""60s""#;
        /// For this long after its freshness lifetime a response is served stale while it is refreshed in the background. A
        /// response's own `stale-while-revalidate` takes precedence.
        stale_while_revalidate: Duration = AGE, default Duration::ZERO => "0s: never", example r#""30s""#;
        /// For this long after its freshness lifetime a response is served stale while the servers are down, overloaded or answer
        /// 500, 502, 503 or 504; never one with `must-revalidate` or `no-cache`. A response's own `stale-if-error` takes
        /// precedence.
        stale_if_error: Duration = AGE, default CacheRule::STALE_IF_ERROR, example r#""24h""#;
        /// Maximum size of a body that is stored; at most a quarter of `edge.cache_size`.
        max_size: u64 = SIZE, default CacheRule::MAX_SIZE => "1MB", example r#""1MB""#;
        /// Request headers by which responses are kept apart, besides those that a response names in `Vary`.
        vary: Vec<String> = list(FIELD), otherwise "none", example r#"["accept-language"]"#;
    }
}

/// Reports rules that never apply, too many of them, and sizes beyond a share of the cache.
pub(crate) fn check(rules: &[At<CacheRule>], cache_size: u64, diagnostics: &mut Diagnostics) {
    if let Some(beyond) = rules.get(RULES_MAX) {
        let message = format!("`cache` has {} rules; the maximum is {RULES_MAX}", rules.len());
        diagnostics.error(beyond.place.clone(), message, "use patterns: path = \"/static/*\"");
    }
    for (at, rule) in rules.iter().enumerate().take(RULES_MAX) {
        let path = &rule.value.path;
        if let Some(earlier) = rules[..at].iter().find(|earlier| covers(&earlier.value.path, path)) {
            let message =
                format!("`{}` is never used: `{}` matches first", shown(path), shown(&earlier.value.path));
            diagnostics.conflict(rule.place.clone(), message, "put the more specific path first");
        }
        let most = cache_size / SHARE_MIN;
        if rule.value.max_size > most {
            let message = format!("`max_size` is more than a quarter of `edge.cache_size`, {most} bytes");
            diagnostics.conflict(
                rule.place.clone(),
                message,
                "a larger [edge] cache_size, or a smaller max_size",
            );
        }
    }
}

/// Whether every path of `path` matches `earlier`.
fn covers(earlier: &str, path: &str) -> bool {
    earlier == path || earlier.strip_suffix('*').is_some_and(|above| path.starts_with(above))
}

/// A rule with the position of its path.
pub(crate) fn placed(rule: CacheRule, place: Place) -> At<CacheRule> {
    At { value: rule, place }
}

/// Parses the name of a request header that responses may vary by.
pub(crate) fn field(text: &str) -> Result<String, ValueError> {
    let name = text.trim().to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) {
        return Err(ValueError::new(format!("`{}` is not the name of a header", shown(text))));
    }
    if matches!(name.as_str(), "cookie" | "authorization") {
        return Err(ValueError::new(format!("`{name}` differs for each person: nothing would be shared"))
            .hint("remove it; name headers that many requests share"));
    }
    Ok(name)
}
