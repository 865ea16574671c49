//! Decorative bar beside a number.

use askama::filters::HtmlSafe;
use std::fmt;

const LENGTH: f64 = 200.0;
/// Minimum visible length.
const LENGTH_MIN: f64 = 2.0;

/// Part of a whole: start and length.
pub(crate) struct Bar {
    from: f64,
    length: f64,
}

impl Bar {
    /// Creates a bar from start and length, both between 0 and 1.
    pub(crate) fn part(from: f64, length: f64) -> Self {
        let from = (from * LENGTH).clamp(0.0, LENGTH - LENGTH_MIN);
        Self { from, length: (length * LENGTH).clamp(LENGTH_MIN, LENGTH - from) }
    }

    /// Creates a bar of a percentage.
    pub(crate) fn percent(share: u8) -> Self {
        Self::part(0.0, f64::from(share) / 100.0)
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, length } = self;
        write!(
            f,
            "<svg class=\"bar\" viewBox=\"0 0 {LENGTH} 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path d=\"M0 5H{LENGTH}\"/><rect x=\"{from:.1}\" y=\"1\" width=\"{length:.1}\" height=\"8\"/></svg>"
        )
    }
}

impl HtmlSafe for Bar {}
