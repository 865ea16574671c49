//! A page in the text format of Prometheus: one series for each member, above 0 when it serves.

use super::Members;
use super::unusable::Unusable;
use std::collections::{BTreeMap, BTreeSet};
use text::list;
use types::config::Series;
use types::pool::{MemberState, PoolMember};

/// Labels that usually name a server, the most exact first.
const USUAL: [&str; 10] = [
    "server",
    "upstream",
    "backend_server",
    "member",
    "peer",
    "pod",
    "endpoint",
    "address",
    "instance",
    "host",
];
/// Labels of one series, and longest line.
const LABELS_MAX: usize = 64;
const LINE_MAX: usize = 64 << 10;

/// One line: labels and value.
struct Sample<'a> {
    labels: BTreeMap<&'a str, String>,
    value: f64,
}

/// The members that a series has.
pub(super) fn members(page: &[u8], series: Option<&Series>) -> Result<Members, Unusable> {
    let Some(series) = series else { return Err(Unusable::NoPools) };
    let page = String::from_utf8_lossy(page);
    let samples: Vec<Sample<'_>> = page
        .lines()
        .filter_map(|line| sample(line, &series.metric))
        .filter(|sample| {
            series.labels.iter().all(|(label, value)| sample.labels.get(label.as_str()) == Some(value))
        })
        .collect();
    let wanted = || match series.labels.is_empty() {
        true => series.metric.clone(),
        false => {
            let labels = series.labels.iter().map(|(label, value)| format!("{label}=\"{value}\""));
            format!("{}{{{}}}", series.metric, labels.collect::<Vec<_>>().join(","))
        }
    };
    if samples.is_empty() {
        return Err(Unusable::NoSeries { wanted: wanted() });
    }
    let label = match &series.member_label {
        Some(label) => Some(label.as_str()),
        None => {
            USUAL.into_iter().find(|label| samples.iter().all(|sample| sample.labels.contains_key(*label)))
        }
    };
    let all: Option<Vec<(String, f64)>> =
        samples.iter().map(|sample| Some((sample.labels.get(label?)?.clone(), sample.value))).collect();
    let Some(all) = all else {
        let labels: BTreeSet<&str> =
            samples.iter().flat_map(|sample| sample.labels.keys().copied()).collect();
        let labels = match list::commas_or_more(labels, 8) {
            none if none.is_empty() => "its labels, which it has none of".to_owned(),
            labels => labels,
        };
        return Err(Unusable::NoLabel { wanted: wanted(), labels });
    };
    // Of several series of one member each must be above 0.
    let mut members: BTreeMap<String, bool> = BTreeMap::new();
    for (name, value) in all {
        members.entry(name).and_modify(|serves| *serves &= value > 0.0).or_insert(value > 0.0);
    }
    let members = members.into_iter().map(|(name, serves)| {
        let state = if serves { MemberState::Serving } else { MemberState::Down };
        let why = (!serves).then(|| format!("{} is 0", series.metric));
        PoolMember { why, ..PoolMember::new(name, state) }
    });
    Ok(Members { queued: 0, members: members.collect() })
}

/// Reads a line of this metric; `None` for any other line, and for one that is not well-formed.
fn sample<'a>(line: &'a str, metric: &str) -> Option<Sample<'a>> {
    let rest = line.trim_start().strip_prefix(metric)?;
    if line.len() > LINE_MAX {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None if rest.starts_with([' ', '\t']) => (BTreeMap::new(), rest),
        None => return None,
    };
    // A time may follow.
    let value = rest.split_whitespace().next()?.parse::<f64>().ok()?;
    Some(Sample { labels, value })
}

/// Reads labels up to the closing brace, and what follows it.
fn labels(text: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        if labels.len() >= LABELS_MAX {
            return None;
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        labels.insert(name.trim(), value);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

/// Reads a value in quotes, with its escapes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = inside.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((value, inside.get(place + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = r#"# HELP haproxy_server_status Current status of the service.
# TYPE haproxy_server_status gauge
haproxy_server_up{proxy="api",server="a"} 1
haproxy_server_up{proxy="api",server="b"} 0 1795348800000
haproxy_server_up{proxy="api",server="c \"x\" \\"} 1.0
haproxy_server_up{proxy="web",server="w"} 0
haproxy_server_uptime{proxy="api",server="z"} 5
up 1
broken{proxy="api" 1
"#;

    fn series(metric: &str, labels: &[(&str, &str)], member_label: Option<&str>) -> Series {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        Series { metric: metric.to_owned(), labels, member_label: member_label.map(str::to_owned) }
    }

    fn words(page: &str, series: &Series) -> String {
        match members(page.as_bytes(), Some(series)) {
            Ok(read) => {
                let one = |member: &PoolMember| format!("{} {}", member.name, member.state.as_str());
                read.members.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn series_are_members() {
        for (metric, labels, label, said) in [
            ("haproxy_server_up", &[("proxy", "api")][..], None, r#"a serving, b down, c "x" \ serving"#),
            ("haproxy_server_up", &[], Some("proxy"), "api down, web down"),
            (
                "haproxy_server_up",
                &[("proxy", "x")],
                None,
                r#"has no series haproxy_server_up{proxy="x"}; check `metric` against the page"#,
            ),
            (
                "haproxy_server_up",
                &[],
                Some("pod"),
                "has series haproxy_server_up without a label that names the server; set `member_label` to one of proxy, server",
            ),
            (
                "up",
                &[],
                None,
                "has series up without a label that names the server; set `member_label` to one of its labels, which it has none of",
            ),
            ("broken", &[], None, "has no series broken; check `metric` against the page"),
        ] {
            assert_eq!(words(PAGE, &series(metric, labels, label)), said);
        }
    }

    proptest! {
        #[test]
        fn any_page_is_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            page in "(up|[{}=\",\\\\ \n]|server|[0-9.e+-]{1,9}|NaN|\\PC){0,80}",
        ) {
            let up = series("up", &[], None);
            let _ = members(&bytes, Some(&up));
            let _ = members(page.as_bytes(), Some(&up));
        }
    }
}
