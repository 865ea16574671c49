//! Traffic of one service.

use super::micros;
use crate::console::bar::Bar;
use crate::console::chart::{Chart, rate};
use crate::console::trace_link::TraceLink;
use crate::design::Icon;
use crate::design::text::per_sec;
use engine::views::Traffic;
use engine::views::traffic::ServiceNow;
use std::time::Duration;
use text::number::grouped;
use types::trace::duration_text;
use types::traffic::{Asked, ServiceTraffic};
use types::{DenyTarget, Time};

/// Number of sources in a list.
const TOP: usize = 5;

pub(super) struct ServiceView<'a> {
    pub(super) row: &'a ServiceNow,
    pub(super) icon: Icon,
    pub(super) status: &'static str,
    pub(super) class: &'static str,
    pub(super) per_sec: String,
    pub(super) usual: Option<String>,
    pub(super) chart: Chart,
    pub(super) top: String,
    pub(super) alerts: Vec<TraceLink>,
    /// Name, rate, share of all requests.
    pub(super) verdicts: Vec<(String, String, Bar)>,
    pub(super) clients: Vec<(&'static str, String)>,
    /// p50 and p99 of the time to first byte.
    pub(super) latency: Option<(String, String)>,
    pub(super) sources: Vec<(&'static str, Vec<Source<'a>>)>,
}

pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) share: u8,
    pub(super) bar: Bar,
    /// What its button denies, where it can be denied.
    pub(super) deny: Option<String>,
}

/// Returns the services, worst first; equal ones in the order of the configuration, so that they keep their places.
pub(super) fn views(traffic: &Traffic) -> Vec<ServiceView<'_>> {
    let services = traffic.services.iter().enumerate();
    let mut views: Vec<_> = services.map(|(number, row)| view(row, traffic.at, number)).collect();
    views.sort_by_key(|view| std::cmp::Reverse(rank(view.icon)));
    views
}

/// Requests that the edge refused, for any reason.
pub(crate) fn refused(now: &ServiceTraffic) -> u64 {
    now.denied + now.shed + now.held + now.limited.values().sum::<u64>()
}

fn view(row: &ServiceNow, now: Time, number: usize) -> ServiceView<'_> {
    let none = ServiceTraffic::default();
    let traffic = row.now.as_ref().unwrap_or(&none);
    let (icon, status) = status(row, traffic);
    let usual = row.usual_milli.map(|milli| milli as f64 / 1_000.0);
    let chart = Chart::new(&row.series, usual, now, number);
    ServiceView {
        icon,
        status,
        class: icon.class(),
        per_sec: per_sec(rate(traffic.requests, row.window)),
        usual: usual.map(per_sec),
        top: per_sec(chart.top),
        chart,
        verdicts: verdicts(traffic, row.window),
        clients: clients(traffic),
        latency: (traffic.passed > 0)
            .then(|| (duration_text(micros(traffic.p50)), duration_text(micros(traffic.p99)))),
        alerts: row.alerts.iter().map(|alert| TraceLink::from(alert.fault.to_string())).collect(),
        sources: row.now.as_ref().map(sources).unwrap_or_default(),
        row,
    }
}

fn rank(icon: Icon) -> u8 {
    match icon {
        Icon::Ok | Icon::Planned | Icon::Blank | Icon::Slow => 0,
        Icon::Part => 1,
        Icon::Major => 2,
    }
}

/// Status of the last second.
fn status(row: &ServiceNow, now: &ServiceTraffic) -> (Icon, &'static str) {
    if now.failed * 10 >= now.requests.max(1) {
        (Icon::Major, "failing")
    } else if !row.alerts.is_empty() {
        (Icon::Part, "alert")
    } else if refused(now) * 10 >= now.requests.max(1) {
        (Icon::Slow, "refusing requests")
    } else if now.requests == 0 {
        (Icon::Blank, "no requests")
    } else {
        (Icon::Ok, "ok")
    }
}

fn verdicts(now: &ServiceTraffic, window: Duration) -> Vec<(String, String, Bar)> {
    let mut all = vec![("Forwarded".to_owned(), now.passed)];
    all.extend(now.limited.iter().map(|(limit, count)| (format!("Rate limited by {limit}"), *count)));
    all.push(("Shed (pool at its limit)".to_owned(), now.shed));
    all.push(("Denied".to_owned(), now.denied));
    all.push(("Held out by the valve".to_owned(), now.held));
    all.push(("Upstream failed".to_owned(), now.failed));
    all.push(("429 from upstream".to_owned(), now.server_429));
    let cache = &now.cache;
    all.push(("From the cache".to_owned(), cache.hit + cache.coalesced));
    all.push(("From the cache, stale".to_owned(), cache.stale));
    let whole = now.requests.max(1) as f64;
    all.into_iter()
        .enumerate()
        .filter(|(n, (_, count))| *n == 0 || *count > 0)
        .map(|(_, (name, count))| (name, per_sec(rate(count, window)), Bar::part(0.0, count as f64 / whole)))
        .collect()
}

fn clients(now: &ServiceTraffic) -> Vec<(&'static str, String)> {
    let served = |asked: &Asked| match asked.asked {
        0 => "no requests".to_owned(),
        all => {
            let share = asked.served as f64 * 100.0 / all as f64;
            format!("{} of {} served ({share:.0} %)", grouped(asked.served), grouped(all))
        }
    };
    let mut rows =
        vec![("Recognized clients", served(&now.recognized)), ("First-time clients", served(&now.first))];
    if now.callers.asked > 0 {
        rows.push(("Own callers", served(&now.callers)));
    }
    rows
}

fn sources(now: &ServiceTraffic) -> Vec<(&'static str, Vec<Source<'_>>)> {
    let columns = [
        ("Top ASNs and subnets", top_sources(&now.subnets, true)),
        ("Top clients", top_sources(&now.clients, true)),
        ("Top paths", top_sources(&now.paths, false)),
    ];
    columns.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
}

fn top_sources(shares: &[(String, u8)], can_be_denied: bool) -> Vec<Source<'_>> {
    let top = shares.iter().take(TOP);
    top.map(|(name, share)| Source {
        name,
        share: *share,
        bar: Bar::percent(*share),
        deny: deniable(name).filter(|_| can_be_denied),
    })
    .collect()
}

/// Returns the ASN or address of a source, if it can be denied: `AS64500 Example` by its number, `known:4f2a` not at
/// all.
fn deniable(name: &str) -> Option<String> {
    let what = name.split_whitespace().next()?.parse::<DenyTarget>().ok()?;
    (!matches!(what, DenyTarget::Country(_))).then(|| what.to_string())
}

#[cfg(test)]
mod tests {
    use super::deniable;

    #[test]
    fn source_is_deniable_by_asn_or_address_only() {
        for (name, expected) in [
            ("AS64500 Example Hosting", Some("AS64500")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("2001:db8:1::/64", Some("2001:db8:1::/64")),
            ("known:4f2a", None),
            ("EE", None),
            ("", None),
        ] {
            assert_eq!(deniable(name).as_deref(), expected, "{name}");
        }
    }
}
