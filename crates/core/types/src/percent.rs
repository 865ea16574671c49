//! Percentages for display: cut off, never rounded up, so that no outage disappears.

/// `99.98`; `100` only for exactly 100.
#[must_use]
pub fn percent(share: f64) -> String {
    if share >= 100.0 { "100".to_owned() } else { format!("{:.2}", (share * 100.0).floor() / 100.0) }
}

/// A share with one digit: `-` for nothing, `<0.1 %` for less than that, `100 %` only for the whole.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "-".to_owned();
    }
    if part >= whole {
        return "100 %".to_owned();
    }
    let tenths = u128::from(part) * 1_000 / u128::from(whole);
    if tenths == 0 { "<0.1 %".to_owned() } else { format!("{}.{} %", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentage_is_never_rounded_up() {
        for (value, wanted) in [
            (100.0, "100"),
            (99.999_999_7, "99.99"),
            (99.9997, "99.99"),
            (99.98, "99.98"),
            (0.004, "0.00"),
            (0.0, "0.00"),
        ] {
            assert_eq!(percent(value), wanted);
        }
        for (part, whole, wanted) in [
            (0, 5, "-"),
            (1, 0, "-"),
            (1, 100_000, "<0.1 %"),
            (99_999, 100_000, "99.9 %"),
            (5, 5, "100 %"),
            (u64::MAX - 1, u64::MAX, "99.9 %"),
            (1, 3, "33.3 %"),
        ] {
            assert_eq!(share(part, whole), wanted);
        }
    }
}
