//! Arguments of a load test: rates.

use std::str::FromStr;

/// A rate in requests per second: `100`, `100/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateArgument(pub(super) u32);

/// The argument is no rate.
#[derive(Debug, thiserror::Error)]
#[error("write a whole number of requests per second: 100 or 100/s")]
pub(super) struct NotARate;

impl FromStr for RateArgument {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        text.trim().trim_end_matches("/s").parse().map(Self).map_err(|_| NotARate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, rate) in [
            ("100", Some(100)),
            ("100/s", Some(100)),
            (" 5 ", Some(5)),
            ("5/m", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<RateArgument>().ok().map(|rate| rate.0), rate, "{text:?}");
        }
    }
}
