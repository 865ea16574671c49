//! One verdict for the signals of an incident.

use super::judgement::Judgement;
use types::effect::Verdict;

/// The placebo share below which one of several signals suffices, divided by their number.
const CHANCE: f64 = 0.05;

/// Combines the judgements of an incident's signals, the leading one first.
///
/// Signals without data say nothing, and neither do those that could not have improved, or become worse. Half of the others must agree, or one must be clear enough for the number of signals
/// (Bonferroni): more signals must not mean more false effects. Where one helped and another became worse, the leading
/// one of them decides: a fix that trades latency for failures is judged by what the incident is about.
#[must_use]
pub fn combine(judgements: &[Judgement]) -> Verdict {
    let judged: Vec<&Judgement> =
        judgements.iter().filter(|one| !matches!(one.verdict, Verdict::NoData | Verdict::TooEarly)).collect();
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
                    before: None,
                    after: None,
                    chance,
                })
                .collect();
            assert_eq!(combine(&judgements), expected, "{signals:?}");
        }
    }

    #[test]
    fn signals_that_were_well_before_do_not_deny_that_another_was_helped() {
        let share = |verdict, before| Judgement {
            verdict,
            measure: Measure::FailureShare,
            before: Some(before),
            after: Some(0.0),
            chance: if verdict == NoEffect { 0.5 } else { 0.03 },
        };
        let slow = |verdict| Judgement { measure: Measure::Latency { ceiling: None }, ..share(verdict, 2.4) };
        let well = share(NoEffect, 0.0);
        assert_eq!(combine(&[well, well, well, slow(Helped)]), Helped);
        assert_eq!(combine(&[well, share(NoEffect, 0.3), share(NoEffect, 0.3), slow(Helped)]), NoEffect);
        assert_eq!(combine(&[well, well, well, slow(MadeItWorse)]), NoEffect, "they could have become worse");
        let down = share(NoEffect, 1.0);
        assert_eq!(combine(&[down, down, slow(MadeItWorse)]), MadeItWorse);
    }
}
