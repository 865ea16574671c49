//! Order statistics of small samples.

/// The median of finite numbers; `None` of an empty sample. The order of `values` changes.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let upper = nth(values, values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = nth(values, values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// The mean; 0 of an empty sample.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len().max(1))
}

/// The value that half of the sample reaches or exceeds, without interpolation: the second of four.
pub(crate) fn lower_median(values: &mut [f64]) -> Option<f64> {
    nth(values, values.len().saturating_sub(1) / 2)
}

/// The value that at least two thirds of the sample reach or exceed, without interpolation: the smallest of three, the
/// second of four to six. Disturbances of a third of a sample, or of half of four values, do not move it.
pub(crate) fn lower_third(values: &mut [f64]) -> Option<f64> {
    nth(values, values.len().saturating_sub(1) / 3)
}

/// The median distance from `center`. Multiplied by 1.4826 it estimates the standard deviation of a normal sample.
pub(crate) fn median_deviation(values: &[f64], center: f64) -> Option<f64> {
    median(&mut values.iter().map(|value| (value - center).abs()).collect::<Vec<f64>>())
}

/// The value below which `share` (0 to 1) of the sample is: the nearest rank, without interpolation.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small index"
    )]
    let index = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
    nth(values, index)
}

/// Spearman's rank correlation, -1 to 1; `None` when one side is constant or the sample is shorter than 3.
pub(crate) fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let left = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<f64>>());
    let right = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<f64>>());
    // The mean of the ranks 1 to n, with and without ties.
    let mean = (count(pairs.len()) + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let spread = (product(&left, &left) * product(&right, &right)).sqrt();
    (spread > 0.0).then(|| product(&left, &right) / spread)
}

/// The length of a sample as a number.
#[expect(clippy::cast_precision_loss, reason = "samples have fewer than 2^52 values")]
pub(crate) fn count(length: usize) -> f64 {
    length as f64
}

/// Ranks from 1; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let same = order[first..]
            .iter()
            .take_while(|&&at| values[at].total_cmp(&values[order[first]]).is_eq())
            .count();
        let mean = count(first) + (count(same) + 1.0) / 2.0;
        for &at in &order[first..first + same] {
            ranks[at] = mean;
        }
        first += same;
    }
    ranks
}

fn nth(values: &mut [f64], index: usize) -> Option<f64> {
    (index < values.len()).then(|| *values.select_nth_unstable_by(index, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_small_samples() {
        let cases: [(&[f64], [Option<f64>; 3]); 5] = [
            (&[], [None; 3]),
            (&[3.0], [Some(3.0); 3]),
            (&[4.0, 2.0], [Some(3.0), Some(2.0), Some(2.0)]),
            (&[9.0, 1.0, 2.0], [Some(2.0), Some(2.0), Some(1.0)]),
            (&[1.0, 100.0, 90.0, 2.0], [Some(46.0), Some(2.0), Some(2.0)]),
        ];
        for (values, [middle, lower, third]) in cases {
            assert_eq!(median(&mut values.to_vec()), middle, "{values:?}");
            assert_eq!(lower_median(&mut values.to_vec()), lower, "{values:?}");
            assert_eq!(lower_third(&mut values.to_vec()), third, "{values:?}");
        }
    }

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let mut values: Vec<f64> = (0..=10).map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.9), Some(9.0));
        assert_eq!(quantile(&mut values, 2.0), Some(10.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }

    #[test]
    fn correlation_follows_order_and_shares_ranks_of_ties() {
        assert_eq!(rank_correlation(&[(1.0, 10.0), (2.0, 1e9), (3.0, 1e10)]), Some(1.0));
        assert_eq!(rank_correlation(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
        assert_eq!(rank_correlation(&[(1.0, 3.0), (1.0, 2.0), (1.0, 1.0)]), None);
        assert_eq!(rank_correlation(&[(1.0, 3.0)]), None);
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [2.5, 1.0, 2.5]);
    }
}
