//! A bar beside a figure. It says nothing that the figure does not.

use askama::filters::HtmlSafe;
use std::fmt;

const LENGTH: f64 = 200.0;
/// Something is seen of the shortest part too.
const SHORTEST: f64 = 2.0;

/// A part of a whole: where it begins, and how long it is.
pub(crate) struct Bar {
    from: f64,
    long: f64,
}

impl Bar {
    /// From one share of the whole, so long; both between 0 and 1.
    pub(crate) fn part(from: f64, long: f64) -> Self {
        let from = (from * LENGTH).clamp(0.0, LENGTH - SHORTEST);
        Self { from, long: (long * LENGTH).clamp(SHORTEST, LENGTH - from) }
    }

    /// So many per cent of the whole.
    pub(crate) fn percent(share: u8) -> Self {
        Self::part(0.0, f64::from(share) / 100.0)
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, long } = self;
        write!(
            f,
            "<svg class=\"bar\" viewBox=\"0 0 {LENGTH} 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path d=\"M0 5H{LENGTH}\"/><rect x=\"{from:.1}\" y=\"1\" width=\"{long:.1}\" height=\"8\"/></svg>"
        )
    }
}

impl HtmlSafe for Bar {}
