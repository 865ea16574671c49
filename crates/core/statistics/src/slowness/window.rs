//! The last values of a series, in order of arrival and in order of size.

/// Values that make up the usual level.
pub(super) const LENGTH: usize = 96;

/// A window of at most [`LENGTH`] values: 776 bytes, no allocation. A push moves at most 96 numbers.
#[derive(Debug, Clone)]
pub(super) struct Window {
    arrived: [f32; LENGTH],
    sorted: [f32; LENGTH],
    length: u8,
    next: u8,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { arrived: [0.0; LENGTH], sorted: [0.0; LENGTH], length: 0, next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// Adds a finite value; the oldest one leaves a full window.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "LENGTH is less than 256; logarithms need no double precision"
    )]
    pub(super) fn push(&mut self, value: f64) {
        let value = value as f32;
        let (next, mut length) = (usize::from(self.next), self.len());
        if length == LENGTH {
            let oldest = self.arrived[next];
            let at = self.sorted.partition_point(|other| *other < oldest);
            self.sorted.copy_within(at + 1.., at);
            length -= 1;
        }
        let at = self.sorted[..length].partition_point(|other| *other < value);
        self.sorted.copy_within(at..length, at + 1);
        self.sorted[at] = value;
        self.arrived[next] = value;
        self.length = (length + 1) as u8;
        self.next = ((next + 1) % LENGTH) as u8;
    }

    /// Median, and median deviation from it. Zero of an empty window.
    pub(super) fn median_and_deviation(&self) -> (f64, f64) {
        let sorted = &self.sorted[..self.len()];
        let Some(&last) = sorted.last() else { return (0.0, 0.0) };
        let half = sorted.len() / 2;
        let upper = sorted.get(half).copied().unwrap_or(last);
        let lower = if sorted.len() % 2 == 1 { upper } else { sorted[half - 1] };
        let median = f64::midpoint(f64::from(lower), f64::from(upper));
        // Distances grow outwards from the median on both sides: merge the two sides until half of them are taken.
        let (mut left, mut right, mut distance) = (half, half, 0.0);
        for _ in 0..=half.min(sorted.len() - 1) {
            let below = left.checked_sub(1).map_or(f64::INFINITY, |at| median - f64::from(sorted[at]));
            let above = sorted.get(right).map_or(f64::INFINITY, |value| f64::from(*value) - median);
            if below <= above {
                (left, distance) = (left - 1, below);
            } else {
                (right, distance) = (right + 1, above);
            }
        }
        (median, distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{median, median_deviation};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn window_equals_sorting_the_last_values(values in prop::collection::vec(-9_i8..9, 1..300)) {
            let mut window = Window::new();
            values.iter().for_each(|value| window.push(f64::from(*value)));
            let mut last: Vec<f64> = values.iter().rev().take(LENGTH).map(|value| f64::from(*value)).collect();
            let expected = median(&mut last).unwrap();
            let (found, deviation) = window.median_and_deviation();
            prop_assert!((found - expected).abs() < 1e-9);
            // Of an even number of distances the greater middle one is taken.
            prop_assert!(deviation >= median_deviation(&last, expected).unwrap() - 1e-9);
            let greater = last.iter().filter(|value| (**value - expected).abs() > deviation + 1e-9).count();
            prop_assert!(greater * 2 <= last.len());
        }
    }
}
