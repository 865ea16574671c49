//! Local times as instants.

use crate::Time;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The instant at which the clock of a timezone first shows `local` or a later time (P11).
///
/// A time inside a gap (spring) is the first existing instant after the gap; an ambiguous one is its first occurrence.
/// A time beyond the calendar is [`Time::MAX`]. Monotonic in `local`.
#[must_use]
pub fn instant(timezone: &TimeZone, local: DateTime) -> Time {
    match timezone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).unwrap_or(Time::MAX),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).unwrap_or(Time::MAX),
        // Read with the offset after the gap, `local` is an instant before the gap: the next change is the gap itself.
        // jiff's own `compatible` would instead move the handoff on by the length of the gap.
        AmbiguousOffset::Gap { before, after } => after
            .to_timestamp(local)
            .ok()
            .and_then(|shortly_before| {
                timezone.following(shortly_before).take(4).find(|change| change.offset() == after)
            })
            .map(|change| change.timestamp())
            .or_else(|| before.to_timestamp(local).ok())
            .unwrap_or(Time::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_one_instant() {
        for (timezone, local, utc, why) in [
            ("Europe/Tallinn", "2026-11-22T09:00", "2026-11-22T07:00:00Z", "an ordinary day"),
            ("Europe/Tallinn", "2027-03-28T03:00", "2027-03-28T01:00:00Z", "the first moment of the gap"),
            ("Europe/Tallinn", "2027-03-28T03:30", "2027-03-28T01:00:00Z", "inside the gap: right after it"),
            ("Europe/Tallinn", "2027-03-28T03:59:59", "2027-03-28T01:00:00Z", "the last moment of the gap"),
            (
                "Europe/Tallinn",
                "2027-03-28T04:00",
                "2027-03-28T01:00:00Z",
                "the first time that exists again",
            ),
            ("Europe/Tallinn", "2027-03-28T04:30", "2027-03-28T01:30:00Z", "after the gap"),
            ("Europe/Tallinn", "2026-10-25T03:30", "2026-10-25T00:30:00Z", "ambiguous: first occurrence"),
            ("America/New_York", "2027-03-14T02:30", "2027-03-14T07:00:00Z", "inside the gap"),
            ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z", "ambiguous"),
            ("America/New_York", "2090-03-12T02:30", "2090-03-12T07:00:00Z", "a gap in the far future"),
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z", "a gap of half an hour"),
            ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45:00Z", "half an hour repeated"),
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z", "a skipped day"),
            ("UTC", "2026-11-22T09:00", "2026-11-22T09:00:00Z", "no summer time"),
        ] {
            let tz = TimeZone::get(timezone).unwrap();
            assert_eq!(instant(&tz, local.parse().unwrap()).to_string(), utc, "{timezone} {local}: {why}");
        }
        let tz = TimeZone::get("America/New_York").unwrap();
        assert_eq!(instant(&tz, DateTime::MAX), Time::MAX);
    }
}
