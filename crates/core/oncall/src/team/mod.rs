//! Notices to the team as a whole: to a channel that many read and that wakes no one.
//!
//! | module | content |
//! |---|---|
//! | `alerts` | alerts that are part of no incident, bundled |
//! | `digest` | when the digest of a day is due |
//! | `news` | what happened in a period |
//! | `text` | titles and bodies |
//!
//! The notices about single incidents are queued as those to people are, with the team as their recipient.

mod alerts;
mod digest;
mod news;
mod text;

use crate::OnCall;
use crate::notice::{Notice, TeamNotice, is_digest};
use crate::queue::{DeliveryQueue, Usable};
use crate::schedule::instant;
use jiff::civil;
use std::time::Duration;
use types::config::Notices;
use types::notification::Contact;
use types::time::later;
use types::{Config, Context, Time};

/// A digest is not sent later than this: news of the morning are old in the evening, and nobody is to get it at night.
const LATE_MAX: Duration = Duration::from_secs(4 * 3_600);

/// The contacts of the team; empty when it has none.
pub(crate) fn contacts(config: &Config) -> &[Contact] {
    config.notices.as_ref().map_or(&[], |notices| &notices.to)
}

/// Whether the team gets a line each hour of an open incident.
pub(crate) fn has_hourly(config: &Config) -> bool {
    config.notices.as_ref().is_some_and(|notices| notices.hourly)
}

/// The first instant, not before `at`, that is not within the quiet hours of the team.
pub(crate) fn after_quiet_hours(config: &Config, at: Time) -> Time {
    let quiet = config.notices.as_ref().and_then(|Notices { quiet_hours, .. }| *quiet_hours);
    let Some((from, to)) = quiet else { return at };
    let timezone = &config.site.timezone;
    let local = timezone.to_datetime(at);
    if !is_within((from, to), local.time()) {
        return at;
    }
    let ends = [Some(local.date()), local.date().tomorrow().ok()].into_iter().flatten();
    ends.map(|day| instant(timezone, day.to_datetime(to))).find(|end| *end > at).unwrap_or(at)
}

fn is_within((from, to): (civil::Time, civil::Time), clock: civil::Time) -> bool {
    if from < to { from <= clock && clock < to } else { from <= clock || clock < to }
}

/// Whether the people of a notice receive it themselves, because no contact of the team can be used any more.
pub(crate) fn is_unreachable(queue: &DeliveryQueue, usable: &[Usable]) -> bool {
    queue.accepted() == 0 && queue.is_exhausted(usable)
}

impl OnCall {
    /// Notices to the team about several incidents or none, without those that are outdated.
    pub(crate) fn team_notices<'a>(
        &'a self,
        context: &'a Context<'_>,
    ) -> impl Iterator<Item = (&'a String, &'a Notice)> {
        let newest = self.state.team.newest_digest();
        let is_current = move |occasion: &str, queued: &TeamNotice| match is_digest(occasion) {
            true => newest == Some(occasion) && context.now < later(queued.until, LATE_MAX),
            false => queued.alerts.iter().any(|id| context.alerts.contains_key(id)),
        };
        let all = self.state.team.all().filter(move |(occasion, queued)| is_current(occasion, queued));
        all.map(|(occasion, queued)| (occasion, &queued.notice))
    }

    /// Title and body of such a notice; `None` when it is not known any more.
    pub(crate) fn team_text(&self, context: &Context<'_>, occasion: &str) -> Option<(String, String)> {
        let queued = self.state.team.get(occasion)?;
        Some(match is_digest(occasion) {
            true => text::digest(context, &self.news(context, (queued.since, queued.until))),
            false => text::alerts(context, &queued.alerts),
        })
    }

    /// When the next such notice is due.
    pub(crate) fn next_team_notice(&self, context: &Context<'_>) -> Option<Time> {
        self.next_alert_notice(context).into_iter().chain(digest::next(context)).min()
    }

    /// Whether the team received a notice about an incident, so that it gets to know its end.
    pub(crate) fn team_knows(&self, incident: types::IncidentId) -> bool {
        self.state.incidents.get(&incident).is_some_and(|record| record.team)
    }
}
