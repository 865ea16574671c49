//! `[heartbeat.NAME]` as written: jobs that report.

use crate::diagnostics::Diagnostics;
use crate::formats::{DAY, HOUR, SECRET, SEVERITY, TIMEZONE};
use crate::keys::keys;
use crate::kind::scalar::{Span, duration};
use crate::kind::string::{Format, NameOf, format};
use crate::kind::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::tz::TimeZone;
use std::time::Duration;
use types::Severity;
use types::config::{Heartbeat, SecretRef};
use types::cron::Cron;
use types::heartbeat::Due;

/// Longest time between two reports.
const PERIOD: Span = duration(Duration::from_secs(10), Duration::from_secs(366 * 86_400));
/// Longest grace, and longest run.
const GRACE: Span = duration(Duration::from_secs(1), Duration::from_secs(31 * 86_400));
const CRON: Format<Cron> = format("a crontab expression: \"0 3 * * *\"", None, |text, _| cron(text));

keys! {
    /// A job that reports when it has succeeded, by requesting a URL: a backup, a report, a queue that is emptied. When it does not
    /// report in time, or reports that it failed, an alert opens.
    [heartbeat.NAME]
    struct RawHeartbeat {
        /// Time from one success to the next. A heartbeat has either `period` or `cron`.
        period: Option<Duration> = PERIOD, otherwise "by `cron`", example r#""1d""#;
        /// When the job starts, as in a crontab: minute, hour, day of the month, month, day of the week.
        cron: Option<Cron> = CRON, otherwise "by `period`", example r#""0 3 * * *""#;
        /// Timezone of `cron`.
        timezone: Option<At<TimeZone>> = TIMEZONE, otherwise "as in [site]", example r#""UTC""#;
        /// How long after that it may still report.
        grace: Option<Duration> = GRACE, otherwise "1h, or `period` if that is shorter", example r#""30m""#;
        /// The longest run, from its start to its end. For jobs that report both.
        max_run: Option<Duration> = GRACE, otherwise "any", example r#""2h""#;
        /// Severity of its alert.
        severity: Severity = SEVERITY, default Severity::Warning, example r#""critical""#;
        /// The service that the job belongs to: whoever is on call for it gets the alert.
        service: Option<At<String>> = NameOf("service"), otherwise "none", example r#""auth""#;
        /// Reference to the secret in its URL, `/ping/SECRET`. Without it the URL is `/ping/NAME`, and everybody who can reach it can
        /// report.
        key: Option<SecretRef> = SECRET, otherwise "its name is enough", example r#""env:BACKUP_PING_KEY""#;
    }
}

impl RawHeartbeat {
    /// Checks that there is one way in which it is due.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        match (self.written.is_filled("period"), self.written.is_filled("cron")) {
            (false, false) => diagnostics.missing(
                self.written.place.clone(),
                "does not say when it is due",
                "add `period = \"1d\"` or `cron = \"0 3 * * *\"`",
            ),
            (true, true) => diagnostics.conflict(
                self.written.key_place("cron"),
                "both `period` and `cron`".to_owned(),
                "keep one of them",
            ),
            _ => {}
        }
        if let Some(at) = self.timezone.as_ref().filter(|_| !self.written.is_filled("cron")) {
            diagnostics.warn(at.place.clone(), "`timezone` is of `cron`", "remove it");
        }
        self
    }

    /// The heartbeat; `None` when it is never due, which was reported already.
    pub(crate) fn resolve(&self, site: &TimeZone) -> Option<Heartbeat> {
        let timezone = || self.timezone.as_ref().map_or(site, |at| &at.value).clone();
        let due = match (self.period, &self.cron) {
            (Some(period), _) => Due::Every(period),
            (None, Some(cron)) => Due::Cron { cron: Box::new(cron.clone()), timezone: timezone() },
            (None, None) => return None,
        };
        let grace = self.grace.unwrap_or_else(|| HOUR.min(self.period.unwrap_or(DAY)));
        let (max_run, severity, key) = (self.max_run, self.severity, self.key.clone());
        Some(Heartbeat { due, grace, max_run, severity, key })
    }
}

/// Parses a crontab expression.
fn cron(text: &str) -> Result<Cron, ValueError> {
    text.parse().map_err(|why| {
        ValueError::new(format!("`{}` is no crontab expression: {why}", shown(text)))
            .hint("minute, hour, day of the month, month, day of the week: \"0 3 * * *\"")
    })
}
