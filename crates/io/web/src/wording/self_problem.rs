//! Problems of mainstay itself.

use engine::views::{ClockJump, FailedAttempt, SelfProblem, Unreached};
use std::time::Duration;
use types::Time;
use types::time::spoken;

/// The text of a problem: one sentence.
pub(crate) fn text(problem: &SelfProblem) -> String {
    match problem {
        SelfProblem::ClockJumped(jump) => clock_jump(jump),
        SelfProblem::Unreached(unreached) => {
            let (incident, since) = (unreached.incident, unreached.since.strftime("%H:%M UTC"));
            let why = reason(unreached).unwrap_or_else(|| "nobody is on call".to_owned());
            format!("no contact could be reached about {incident} since {since} ({why})")
        }
        SelfProblem::JournalRefuses { error }
        | SelfProblem::ConfigNotInForce { error }
        | SelfProblem::EdgeDiffers { error }
        | SelfProblem::ResolverLineUnused { error } => error.clone(),
        SelfProblem::ProbesLate { p99 } => {
            let p99 = match p99.as_secs() {
                0 => format!("{} ms", p99.as_millis()),
                _ => spoken(*p99),
            };
            format!(
                "probes run late, p99 {p99}: this machine cannot keep up with the configuration, and outages are detected later"
            )
        }
    }
}

/// Channel and reason of the last failed attempt; `None` when no one is on call.
pub(crate) fn reason(unreached: &Unreached) -> Option<String> {
    unreached.failed.as_ref().map(|FailedAttempt { channel, why, .. }| format!("{channel}: {why}"))
}

fn clock_jump(jump: &ClockJump) -> String {
    let clock = |at: Time| at.strftime("%Y-%m-%d %H:%M UTC");
    let began = format!("the clock of this machine jumped {} at {}", ahead(jump.by_ms), clock(jump.at));
    match &jump.end {
        None => format!("{began} and is not confirmed: deadlines follow monotonic time"),
        Some(end) if end.confirmed => format!("{began}; confirmed at {}", clock(end.at)),
        Some(end) => format!("{began} and returned at {}", clock(end.at)),
    }
}

/// `1 h ahead`, `20 years back`.
fn ahead(by_ms: i64) -> String {
    let span = Duration::from_millis(by_ms.unsigned_abs());
    let year = 365 * 86_400;
    let years = (span.as_secs() + year / 2) / year;
    let span = if years >= 2 { format!("{years} years") } else { spoken(span) };
    format!("{span} {}", if by_ms < 0 { "back" } else { "ahead" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::views::ClockJumpEnd;
    use types::IncidentId;

    fn at(time: &str) -> Time {
        format!("2026-11-22T{time}Z").parse().unwrap()
    }

    #[test]
    fn step_text_has_size_and_direction() {
        for (by_ms, words) in [
            (3_600_000, "1 h ahead"),
            (-50_400_000, "14 h back"),
            (20 * 365 * 86_400_000, "20 years ahead"),
            (6_000 - 20 * 365 * 86_400_000, "20 years back"),
            (-6_000, "6 s back"),
        ] {
            assert_eq!(ahead(by_ms), words);
        }
    }

    #[test]
    fn every_problem_has_a_sentence() {
        let jump = |end: Option<bool>| {
            let end = end.map(|confirmed| ClockJumpEnd { at: at("04:30:00"), confirmed });
            SelfProblem::ClockJumped(ClockJump { at: at("04:16:00"), by_ms: 3_600_000, end })
        };
        let unreached = Unreached { incident: IncidentId(7), since: at("04:16:00"), failed: None };
        for (problem, expected) in [
            (
                jump(None),
                "the clock of this machine jumped 1 h ahead at 2026-11-22 04:16 UTC and is not confirmed: deadlines follow monotonic time",
            ),
            (
                jump(Some(true)),
                "the clock of this machine jumped 1 h ahead at 2026-11-22 04:16 UTC; confirmed at 2026-11-22 04:30 UTC",
            ),
            (
                jump(Some(false)),
                "the clock of this machine jumped 1 h ahead at 2026-11-22 04:16 UTC and returned at 2026-11-22 04:30 UTC",
            ),
            (
                SelfProblem::Unreached(unreached),
                "no contact could be reached about incident-7 since 04:16 UTC (nobody is on call)",
            ),
            (SelfProblem::JournalRefuses { error: "the disk is full".to_owned() }, "the disk is full"),
            (
                SelfProblem::ProbesLate { p99: Duration::from_millis(900) },
                "probes run late, p99 900 ms: this machine cannot keep up with the configuration, and outages are detected later",
            ),
            (
                SelfProblem::ProbesLate { p99: Duration::from_secs(12) },
                "probes run late, p99 12 s: this machine cannot keep up with the configuration, and outages are detected later",
            ),
        ] {
            assert_eq!(text(&problem), expected);
        }
    }
}
