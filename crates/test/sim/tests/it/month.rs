//! The ordinary month: healthy all the time, with everything that a team does.

use sim::month::{DAYS, Month};
use std::ops::Range;

/// Days with the most in them: two deploys, servers that are added; a hurried deploy; the second replica; the planned
/// change of the primary; the report of the month's end.
const SAMPLE: [Range<u64>; 5] = [8..9, 16..17, 20..21, 23..24, 29..30];

fn run(seed: u64, days: Range<u64>, fault: bool) -> sim::month::Outcome {
    Month { seed, days, fault }.run().unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn ordinary_days_of_a_month_page_no_one_and_claim_nothing() {
    for (seed, days) in (1..).zip(SAMPLE) {
        let outcome = run(seed, days.clone(), false);
        assert!(outcome.is_quiet(), "days {days:?}: {outcome}");
        assert!(outcome.changes > 0, "days {days:?}: {outcome}");
        assert_eq!(outcome.announced.len(), usize::from(days == (23..24)), "days {days:?}: {outcome}");
    }
}

#[test]
fn shrinking_pool_in_the_same_month_is_paged_published_and_its_fix_helped() {
    let outcome = run(1, DAYS - 1..DAYS, true);
    assert!(!outcome.pages.is_empty() && !outcome.public.is_empty(), "{outcome}");
    assert!(outcome.effects.iter().any(|effect| effect.contains("helped")), "{outcome}");
    assert_eq!(outcome.incidents.len(), 1, "{outcome}");
}
