//! Times of the API in the timezone of the installation.

use jiff::tz::TimeZone;
use serde_json::Value;
use types::Time;
use types::time::formatted;

/// The timezone that a response names; UTC when it names none.
pub(crate) fn timezone_of(now: &Value) -> TimeZone {
    now["timezone"].as_str().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// Formats an instant: `2026-11-22 17:28:00 EET`.
pub(crate) fn display_time(at: &str, timezone: &TimeZone) -> String {
    let parsed = at.parse::<Time>();
    parsed.map_or_else(|_| at.to_owned(), |at| formatted(at, timezone, "%Y-%m-%d %H:%M:%S"))
}
