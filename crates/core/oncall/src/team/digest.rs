//! The digest of a day: once for each local date, at its local time.

use super::LATE_MAX;
use crate::OnCall;
use crate::notice::DIGEST;
use crate::schedule::instant;
use jiff::civil::{Date, Time as LocalTime};
use jiff::tz::TimeZone;
use std::time::Duration;
use types::time::{earlier, later};
use types::{Context, EventKind, Time};

const DAY: Duration = Duration::from_secs(86_400);

/// The digest of one date, with the period that it is about.
struct Due {
    date: Date,
    since: Time,
    until: Time,
}

/// The instant of the digest of a date; `None` for a date that the timezone skips.
fn instant_of(timezone: &TimeZone, date: Date, at: LocalTime) -> Option<Time> {
    let instant = instant(timezone, date.to_datetime(at));
    (timezone.to_datetime(instant).date() == date).then_some(instant)
}

/// The digest that is due, at most [`LATE_MAX`] late. That of yesterday may be due after midnight.
fn due(timezone: &TimeZone, at: LocalTime, now: Time) -> Option<Due> {
    let today = timezone.to_datetime(now).date();
    let dates = [Some(today), today.yesterday().ok()];
    dates.into_iter().flatten().find_map(|date| {
        let until = instant_of(timezone, date, at)?;
        let before = date.yesterday().ok().and_then(|date| instant_of(timezone, date, at));
        let since = before.unwrap_or_else(|| earlier(until, DAY));
        (until <= now && now < later(until, LATE_MAX)).then_some(Due { date, since, until })
    })
}

/// When the next digest is due.
pub(super) fn next(context: &Context<'_>) -> Option<Time> {
    let at = context.config.notices.as_ref()?.digest?;
    let timezone = &context.config.site.timezone;
    let today = timezone.to_datetime(context.now).date();
    // A date may be skipped.
    let dates = today.series(jiff::Span::new().days(1)).take(3);
    dates.filter_map(|date| instant_of(timezone, date, at)).find(|at| context.now < *at)
}

impl OnCall {
    /// The digest, if it is due and has something to say.
    pub(crate) fn digest(&mut self, context: &Context<'_>) -> Option<EventKind> {
        let settings = context.config.notices.as_ref()?;
        let Due { date, since, until } = due(&context.config.site.timezone, settings.digest?, context.now)?;
        let occasion = format!("{DIGEST}{date}");
        if self.state.team.get(&occasion).is_some() || self.volatile.empty_digest == Some(date) {
            return None;
        }
        // Nothing is known about a period that ended before the journal began.
        if self.state.recent.began.is_none_or(|began| until <= began) {
            return None;
        }
        if !settings.digest_without_news && self.news(context, (since, until)).is_empty() {
            // What is decided later belongs to the next period.
            self.volatile.empty_digest = Some(date);
            return None;
        }
        Some(EventKind::TeamNoticeQueued { occasion, since, until, alerts: Default::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    /// Rows: timezone; local time of the digest; now; date and period of the digest that is due.
    #[test]
    fn digest_is_due_for_four_hours_after_its_local_time() {
        let early = time(8, 30, 0, 0);
        let none = ("", "", "");
        for (zone, at, now, (date, since, until)) in [
            ("UTC", early, "2026-11-16T08:29:59Z", none),
            (
                "UTC",
                early,
                "2026-11-16T08:30:00Z",
                ("2026-11-16", "2026-11-15T08:30:00Z", "2026-11-16T08:30:00Z"),
            ),
            (
                "UTC",
                early,
                "2026-11-16T12:29:59Z",
                ("2026-11-16", "2026-11-15T08:30:00Z", "2026-11-16T08:30:00Z"),
            ),
            ("UTC", early, "2026-11-16T12:30:00Z", none),
            // The day on which summer time ends has 25 hours, that on which it begins 23.
            (
                "Europe/Tallinn",
                early,
                "2026-10-25T07:00:00Z",
                ("2026-10-25", "2026-10-24T05:30:00Z", "2026-10-25T06:30:00Z"),
            ),
            (
                "Europe/Tallinn",
                early,
                "2026-03-29T05:30:00Z",
                ("2026-03-29", "2026-03-28T06:30:00Z", "2026-03-29T05:30:00Z"),
            ),
            // 03:30 exists twice: its first occurrence. It does not exist: the first instant after the gap.
            (
                "Europe/Tallinn",
                time(3, 30, 0, 0),
                "2026-10-25T00:30:00Z",
                ("2026-10-25", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
            ),
            (
                "Europe/Tallinn",
                time(3, 30, 0, 0),
                "2026-03-29T01:00:00Z",
                ("2026-03-29", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"),
            ),
            // After midnight, that of yesterday.
            (
                "UTC",
                time(23, 30, 0, 0),
                "2026-11-17T01:00:00Z",
                ("2026-11-16", "2026-11-15T23:30:00Z", "2026-11-16T23:30:00Z"),
            ),
            // Samoa skipped a date: it has no digest, and midnight is no morning.
            ("Pacific/Apia", early, "2011-12-30T10:00:00Z", none),
        ] {
            let timezone = TimeZone::get(zone).unwrap();
            let found = due(&timezone, at, now.parse().unwrap());
            let found = found.map(|it| (it.date.to_string(), it.since.to_string(), it.until.to_string()));
            let expected = (!date.is_empty()).then(|| (date.to_owned(), since.to_owned(), until.to_owned()));
            assert_eq!(found, expected, "{zone} {at} {now}");
        }
    }
}
