//! The effect of a change: did the fix help?
//!
//! The shift is the Hodges-Lehmann estimate: the median of all differences between a logarithm after the change and one before
//! it. Latency is autocorrelated, so a test that assumes independent points says "it worked" far too often (Mann-Whitney and
//! Welch: 18 to 19 %). Here the shift is compared with placebo shifts: the same estimate at moments of the series' own
//! past at which nothing was changed. `p` is the share of placebo shifts that are as great, in either direction.
//!
//! Failure shares are near zero in that past, which says nothing about how they wander within an incident: their shift must
//! also be 2.5 times the spread of the points on both sides, or a quarter of all requests in nearly all pairs of points.
//!
//! At least half of the shift must be one from the last points before the change: a recovery that was over by then is no effect.
//!
//! A change helped when `p < 0.04` and the shift is more than 10 %. Fewer than 6 points after it: too early. Points without
//! an answer are no data, never an improvement.
//!
//! Sources: Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963); placebo tests in time as in Abadie, Diamond,
//! Hainmueller, JASA 105 (2010). Measured errors and power: `docs/concepts/effects-and-slowness.md`.

mod combination;
mod judgement;
mod shift;

pub use combination::combine;
pub use judgement::{Judgement, Measure, POINTS_MAX, POINTS_MIN, Signal, judge};
pub use types::effect::Verdict;
