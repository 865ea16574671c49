//! The pages of probes: a list, and one for each with its latency over a chosen range.

use super::frame::Frame;
use crate::design::{Clock, Icon, Moment};
use crate::latency::figure::{bucket_time, seconds_text};
use crate::latency::{Figure, Latency, LatencyRange};
use crate::session::Session;
use crate::state::WebState;
use crate::wording::resource;
use askama::Template;
use engine::views::{EndedAlert, ProbeRow, Views};
use std::collections::BTreeMap;
use std::time::Duration;
use text::number::grouped;
use types::percent::percent;
use types::time::{between, spoken};
use types::trace::duration_text;
use types::{Alert, Fault, ProbeId, Time};

/// Refresh interval of the pages.
const REFRESH: Duration = Duration::from_secs(60);
/// Maximum of faults on the page of a probe.
const FAULTS_MAX: usize = 20;
/// Maximum of probes in the list.
const PROBES_MAX: usize = 500;

#[derive(Template)]
#[template(path = "probe.html")]
struct ProbePage<'a> {
    frame: Frame<'a>,
    probe: &'a ProbeRow,
    about: String,
    interval: String,
    services: Vec<&'a str>,
    ranges: Vec<(&'static str, &'static str, bool)>,
    slow: Option<String>,
    last: String,
    latency: LatencyView,
    faults: Vec<FaultLine>,
}

struct LatencyView {
    title: &'static str,
    /// `99.93 %` and `2,878 of 2,880 answers`.
    good: Option<(String, String)>,
    /// p50, p95, p99.
    percentiles: Option<[String; 3]>,
    figure: Figure,
    rows: Vec<TableRow>,
}

struct TableRow {
    at: String,
    /// p50, p95, p99.
    percentiles: [String; 3],
    count: String,
    failed: String,
}

struct FaultLine {
    icon: Icon,
    fault: String,
    since: Moment,
    until: Option<Moment>,
    lasted: String,
}

/// Renders the page of a probe for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn page(
    state: &WebState,
    views: &Views,
    session: &Session,
    probe: &ProbeRow,
    latency: &Latency,
    at: Time,
) -> askama::Result<String> {
    let clock = Clock::new(&views.status_page.timezone, at);
    let node = views.now.nodes.iter().find(|node| node.resource == probe.resource);
    let services = views.now.services.iter().filter(|row| row.probes.contains(&probe.probe));
    let slow = views.now.alerts.iter().find_map(|alert| match alert.fault {
        Fault::SlowerThanUsual { since, usual, level } if alert.probe == probe.probe => {
            let [usual, level] = [usual, level].map(|latency| seconds_text(latency.as_secs_f64()));
            Some(format!("Slow since {}: {usual} → {level}.", clock.time(since).text))
        }
        _ => None,
    });
    ProbePage {
        frame: Frame::new(state, views, session, "probes", REFRESH),
        about: node.map_or_else(|| probe.resource.name.clone(), |node| resource::label(node).into_owned()),
        interval: spoken(probe.interval),
        services: services.map(|row| row.title.as_str()).collect(),
        ranges: LatencyRange::ALL.map(|range| (range.key(), range.title(), range == latency.range)).into(),
        slow,
        last: seconds_text(probe.duration.as_secs_f64()),
        latency: latency_view(latency, clock),
        faults: faults(views, &probe.probe, clock),
        probe,
    }
    .render()
}

fn latency_view(latency: &Latency, clock: Clock<'_>) -> LatencyView {
    let (count, ok) = latency.counts();
    let good = (count > 0).then(|| {
        let share = percent(ok as f64 * 100.0 / count as f64);
        (format!("{share} %"), format!("{} of {} answers", grouped(ok), grouped(count)))
    });
    LatencyView {
        title: latency.range.title(),
        good,
        percentiles: latency.values().map(|values| [values.p50, values.p95, values.p99].map(seconds_text)),
        figure: Figure::new(format!("Last {}", latency.range.title()), latency, clock, true),
        rows: latency
            .buckets
            .iter()
            .rev()
            .filter(|bucket| bucket.count > 0)
            .map(|bucket| TableRow {
                at: bucket_time(bucket, latency, clock),
                percentiles: bucket.values.map_or_else(
                    || ["–", "–", "–"].map(str::to_owned),
                    |values| [values.p50, values.p95, values.p99].map(seconds_text),
                ),
                count: grouped(bucket.count),
                failed: grouped(bucket.count - bucket.ok),
            })
            .collect(),
    }
}

/// Alerts of a probe: open ones, then the last that closed.
fn faults(views: &Views, probe: &ProbeId, clock: Clock<'_>) -> Vec<FaultLine> {
    let line = |alert: &Alert, closed: Option<Time>| FaultLine {
        icon: if closed.is_some() { Icon::Ok } else { alert.severity.into() },
        fault: alert.fault.to_string(),
        since: clock.time(alert.since),
        until: closed.map(|closed| clock.time(closed)),
        lasted: spoken(between(alert.since, closed.unwrap_or(clock.at))),
    };
    let open = views.now.alerts.iter().filter(|alert| alert.probe == *probe);
    let ended = views.now.ended_alerts.iter().filter(|ended| ended.alert.probe == *probe);
    let ended = ended.map(|ended| {
        let EndedAlert { alert, closed } = &**ended;
        line(alert, Some(*closed))
    });
    open.map(|alert| line(alert, None)).chain(ended).take(FAULTS_MAX).collect()
}

#[derive(Template)]
#[template(path = "probes.html")]
struct ProbesPage<'a> {
    frame: Frame<'a>,
    /// Title of the service whose probes are listed; all without one.
    service: Option<&'a str>,
    rows: Vec<Row<'a>>,
    /// Number of probes beyond those listed.
    more: usize,
}

struct Row<'a> {
    probe: &'a ProbeId,
    about: String,
    interval: String,
    last: String,
    /// Text of the worst open alert.
    alert: Option<(Icon, String)>,
}

/// Renders the list of probes for a person: of one service, or of all.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn list(
    state: &WebState,
    views: &Views,
    session: &Session,
    service: &str,
) -> askama::Result<String> {
    let service = views.now.services.iter().find(|row| row.id == service);
    let mut worst: BTreeMap<&ProbeId, &Alert> = BTreeMap::new();
    // Alerts come heaviest first.
    for alert in &views.now.alerts {
        worst.entry(&alert.probe).or_insert(alert);
    }
    let wanted = |row: &&ProbeRow| service.is_none_or(|service| service.probes.contains(&row.probe));
    let probes = || views.now.probes.iter().filter(wanted);
    let rows = probes().take(PROBES_MAX).map(|row| Row {
        probe: &row.probe,
        about: row.resource.to_string(),
        interval: spoken(row.interval),
        last: duration_text(u64::try_from(row.duration.as_micros()).unwrap_or(u64::MAX)),
        alert: worst.get(&row.probe).map(|alert| (alert.severity.into(), alert.fault.to_string())),
    });
    ProbesPage {
        frame: Frame::new(state, views, session, "probes", REFRESH),
        service: service.map(|row| row.title.as_str()),
        rows: rows.collect(),
        more: probes().count().saturating_sub(PROBES_MAX),
    }
    .render()
}
