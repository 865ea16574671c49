//! Slowness of a latency series: a clipped one-sided CUSUM.
//!
//! The answers of a minute are one point, their median `x`; of a slower series each answer is one. Each point becomes
//! `z = (ln x - m) / max(d, 0.05)`, where `m` is the median of the last 96 logarithms, one answer of each point, and `d`
//! their median deviation; `z` is limited to 4 in both directions. The sum `S = max(0, S + z - 1.5)` rises while latency is high and
//! returns to zero otherwise. When it exceeds the limit of [`Settings`], and the median since it left zero is at least 1.5 times
//! the usual one, the series is slow since that moment.
//!
//! The limit on `z` is what matters: a single answer that took a hundred times as long counts like one that took twice as
//! long, so that only persistent slowness adds up. The usual level is not learned from while the series is slow. It ends
//! when the median of the last 12 points is back near the former level, or after a day, when the new level becomes the usual
//! one.
//!
//! Source: E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954); on ranks and limited scores: Hawkins and
//! Olwell, "Cumulative Sum Charts" (1998). Measured recall and false alerts: `docs/concepts/effects-and-slowness.md`.

mod detector;
mod settings;
mod window;

pub use detector::{Change, Slow, SlownessDetector};
pub use settings::Settings;
