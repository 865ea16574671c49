//! Times of the API as people read them: by the clock of the installation, with the zone's name.

use jiff::tz::TimeZone;
use serde_json::Value;
use types::Time;
use types::time::formatted;

/// The zone for texts of the installation that answered; UTC where it does not say.
pub(crate) fn zone_of(now: &Value) -> TimeZone {
    now["timezone"].as_str().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// An instant of the API as people read it: `2026-11-22 17:28:00 EET`.
pub(crate) fn shown_time(at: &str, zone: &TimeZone) -> String {
    let read = at.parse::<Time>();
    read.map_or_else(|_| at.to_owned(), |at| formatted(at, zone, "%Y-%m-%d %H:%M:%S"))
}
