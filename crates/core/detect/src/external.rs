//! Alerts of other systems: what each is about, how severe it is, and whether its source still confirms it.
//!
//! Prometheus reports a firing alert again and again and never says that it has stopped reporting. So an alert that is not confirmed
//! in time is not over: either its source is silent, which is an alert of its own, or the source goes on without it, as after a
//! restart, and then it is over after a while.

use crate::alert::NewAlert;
use std::collections::BTreeMap;
use std::time::Duration;
use types::config::AlertSource;
use types::external::{AlertReport, ReportState};
use types::fault::ExternalAlert;
use types::time::between;
use types::{Alert, AlertId, Config, Fault, Kind, ProbeId, Resource, Severity, Time};

/// A source that pauses for less is not thought to have been restarted.
const PAUSE_MIN: Duration = Duration::from_secs(60);
/// A source that goes on without an alert for this many times the interval at which it should be confirmed has resolved it. A
/// restarted Prometheus needs a while until an alert with a duration fires again.
pub(crate) const GOES_ON: u32 = 3;
/// Labels that commonly name what an alert is about, most telling first, with the kinds of resources whose names they hold.
const LABELS: [(&str, &[Kind]); 10] = [
    ("service", &[Kind::Service]),
    ("database", &[Kind::Database]),
    ("pool", &[Kind::Pool]),
    ("host", &[Kind::Host]),
    ("domain", &[Kind::Domain, Kind::Host]),
    ("target", &[Kind::Host]),
    ("instance", &[Kind::Host, Kind::Database]),
    ("app", &[Kind::Service]),
    ("job", &[Kind::Service, Kind::Database]),
    ("component", &[Kind::Service, Kind::Database, Kind::Pool]),
];

/// When a source was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// Its last report.
    pub(crate) heard: Time,
    /// Since when it has reported without a pause.
    pub(crate) since: Time,
    /// A longer silence is a pause.
    pause: Duration,
}

impl Life {
    fn begins(now: Time) -> Self {
        Self { heard: now, since: now, pause: PAUSE_MIN }
    }

    fn goes_on(&mut self, now: Time, repeated_within: Duration) {
        if between(self.heard, now) > self.pause {
            self.since = now;
        }
        self.pause = repeated_within.max(PAUSE_MIN);
        self.heard = self.heard.max(now);
    }
}

/// What was heard since boot.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    sources: BTreeMap<String, Life>,
    confirmed: BTreeMap<AlertId, Time>,
    /// Since when reports could arrive.
    listening: Option<Time>,
}

impl Heard {
    /// Reports can arrive from now on.
    pub(crate) fn listens(&mut self, now: Time) {
        self.listening = Some(now);
    }

    pub(crate) fn report(&mut self, now: Time, source: &str, reports: &[AlertReport]) {
        let longest = reports.iter().filter_map(|report| repeated_within(now, report.state)).max();
        let life = self.sources.entry(source.to_owned()).or_insert_with(|| Life::begins(now));
        life.goes_on(now, longest.unwrap_or_default());
    }

    pub(crate) fn confirm(&mut self, now: Time, alert: AlertId) {
        self.confirmed.insert(alert, now);
    }

    pub(crate) fn forget(&mut self, alert: AlertId) {
        self.confirmed.remove(&alert);
    }

    pub(crate) fn retain(&mut self, is_known: impl Fn(&String) -> bool) {
        self.sources.retain(|source, _| is_known(source));
    }

    pub(crate) fn life(&self, source: &str) -> Option<Life> {
        self.sources.get(source).copied()
    }

    /// When a source was heard last, or could be for the first time.
    pub(crate) fn last(&self, source: &str, now: Time) -> Time {
        let listening = self.listening.unwrap_or(now);
        self.life(source).map_or(listening, |life| life.heard.max(listening))
    }

    /// When an alert was confirmed last, or could be for the first time.
    pub(crate) fn confirmed(&self, alert: AlertId, now: Time) -> Time {
        let listening = self.listening.unwrap_or(now);
        self.confirmed.get(&alert).map_or(listening, |at| *at.max(&listening))
    }
}

/// Time within which a firing alert is reported again.
pub(crate) fn repeated_within(now: Time, state: ReportState) -> Option<Duration> {
    match state {
        ReportState::Until(end) if end > now => Some(between(now, end).max(Duration::from_secs(1))),
        _ => None,
    }
}

/// Whether an alert fires by a report.
pub(crate) fn fires(now: Time, state: ReportState) -> bool {
    match state {
        ReportState::Firing => true,
        ReportState::Until(end) => end > now,
        ReportState::Acknowledged | ReportState::Resolved => false,
    }
}

/// The alert of a report; `None` for one that only shows that its source is alive.
pub(crate) fn alert(source: (&str, &AlertSource), report: &AlertReport, now: Time) -> Option<NewAlert> {
    let (name, settings) = source;
    let severity = severity(report.severity.as_deref(), settings.severity)?;
    // Some write the year 1 for a time that is not known.
    let is_known = |at: &Time| at.as_second() > 0;
    let since = report.since.filter(is_known).map_or(now, |since| since.min(now));
    let external = ExternalAlert {
        reporter: name.to_owned(),
        key: report.key.clone(),
        name: report.name.clone(),
        labels: report.labels.clone(),
        summary: report.summary.clone(),
        description: report.description.clone(),
        runbook: report.runbook.clone(),
        link: report.link.clone(),
        repeated_within: repeated_within(now, report.state),
    };
    let evidence = evidence(&external);
    Some(NewAlert { fault: Fault::External { external: Box::new(external) }, severity, since, evidence })
}

/// What the source says, for a reader who doubts the alert.
fn evidence(alert: &ExternalAlert) -> String {
    let labels = alert.labels_text();
    let labels = (!labels.is_empty()).then_some(labels);
    let runbook = alert.runbook.as_ref().map(|link| format!("runbook {link}"));
    let parts = [Some(format!("reported by {}", alert.reporter)), labels, alert.description.clone(), runbook];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Severity by the word of the source; `None` for alerts that always fire, to show that it is alive.
fn severity(word: Option<&str>, otherwise: Severity) -> Option<Severity> {
    let word = word.map(str::to_ascii_lowercase);
    Some(match word.as_deref() {
        Some("none") => return None,
        Some(
            "critical" | "crit" | "page" | "error" | "emergency" | "fatal" | "high" | "major" | "disaster"
            | "p1" | "p2" | "sev1" | "sev2",
        ) => Severity::Critical,
        Some("warning" | "warn" | "medium" | "average" | "minor" | "ticket" | "p3" | "sev3") => {
            Severity::Warning
        }
        Some(
            "info" | "information" | "informational" | "notice" | "low" | "debug" | "p4" | "p5" | "sev4"
            | "sev5",
        ) => Severity::Info,
        _ => otherwise,
    })
}

/// Whether a report says something new about an open alert. Figures in a text differ from report to report.
pub(crate) fn is_news(open: &Alert, new: &NewAlert) -> bool {
    let (Fault::External { external: old }, Fault::External { external: now }) = (&open.fault, &new.fault)
    else {
        return true;
    };
    let says = |alert: &ExternalAlert| {
        [&alert.summary, &alert.description].map(|text| without_figures(text.as_ref()))
    };
    open.severity != new.severity
        || says(old) != says(now)
        || (&old.runbook, &old.name) != (&now.runbook, &now.name)
}

fn without_figures(text: Option<&String>) -> String {
    let is_word = |letter: &char| !letter.is_ascii_digit() && !matches!(letter, '.' | ',' | '-' | '+');
    text.map(|text| text.chars().filter(is_word).collect()).unwrap_or_default()
}

/// The resource that an alert is about, by its labels: one that is configured, or else one for all alerts of its name.
pub(crate) fn about(config: &Config, source: (&str, &AlertSource), report: &AlertReport) -> Resource {
    let (name, settings) = source;
    let by_label = |label: &str, kinds: &[Kind]| {
        let value = report.labels.get(label)?;
        kinds.iter().find_map(|kind| named(config, *kind, value))
    };
    let own = by_label(&settings.service_label, &[Kind::Service]);
    own.or_else(|| LABELS.iter().find_map(|(label, kinds)| by_label(label, kinds)))
        .unwrap_or_else(|| Resource::source(format!("{name}/{}", report.name)))
}

/// The configured resource of a kind with this name, for hosts also by a URL or with a port.
fn named(config: &Config, kind: Kind, value: &str) -> Option<Resource> {
    let known =
        |name: &str| Some(Resource::new(kind, name)).filter(|resource| config.graph.contains(resource));
    let without_scheme = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = without_scheme.split(['/', '?']).next().unwrap_or_default();
    let bare = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    match kind {
        Kind::Host => known(value).or_else(|| known(authority)).or_else(|| known(bare)),
        _ => known(value),
    }
}

/// What alerts of a source name as their probe.
pub(crate) fn probe_id(source: &str) -> ProbeId {
    ProbeId(format!("source.{source}"))
}
