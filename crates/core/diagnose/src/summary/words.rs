//! The words that sentences are made of: times, numbers, lists, and verbs in their forms.

use jiff::Zoned;
use std::time::Duration;
use text::list;
use types::Time;
use types::time::{formatted, spoken};

/// Whether something is so or was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tense {
    Is,
    Was,
}

/// `15:28 EET`, with the day when that is another one.
pub(super) fn clock(at: Time, now: &Zoned) -> String {
    let zone = now.time_zone();
    let pattern = if at.to_zoned(zone.clone()).date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    formatted(at, zone, pattern)
}

pub(super) fn at_time(at: Time, now: &Zoned) -> String {
    let zone = now.time_zone();
    let pattern =
        if at.to_zoned(zone.clone()).date() == now.date() { "at %H:%M" } else { "on %Y-%m-%d at %H:%M" };
    formatted(at, zone, pattern)
}

pub(super) fn on_day(at: Time, now: &Zoned) -> String {
    format!("on {}", at.to_zoned(now.time_zone().clone()).date())
}

/// `1 name`, `6 names`; nothing for none.
pub(super) fn counted(number: usize, word: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    }
}

/// `a, b, c`; of more than three `a, b and 3 more`.
pub(super) fn listed(names: &[&str]) -> String {
    list::commas_or_more(names, 3)
}

/// A long span without its seconds.
pub(super) fn rounded(span: Duration) -> String {
    let secs = span.as_secs();
    spoken(Duration::from_secs(if secs < 600 { secs } else { secs - secs % 60 }))
}

/// Verbs as they are said of one, of several, and afterwards.
const VERBS: [(&str, &str, &str); 14] = [
    ("is", "are", "was"),
    ("has", "have", "had"),
    ("serves", "serve", "served"),
    ("refuses", "refuse", "refused"),
    ("answers", "answer", "answered"),
    ("cannot", "cannot", "could not"),
    ("does not", "do not", "did not"),
    ("fails", "fail", "failed"),
    ("breaks", "break", "broke"),
    ("redirects", "redirect", "redirected"),
    ("sends", "send", "sent"),
    ("leads", "lead", "led"),
    ("could", "could", "could"),
    ("was", "were", "had been"),
];

/// A predicate as it is said of several things.
pub(super) fn plural(predicate: &str) -> String {
    with_verb(predicate, |(_, several, _)| several)
}

/// A predicate in its tense.
pub(super) fn said(predicate: &str, tense: Tense) -> String {
    match tense {
        Tense::Is => predicate.to_owned(),
        Tense::Was => {
            with_verb(predicate, |(_, _, then)| then).replace(", but takes longer", ", but took longer")
        }
    }
}

/// What was so of one, said of several.
pub(super) fn were(predicate: &str) -> String {
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
    fn predicates_are_said_of_several_and_afterwards() {
        for (one, several, then) in [
            ("refuses connections", "refuse connections", "refused connections"),
            ("answers with status 502", "answer with status 502", "answered with status 502"),
            (
                "answers, but takes longer than 9 ms",
                "answer, but takes longer than 9 ms",
                "answered, but took longer than 9 ms",
            ),
            (
                "does not answer within the time limit",
                "do not answer within the time limit",
                "did not answer within the time limit",
            ),
            ("cannot be reached: x", "cannot be reached: x", "could not be reached: x"),
            ("was deleted", "were deleted", "had been deleted"),
            ("is not registered", "are not registered", "was not registered"),
        ] {
            assert_eq!(plural(one), several);
            assert_eq!(said(one, Tense::Was), then);
        }
    }
}
