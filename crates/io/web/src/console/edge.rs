//! The console's page "Edge": what goes through it, what it refused, its servers, and the switch that denies.

use super::bar::Bar;
use super::door::Session;
use super::frame::Frame;
use super::proof::Proof;
use super::series::{Series, rate};
use crate::look::words::list;
use crate::look::{Clock, Icon, Moment};
use crate::site::Site;
use askama::Template;
use engine::views::traffic::{PoolNow, ServiceNow};
use engine::views::{Traffic, Views};
use std::time::Duration;
use types::time::earlier;
use types::trace::{Hop, Verdict, took};
use types::traffic::{Asked, PoolSeen, ServerSeen, ServerState, ServiceTraffic};
use types::{Denial, DenyWhat, Time, Trace};

/// How often the page renews itself.
const RENEWED_EVERY: Duration = Duration::from_secs(5);
/// Requests that were refused, failed or slow: so many are looked at, and so many lines are made of them.
const LATELY_MAX: usize = 100;
const LINES_MAX: usize = 15;
/// For how long the button beside a source denies it.
const BUTTON_SECS: u64 = 3_600;

#[derive(Template)]
#[template(path = "edge.html")]
struct EdgePage<'a> {
    frame: Frame<'a>,
    /// Nothing when the configuration has no edge.
    edge: Option<Shown<'a>>,
}

struct Shown<'a> {
    trouble: Option<String>,
    per_sec: String,
    refused: String,
    failed: String,
    connections: String,
    serving: String,
    services: Vec<Service<'a>>,
    pools: Vec<Pool<'a>>,
    denials: Vec<(&'a Denial, String, Moment)>,
    lately: Vec<Line>,
    strangers: Vec<(&'a str, u64)>,
    button_secs: u64,
}

struct Service<'a> {
    row: &'a ServiceNow,
    icon: Icon,
    word: &'static str,
    class: &'static str,
    per_sec: String,
    usual: Option<String>,
    series: Series,
    top: String,
    wrong: Vec<Proof<'a>>,
    /// Word, figure, share of all requests.
    verdicts: Vec<(String, String, Bar)>,
    people: Vec<(&'static str, String)>,
    times: Option<(String, String)>,
    sources: Vec<(&'static str, Vec<Source<'a>>)>,
}

struct Source<'a> {
    name: &'a str,
    share: u8,
    bar: Bar,
    /// What the button beside it denies, where it is something that can be denied.
    deny: Option<String>,
}

struct Pool<'a> {
    row: &'a PoolNow,
    icon: Icon,
    summary: String,
    serves: String,
    seen: Option<&'a PoolSeen>,
    servers: Vec<Server<'a>>,
}

struct Server<'a> {
    seen: &'a ServerSeen,
    icon: Icon,
    since: Moment,
    why: &'a str,
    latency: String,
}

struct Line {
    id: String,
    at: Moment,
    icon: Icon,
    word: &'static str,
    asked: String,
    told: String,
    took: String,
    /// How many older ones went alike.
    alike: usize,
}

/// The page as this person sees it.
///
/// # Errors
/// When the template fails, which is a fault of ours.
pub fn page(site: &Site, views: &Views, session: &Session, at: Time) -> askama::Result<String> {
    let traffic = site.traffic();
    let lately = site.edge().lately(LATELY_MAX);
    EdgePage {
        frame: Frame::new(site, views, session, "edge", RENEWED_EVERY),
        edge: traffic
            .as_deref()
            .map(|traffic| shown(traffic, &lately, Clock::new(&views.status_page.clock, at))),
    }
    .render()
}

fn shown<'a>(traffic: &'a Traffic, lately: &[Trace], clock: Clock<'_>) -> Shown<'a> {
    let sum = |count: fn(&ServiceTraffic) -> u64| {
        let rates = traffic.services.iter().map(|row| rate(row.now.as_ref().map_or(0, count), row.span));
        rates.sum::<f64>()
    };
    let servers =
        || traffic.pools.iter().filter_map(|pool| pool.seen.as_ref()).flat_map(|seen| &seen.servers);
    let serving = servers().filter(|server| server.state.serves()).count();
    let services = traffic.services.iter().enumerate().map(|(n, row)| service(row, traffic.at, n));
    let mut services: Vec<Service<'_>> = services.collect();
    // Worst first; those that are alike in the order of the configuration, so that nothing jumps about.
    services.sort_by_key(|service| std::cmp::Reverse(badness(service.icon)));
    Shown {
        trouble: trouble(traffic, clock),
        per_sec: per_sec(sum(|now| now.requests)),
        refused: per_sec(sum(refused)),
        failed: per_sec(sum(|now| now.failed)),
        connections: grouped(traffic.connections),
        serving: format!("{serving} of {}", servers().count()),
        services,
        pools: traffic.pools.iter().map(|row| pool(row, clock.read_at(traffic.at))).collect(),
        denials: traffic
            .denials
            .iter()
            .map(|denial| {
                let place = denial.service.as_ref().map(|id| title(traffic, &id.0));
                let place = place.map_or_else(|| "everywhere".to_owned(), |title| format!("at {title}"));
                (denial, place, clock.time(denial.until))
            })
            .collect(),
        lately: lines(traffic, lately, clock),
        strangers: traffic.strangers.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
        button_secs: BUTTON_SECS,
    }
}

fn trouble(traffic: &Traffic, clock: Clock<'_>) -> Option<String> {
    let told = match (traffic.silent, traffic.told) {
        (false, _) => return None,
        (true, None) => return Some("The edge has not told of its traffic yet.".to_owned()),
        (true, Some(told)) => told,
    };
    // An instant, not an age: an alert that changes would be read out again and again.
    let since = clock.seconds(told).text;
    Some(format!(
        "The edge has told nothing since {since}: these figures are old. It may serve all the same."
    ))
}

/// Refused by the edge, whatever for.
pub(crate) fn refused(now: &ServiceTraffic) -> u64 {
    now.denied + now.shed + now.limited.values().sum::<u64>()
}

fn service(row: &ServiceNow, now: Time, number: usize) -> Service<'_> {
    let quiet = ServiceTraffic::default();
    let seen = row.now.as_ref().unwrap_or(&quiet);
    let (icon, word) = state(row, seen);
    let usual = row.usual_milli.map(|milli| milli as f64 / 1_000.0);
    let series = Series::new(&row.series, usual, now, number);
    Service {
        icon,
        word,
        class: icon.class(),
        per_sec: per_sec(rate(seen.requests, row.span)),
        usual: usual.map(per_sec),
        top: per_sec(series.top),
        series,
        verdicts: verdicts(seen, row.span),
        people: people(seen),
        times: (seen.passed > 0).then(|| (took(micros(seen.p50)), took(micros(seen.p99)))),
        wrong: row.wrong.iter().map(|summary| Proof::from(summary.as_str())).collect(),
        sources: row.now.as_ref().map(sources).unwrap_or_default(),
        row,
    }
}

fn badness(icon: Icon) -> u8 {
    match icon {
        Icon::Ok | Icon::Blank | Icon::Slow => 0,
        Icon::Part => 1,
        Icon::Major => 2,
    }
}

/// What the last second looked like, by one word: nobody has to add figures up.
fn state(row: &ServiceNow, now: &ServiceTraffic) -> (Icon, &'static str) {
    if now.failed * 10 >= now.requests.max(1) {
        (Icon::Major, "failing")
    } else if !row.wrong.is_empty() {
        (Icon::Part, "in trouble")
    } else if refused(now) * 10 >= now.requests.max(1) {
        (Icon::Slow, "refusing some")
    } else if now.requests == 0 {
        (Icon::Blank, "quiet")
    } else {
        (Icon::Ok, "serving")
    }
}

fn verdicts(now: &ServiceTraffic, span: Duration) -> Vec<(String, String, Bar)> {
    let mut all = vec![("Passed to a server".to_owned(), now.passed)];
    let limited = now.limited.iter().map(|(limit, count)| (format!("Over the limit by {limit}"), *count));
    all.extend(limited);
    all.push(("Shed: servers at their limit".to_owned(), now.shed));
    all.push(("Denied".to_owned(), now.denied));
    all.push(("Failed at the servers".to_owned(), now.failed));
    all.push(("429 from the servers".to_owned(), now.server_429));
    let whole = now.requests.max(1) as f64;
    all.into_iter()
        .enumerate()
        .filter(|(n, (_, count))| *n == 0 || *count > 0)
        .map(|(_, (word, count))| (word, per_sec(rate(count, span)), Bar::part(0.0, count as f64 / whole)))
        .collect()
}

fn people(now: &ServiceTraffic) -> Vec<(&'static str, String)> {
    let told = |asked: &Asked| match asked.asked {
        0 => "none asked".to_owned(),
        all => {
            let share = asked.served as f64 * 100.0 / all as f64;
            format!("{} of {} served ({share:.0} %)", grouped(asked.served), grouped(all))
        }
    };
    let mut people = vec![("Known visitors", told(&now.known)), ("First-time visitors", told(&now.first))];
    if now.own.asked > 0 {
        people.push(("Our own callers", told(&now.own)));
    }
    people
}

fn sources(now: &ServiceTraffic) -> Vec<(&'static str, Vec<Source<'_>>)> {
    let shares = |of: &'_ [(String, u8)], can_be_denied: bool| -> Vec<(usize, u8, Option<String>)> {
        let each = of.iter().enumerate().take(5);
        each.map(|(n, (name, share))| (n, *share, deniable(name).filter(|_| can_be_denied))).collect()
    };
    let named = |title, of: &'_ [(String, u8)], can_be_denied| (title, shares(of, can_be_denied));
    let columns = [
        (named("Top networks", &now.networks, true), &now.networks),
        (named("Top visitors", &now.visitors, true), &now.visitors),
        (named("Top paths", &now.paths, false), &now.paths),
    ];
    let rows = columns.into_iter().filter(|(_, of)| !of.is_empty()).map(|((title, shares), of)| {
        let each = shares.into_iter().map(|(n, share, deny)| Source {
            name: &of[n].0,
            share,
            bar: Bar::percent(share),
            deny,
        });
        (title, each.collect())
    });
    rows.collect()
}

/// What of a source's name can be denied: `AS64500 Example` by its number, `known:4f2a` not at all.
fn deniable(name: &str) -> Option<String> {
    let what = name.split_whitespace().next()?.parse::<DenyWhat>().ok()?;
    (!matches!(what, DenyWhat::Country(_))).then(|| what.to_string())
}

fn pool<'a>(row: &'a PoolNow, clock: Clock<'_>) -> Pool<'a> {
    let seen = row.seen.as_ref();
    let servers = seen.map(|seen| seen.servers.as_slice()).unwrap_or_default();
    let serving = servers.iter().filter(|server| server.state.serves()).count();
    let below = row.floor.is_some_and(|floor| serving < usize::try_from(floor).unwrap_or(usize::MAX));
    let wanted = row.floor.map_or_else(String::new, |floor| format!(", at least {floor} wanted"));
    Pool {
        icon: match seen {
            None => Icon::Blank,
            Some(_) if serving == 0 => Icon::Major,
            Some(seen) if seen.panics || seen.certificate.is_some() || below => Icon::Part,
            Some(_) if serving < servers.len() => Icon::Slow,
            Some(_) => Icon::Ok,
        },
        summary: format!("{serving} of {} serve{wanted}", servers.len()),
        serves: list(&row.services.iter().map(String::as_str).collect::<Vec<_>>()),
        seen,
        servers: servers.iter().map(|seen| server(seen, clock)).collect(),
        row,
    }
}

fn server<'a>(seen: &'a ServerSeen, clock: Clock<'_>) -> Server<'a> {
    Server {
        icon: match seen.state {
            ServerState::Serving => Icon::Ok,
            ServerState::Warming => Icon::Slow,
            ServerState::Ejected => Icon::Part,
            ServerState::Down => Icon::Major,
            ServerState::Draining => Icon::Blank,
        },
        since: clock.exact(earlier(clock.at, seen.since)),
        why: seen.why.as_deref().unwrap_or("–"),
        latency: if seen.latency.is_zero() { "–".to_owned() } else { took(micros(seen.latency)) },
        seen,
    }
}

/// The newest of each kind: in a flood a thousand requests share one fate, and one line.
fn lines(traffic: &Traffic, lately: &[Trace], clock: Clock<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for line in lately.iter().filter_map(|trace| line(traffic, trace, clock)) {
        let alike = |known: &Line| known.asked == line.asked && known.told == line.told;
        match lines.iter().position(alike) {
            Some(known) => lines[known].alike += 1,
            None if lines.len() < LINES_MAX => lines.push(line),
            None => {}
        }
    }
    lines
}

fn line(traffic: &Traffic, trace: &Trace, clock: Clock<'_>) -> Option<Line> {
    // The passage to look at: the one that did not go well, the outermost where all did.
    let hop = trace.hops.iter().rev().find(|hop| !hop.went_well()).or(trace.hops.first())?;
    let service = hop.service.as_ref().map_or(hop.host.as_str(), |id| title(traffic, &id.0));
    Some(Line {
        id: trace.id.clone(),
        at: clock.exact(hop.at),
        // What went well is here because it was slow.
        icon: if hop.went_well() { Icon::Slow } else { verdict_icon(hop) },
        word: if hop.went_well() { "slow" } else { hop.as_str() },
        asked: format!("{service}: {} {}", hop.method, hop.path),
        told: match (hop.verdict, &hop.limit) {
            // How long until there is more differs from one to the next.
            (Verdict::Limited, Some(limit)) => {
                let limit = limit.split(',').next().unwrap_or(limit);
                format!("refused with {} by the {limit}", hop.status)
            }
            (Verdict::Passed, _) => format!("answered {}", hop.status),
            _ => hop.told(),
        },
        took: took(hop.took_us),
        alike: 0,
    })
}

/// The shape that stands beside a verdict.
pub(crate) fn verdict_icon(hop: &Hop) -> Icon {
    match hop.verdict {
        _ if hop.went_well() => Icon::Ok,
        Verdict::Passed if hop.status == 429 => Icon::Slow,
        Verdict::Passed | Verdict::Failed => Icon::Major,
        Verdict::Limited | Verdict::Shed => Icon::Slow,
        _ => Icon::Part,
    }
}

fn title<'a>(traffic: &'a Traffic, id: &'a str) -> &'a str {
    traffic.services.iter().find(|row| row.id == id).map_or(id, |row| row.title.as_str())
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// `0`, `0.4`, `12`, `5,400`: as many digits as one reads.
pub(crate) fn per_sec(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        let text = format!("{rate:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    grouped(rate.round().max(0.0) as u64)
}

/// `5,400`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_one_reads() {
        for (rate, wanted) in [
            (0.0, "0"),
            (0.41, "0.4"),
            (2.0, "2"),
            (9.97, "10"),
            (12.4, "12"),
            (5_400.0, "5,400"),
            (1e6, "1,000,000"),
        ] {
            assert_eq!(per_sec(rate), wanted);
        }
    }

    #[test]
    fn a_button_denies_what_can_be_denied() {
        for (name, wanted) in [
            ("AS64500 Example Hosting", Some("AS64500")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("2001:db8:1::/64", Some("2001:db8:1::/64")),
            ("known:4f2a", None),
            ("EE", None),
            ("", None),
        ] {
            assert_eq!(deniable(name).as_deref(), wanted, "{name}");
        }
    }
}
