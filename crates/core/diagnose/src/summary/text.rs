//! Parts of summaries: times, numbers, lists, and forms of verbs.

use jiff::ZonedDateTime;
use std::time::Duration;
use text::list;
use types::Time;
use types::time::{formatted, spoken};

/// Tense of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tense {
    Is,
    Was,
}

/// `15:28 EET`, with the date when it is another day.
pub(super) fn clock(at: Time, now: &ZonedDateTime) -> String {
    let zone = now.time_zone();
    let pattern =
        if at.to_zoned_datetime(zone.clone()).date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    formatted(at, zone, pattern)
}

pub(super) fn at_time(at: Time, now: &ZonedDateTime) -> String {
    let zone = now.time_zone();
    let pattern = if at.to_zoned_datetime(zone.clone()).date() == now.date() {
        "at %H:%M"
    } else {
        "on %Y-%m-%d at %H:%M"
    };
    formatted(at, zone, pattern)
}

pub(super) fn on_day(at: Time, now: &ZonedDateTime) -> String {
    format!("on {}", at.to_zoned_datetime(now.time_zone().clone()).date())
}

/// `a, b, c`; of more than three `a, b and 3 more`.
pub(super) fn listed(names: &[&str]) -> String {
    list::commas_or_more(names, 3)
}

/// A duration, without seconds from ten minutes on.
pub(super) fn rounded(span: Duration) -> String {
    let secs = span.as_secs();
    spoken(Duration::from_secs(if secs < 600 { secs } else { secs - secs % 60 }))
}

/// Verbs in singular, plural and past.
const VERBS: [(&str, &str, &str); 26] = [
    ("is", "are", "was"),
    ("has", "have", "had"),
    ("serves", "serve", "served"),
    ("refuses", "refuse", "refused"),
    ("answers", "answer", "answered"),
    ("cannot", "cannot", "could not"),
    ("does not", "do not", "did not"),
    ("fails", "fail", "failed"),
    ("closes", "close", "closed"),
    ("exceeds", "exceed", "exceeded"),
    ("violates", "violate", "violated"),
    ("times out", "time out", "timed out"),
    ("resolves", "resolve", "resolved"),
    ("receives", "receive", "received"),
    ("rate-limits", "rate-limit", "rate-limited"),
    ("presents", "present", "presented"),
    ("redirects", "redirect", "redirected"),
    ("restarts", "restart", "restarted"),
    ("sends", "send", "sent"),
    ("executes", "execute", "executed"),
    ("keeps", "keep", "kept"),
    ("uses", "use", "used"),
    ("hangs", "hang", "hung"),
    ("will", "will", "would"),
    ("could", "could", "could"),
    ("was", "were", "had been"),
];

/// A predicate in the plural.
pub(super) fn plural(predicate: &str) -> String {
    with_verb(predicate, |(_, several, _)| several)
}

/// A predicate in a tense.
pub(super) fn in_tense(predicate: &str, tense: Tense) -> String {
    match tense {
        Tense::Is => predicate.to_owned(),
        Tense::Was => with_verb(predicate, |(_, _, past)| past),
    }
}

/// A predicate in the past, in the plural.
pub(super) fn plural_past(predicate: &str) -> String {
    match predicate.strip_prefix("was ") {
        Some(rest) => format!("were {rest}"),
        None => predicate.to_owned(),
    }
}

fn with_verb(
    predicate: &str,
    form: impl Fn((&'static str, &'static str, &'static str)) -> &'static str,
) -> String {
    for verb in VERBS {
        if let Some(rest) =
            predicate.strip_prefix(verb.0).filter(|rest| rest.starts_with([' ', ',']) || rest.is_empty())
        {
            return format!("{}{rest}", form(verb));
        }
    }
    predicate.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_have_plural_and_past() {
        for (one, several, past) in [
            ("refuses connections", "refuse connections", "refused connections"),
            ("answers with status 502", "answer with status 502", "answered with status 502"),
            ("times out (connect)", "time out (connect)", "timed out (connect)"),
            ("does not resolve", "do not resolve", "did not resolve"),
            ("cannot be reached: x", "cannot be reached: x", "could not be reached: x"),
            ("was deleted", "were deleted", "had been deleted"),
            ("is not registered", "are not registered", "was not registered"),
        ] {
            assert_eq!(plural(one), several);
            assert_eq!(in_tense(one, Tense::Was), past);
        }
    }
}
