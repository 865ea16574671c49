//! Alerts of other systems: opened, changed and closed by reports, and what follows when a source is silent.

use super::Detect;
use crate::alert::{AlertEvents, NewAlert};
use crate::external::{self, GOES_ON};
use std::collections::BTreeMap;
use std::time::Duration;
use types::config::AlertSource;
use types::event::{Event, Events};
use types::external::{AlertReport, OPEN_MAX, ReportState};
use types::fault::SourceSilent;
use types::input::Refused;
use types::time::later;
use types::{AlertId, Config, EventKind, Fault, Resource, Severity, Time};

/// The alerts of one source that it no longer confirms.
#[derive(Default)]
struct Unconfirmed {
    /// Those that it does not report any more while it goes on.
    over: Vec<AlertId>,
    /// Number of those of which nothing is known, because it is silent.
    unknown: u32,
    /// When to look again.
    again: Option<Time>,
}

impl Detect {
    /// Events of the reports of a source. Nothing changes here.
    ///
    /// # Errors
    /// When the configuration has no such source, or it has too many open alerts.
    pub fn reported(
        &self,
        config: &Config,
        now: Time,
        source: &str,
        reports: &[AlertReport],
    ) -> Result<Events, Refused> {
        let settings =
            alert_source(config, source).ok_or_else(|| Refused::UnknownSource(source.to_owned()))?;
        let mut events = self.events();
        // Of several reports about one alert the last counts.
        let last: BTreeMap<&str, usize> =
            reports.iter().enumerate().map(|(at, report)| (report.key.as_str(), at)).collect();
        let mut room = OPEN_MAX.saturating_sub(self.open.of_source(source).len());
        let mut is_full = false;
        let newest = |(at, report): &(usize, &AlertReport)| last.get(report.key.as_str()) == Some(at);
        for (_, report) in reports.iter().enumerate().filter(newest) {
            let open = self.open.external(source, &report.key).and_then(|id| self.state.alerts.get(&id));
            let fires = external::fires(now, report.state);
            let new = external::alert((source, settings), report, now).filter(|_| fires);
            match (open, new) {
                (None, Some(new)) if room > 0 => {
                    room -= 1;
                    let about = external::about(config, (source, settings), report);
                    events.open(&about, &external::probe_id(source), new);
                }
                (None, Some(_)) => is_full = true,
                (Some(open), Some(new)) if external::is_news(open, &new) => events.change(open.id, new),
                (Some(open), None) if report.state != ReportState::Acknowledged => {
                    events.close(open.id);
                }
                _ => {}
            }
        }
        if is_full && events.kinds.is_empty() {
            return Err(Refused::TooManyAlerts(OPEN_MAX));
        }
        Ok(events.kinds)
    }

    /// Remembers that a source has reported, whether or not that says anything new.
    pub fn heard(&mut self, now: Time, source: &str, reports: &[AlertReport]) {
        self.volatile.heard.report(now, source, reports);
        for report in reports.iter().filter(|report| external::fires(now, report.state)) {
            if let Some(alert) = self.open.external(source, &report.key) {
                self.volatile.heard.confirm(now, alert);
            }
        }
        self.volatile.sources_asked |= self.open.with_fault(&Resource::source(source), SILENT).is_some();
    }

    /// The open alert with a key of a source.
    #[must_use]
    pub fn external_alert(&self, source: &str, key: &str) -> Option<AlertId> {
        self.open.external(source, key)
    }

    /// Follows an event about alerts of other systems.
    pub(super) fn follow_external(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Booted { .. } | EventKind::Unmonitored { .. } => {
                self.volatile.heard.listens(event.at);
                self.volatile.sources_asked = true;
            }
            EventKind::AlertOpened { alert } if matches!(alert.fault, Fault::External { .. }) => {
                self.volatile.heard.confirm(event.at, alert.id);
                self.volatile.sources_asked = true;
            }
            EventKind::AlertClosed { alert } => self.volatile.heard.forget(*alert),
            _ => {}
        }
    }

    /// Judges the silence of sources.
    pub(super) fn judge_sources(&mut self, config: &Config, now: Time, events: &mut AlertEvents) {
        let is_due = self.volatile.sources_due.is_some_and(|due| due <= now);
        if !std::mem::take(&mut self.volatile.sources_asked) && !is_due {
            return;
        }
        let mut due: Option<Time> = None;
        for (name, settings) in
            config.sources.iter().filter_map(|(name, it)| Some((name, it.alerts.as_ref()?)))
        {
            let unconfirmed = self.unconfirmed(name, now);
            for alert in &unconfirmed.over {
                events.close(*alert);
            }
            let last = self.volatile.heard.last(name, now);
            let expected = settings.silent_after.map(|after| later(last, after));
            self.judge_silence(name, (settings, last), unconfirmed.unknown, now, events);
            due = [due, unconfirmed.again, expected.filter(|at| *at > now)].into_iter().flatten().min();
        }
        self.volatile.sources_due = due;
    }

    /// The alerts of a source that it no longer confirms.
    fn unconfirmed(&self, source: &str, now: Time) -> Unconfirmed {
        let mut found = Unconfirmed::default();
        let life = self.volatile.heard.life(source);
        let mut again = |at: Time| found.again = Some(found.again.map_or(at, |known| known.min(at)));
        for id in self.open.of_source(source) {
            let Some(within) = self.state.alerts.get(&id).and_then(|alert| repeated_within(&alert.fault))
            else {
                continue;
            };
            let confirmed = self.volatile.heard.confirmed(id, now);
            let end = later(confirmed, within);
            if end > now {
                again(end);
                continue;
            }
            match life.filter(|life| life.heard > end) {
                None => found.unknown += 1,
                Some(life)
                    if life.heard >= later(confirmed.max(life.since), within.saturating_mul(GOES_ON)) =>
                {
                    found.over.push(id);
                }
                Some(_) => again(later(now, (within / 4).max(Duration::from_secs(1)))),
            }
        }
        found
    }

    fn judge_silence(
        &self,
        name: &str,
        (settings, last): (&AlertSource, Time),
        unconfirmed: u32,
        now: Time,
        events: &mut AlertEvents,
    ) {
        let about = Resource::source(name);
        let open = self.open.with_fault(&about, SILENT).and_then(|id| self.state.alerts.get(&id));
        let is_late = settings.silent_after.is_some_and(|after| later(last, after) <= now);
        let severity = if is_late { Severity::Critical } else { Severity::Warning };
        let expected_within = settings.silent_after.filter(|_| is_late);
        let silence = SourceSilent { since: last, unconfirmed, expected_within };
        let evidence = "its secret, its address and its log say why".to_owned();
        let new = NewAlert { fault: Fault::SourceSilent { silence }, severity, since: last, evidence };
        match (is_late || unconfirmed > 0, open) {
            (false, Some(open)) => events.close(open.id),
            (true, None) => events.open(&about, &external::probe_id(name), new),
            (true, Some(open)) if open.severity != severity => events.change(open.id, new),
            _ => {}
        }
    }

    /// When the silence of sources must be judged.
    pub(super) fn source_deadline(&self, now: Time) -> Option<Time> {
        if self.volatile.sources_asked { Some(now) } else { self.volatile.sources_due }
    }
}

/// Code of the alert about a silent source.
const SILENT: &str = "source-silent";

/// How a source hands its alerts in; `None` when it may not.
pub(super) fn alert_source<'a>(config: &'a Config, name: &str) -> Option<&'a AlertSource> {
    config.sources.get(name)?.alerts.as_ref()
}

fn repeated_within(fault: &Fault) -> Option<Duration> {
    match fault {
        Fault::External { external } => external.repeated_within,
        _ => None,
    }
}
