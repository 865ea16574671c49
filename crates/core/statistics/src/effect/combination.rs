//! One verdict for the signals of an incident.

use super::judgement::Judgement;
use types::effect::Verdict;

/// The placebo share below which one of several signals suffices, divided by their number.
const CHANCE: f64 = 0.05;

/// Combines the judgements of an incident's signals, the leading one first: what its users see, and everything else.
///
/// What users see decides, where it was bad before the change or became so; that a database answers quicker is no help as long as
/// they wait. Otherwise all signals decide together.
#[must_use]
pub fn combine(users: &[Judgement], others: &[Judgement]) -> Verdict {
    let seen = agreed(users);
    let was_bad = users.iter().any(|one| has_data(one) && one.could_be(Verdict::Helped));
    if was_bad || matches!(seen, Verdict::Helped | Verdict::MadeItWorse) {
        return seen;
    }
    agreed(&[users, others].concat())
}

fn has_data(one: &Judgement) -> bool {
    one.verdict.is_known()
}

/// The verdict of several signals.
///
/// Signals without data say nothing, and neither do those that could not have improved, or become worse. Half of the others
/// must agree, or one must be clear enough for the number of signals (Bonferroni): more signals must not mean more false effects.
/// Where one helped and another became worse, the leading one of them decides: a fix that trades latency for failures is judged by
/// what the incident is about.
fn agreed(judgements: &[Judgement]) -> Verdict {
    let judged: Vec<&Judgement> = judgements.iter().filter(|one| has_data(one)).collect();
    if judged.is_empty() {
        let early = judgements.iter().any(|one| one.verdict == Verdict::TooEarly);
        return if early { Verdict::TooEarly } else { Verdict::NoData };
    }
    let holds = |verdict: Verdict| {
        let able: Vec<_> = judged.iter().filter(|one| one.could_be(verdict)).collect();
        let agreeing: Vec<_> = able.iter().filter(|one| one.verdict == verdict).collect();
        #[expect(clippy::cast_precision_loss, reason = "a few signals")]
        let clear = CHANCE / able.len() as f64;
        !agreeing.is_empty()
            && (agreeing.len() * 2 >= able.len() || agreeing.iter().any(|one| one.chance < clear))
    };
    match (holds(Verdict::Helped), holds(Verdict::MadeItWorse)) {
        (true, false) => Verdict::Helped,
        (false, true) => Verdict::MadeItWorse,
        (false, false) => Verdict::NoEffect,
        (true, true) => {
            let leading = judged.iter().find(|one| one.verdict != Verdict::NoEffect);
            leading.map_or(Verdict::NoEffect, |one| one.verdict)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judgement::Measure;
    use super::*;
    use Verdict::{Helped, MadeItWorse, NoData, NoEffect, TooEarly};

    #[test]
    fn signals_combine() {
        let cases: [(&[(Verdict, f64)], Verdict); 10] = [
            (&[], NoData),
            (&[(NoData, 1.0)], NoData),
            (&[(TooEarly, 1.0), (NoData, 1.0)], TooEarly),
            (&[(NoData, 1.0), (Helped, 0.04)], Helped),
            (&[(TooEarly, 1.0), (NoEffect, 0.4)], NoEffect),
            (&[(Helped, 0.04), (NoEffect, 0.4), (NoEffect, 0.6)], NoEffect),
            (&[(NoEffect, 0.4), (Helped, 0.005), (NoEffect, 0.6)], Helped),
            (&[(Helped, 0.04), (Helped, 0.04), (NoEffect, 0.6), (NoEffect, 0.6)], Helped),
            (&[(MadeItWorse, 0.01), (Helped, 0.01)], MadeItWorse),
            (&[(NoEffect, 0.01), (Helped, 0.005), (MadeItWorse, 0.005)], Helped),
        ];
        for (signals, expected) in cases {
            let judgements: Vec<Judgement> = signals
                .iter()
                .map(|&(verdict, chance)| Judgement {
                    verdict,
                    measure: Measure::FailureShare,
                    usual: None,
                    before: None,
                    after: None,
                    chance,
                })
                .collect();
            assert_eq!(agreed(&judgements), expected, "{signals:?}");
        }
    }

    #[test]
    fn signals_that_were_well_before_do_not_deny_that_another_was_helped() {
        let share = |verdict, before| Judgement {
            verdict,
            measure: Measure::FailureShare,
            usual: Some(0.0),
            before: Some(before),
            after: Some(0.0),
            chance: if verdict == NoEffect { 0.5 } else { 0.03 },
        };
        let slow = |verdict| Judgement { measure: Measure::Latency { ceiling: None }, ..share(verdict, 2.4) };
        let well = share(NoEffect, 0.0);
        assert_eq!(agreed(&[well, well, well, slow(Helped)]), Helped);
        assert_eq!(agreed(&[well, share(NoEffect, 0.3), share(NoEffect, 0.3), slow(Helped)]), NoEffect);
        assert_eq!(agreed(&[well, well, well, slow(MadeItWorse)]), NoEffect, "they could have become worse");
        let down = share(NoEffect, 1.0);
        assert_eq!(agreed(&[down, down, slow(MadeItWorse)]), MadeItWorse);
    }

    #[test]
    fn what_users_see_decides() {
        let one = |measure, verdict, usual, before| Judgement {
            verdict,
            measure,
            usual: Some(usual),
            before: Some(before),
            after: Some(usual),
            chance: if verdict == NoEffect { 0.5 } else { 0.03 },
        };
        let failures = |verdict, before| one(Measure::FailureShare, verdict, 0.0, before);
        let latency = |verdict, before| one(Measure::Latency { ceiling: None }, verdict, 0.1, before);
        let well = [failures(NoEffect, 0.0), latency(NoEffect, 0.11)];
        let slower = [failures(NoEffect, 0.0), latency(MadeItWorse, 0.11)];
        let failing = [failures(NoEffect, 0.4), latency(NoEffect, 0.11)];
        let quicker = [latency(Helped, 0.8)];
        for (users, others, expected) in [
            (&well, &quicker[..], Helped),
            (&well, &[], NoEffect),
            (&well, &[latency(Helped, 0.13)], NoEffect),
            (&slower, &quicker, MadeItWorse),
            (&slower, &[latency(NoEffect, 0.8); 4], MadeItWorse),
            (&failing, &quicker, NoEffect),
        ] {
            assert_eq!(combine(users, others), expected, "{users:?} {others:?}");
        }
        assert_eq!(combine(&[], &quicker), Helped);
        assert_eq!(combine(&[failures(NoData, 0.4)], &quicker), Helped);
    }
}
