//! Servers of a pool in words: at most a few lines, whatever the size of the pool.

use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use text::list;
use types::Time;
use types::time::clock;

/// Up to this many servers are listed one by one; of more, those in one state for one reason share a line.
const LISTED_MAX: usize = 2;
/// Lines and names of servers that share one.
const GROUPS_MAX: usize = 4;
const GROUP_NAMES: usize = 3;
/// Servers that serve and are named.
const SERVING_MAX: usize = 5;

/// A server that does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Out<'a> {
    pub(crate) name: &'a str,
    /// The end of "api-01 is ...".
    pub(crate) state: &'static str,
    pub(crate) since: Option<Time>,
    pub(crate) why: Option<&'a str>,
}

/// The servers that do not serve, with since when and why.
pub(crate) fn out(servers: &[Out<'_>], zone: &TimeZone) -> Vec<String> {
    let ending = |since: Option<Time>, why: Option<&str>| {
        let since = since.map(|since| format!(" since {}", clock(since, zone))).unwrap_or_default();
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{since}{why}")
    };
    if servers.len() <= LISTED_MAX {
        let one = |out: &Out<'_>| format!("{} is {}{}", out.name, out.state, ending(out.since, out.why));
        return servers.iter().map(one).collect();
    }
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<&Out<'_>>> = BTreeMap::new();
    for server in servers {
        groups.entry((server.state, server.why)).or_default().push(server);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    let place = |name: &str| servers.iter().position(|server| server.name == name);
    groups.sort_by_key(|(_, group)| {
        let first = group.first().map_or("", |server| server.name);
        (std::cmp::Reverse(group.len()), place(first))
    });
    let named = groups.iter().take(GROUPS_MAX);
    let mut lines: Vec<String> = named
        .map(|((state, why), servers)| {
            let names = list::and_more(servers.iter().map(|server| server.name), GROUP_NAMES);
            let are = if servers.len() == 1 { "is" } else { "are" };
            let first = servers.iter().filter_map(|server| server.since).min();
            format!("{names} {are} {state}{}", ending(first, *why))
        })
        .collect();
    let more: usize = groups.iter().skip(GROUPS_MAX).map(|(_, servers)| servers.len()).sum();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// The servers that serve; the first few of many.
pub(crate) fn serving<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.take(SERVING_MAX).map(str::to_owned).collect()
}

/// A count for display.
pub(crate) fn count(servers: usize) -> u32 {
    u32::try_from(servers).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_servers_share_lines_by_state_and_reason() {
        let names: Vec<String> = (1..=18).map(|n| format!("api-{n:02}")).collect();
        let at = |text: &str| text.parse::<Time>().ok();
        let all: Vec<Out<'_>> = names
            .iter()
            .enumerate()
            .map(|(n, name)| Out {
                name,
                state: if n == 7 { "in maintenance" } else { "down" },
                since: at(if n == 4 { "2026-11-22T15:01:00Z" } else { "2026-11-22T15:02:00Z" }),
                why: (n != 7).then_some("Layer7 timeout (L7TOUT)"),
            })
            .collect();
        assert_eq!(
            out(&all, &TimeZone::UTC),
            [
                "api-01, api-02 and 15 more are down since 15:01 UTC (Layer7 timeout (L7TOUT))",
                "api-08 is in maintenance since 15:02 UTC"
            ]
        );
        assert_eq!(
            out(&all[..1], &TimeZone::UTC),
            ["api-01 is down since 15:02 UTC (Layer7 timeout (L7TOUT))"]
        );
    }
}
