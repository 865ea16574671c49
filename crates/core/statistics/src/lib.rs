//! Judges series of measurements: pure functions of numbers, without clock, I/O or randomness.
//!
//! | module | question | method |
//! |---|---|---|
//! | [`slowness`] | is this latency higher than usual, since when? | clipped one-sided CUSUM of the logarithms |
//! | [`effect`] | did a change help? | Hodges-Lehmann shift, compared with placebo shifts of the same series |
//! | [`rank`] | which node is the cause? | robust z of each node's metrics, minus those of the nodes that it calls |
//! | [`creep`] | does a level rise for hours, and meet its limit soon? | Sen's slope and Kendall's tau, above what is usual at this hour |
//! | [`trend`] | does the daily peak meet a limit within a month? | Sen's seasonal slope, with the interval of a regression |
//! | `order` | medians, quantiles, ranks | |
//!
//! `docs/concepts/effects-and-slowness.md` has the measured tables and the limits.

pub mod creep;
pub mod effect;
mod order;
pub mod rank;
pub mod slowness;
pub mod trend;
