//! Clauses of the texts of database faults.

use crate::time::spoken;
use std::time::Duration;
use text::number::grouped;

pub(super) fn full(node: &str, used: Option<u32>, usable: Option<u32>) -> String {
    match (used, usable) {
        (Some(used), Some(usable)) if used < usable => {
            format!("has {used} of {usable} connections in use at {node}")
        }
        (Some(used), Some(usable)) => {
            format!("has {used} of {usable} connections in use at {node}, so it refuses new ones")
        }
        _ => format!("refuses new connections at {node}: all connection slots are in use"),
    }
}

pub(super) fn reason(crowd: &Option<String>) -> String {
    crowd.as_ref().map(|crowd| format!("; {crowd}")).unwrap_or_default()
}

pub(super) fn sessions(count: u32) -> String {
    if count == 1 { "1 session".to_owned() } else { format!("{} sessions", grouped(count.into())) }
}

pub(super) fn behind(bytes: u64, lag: Option<Duration>, paused: bool) -> String {
    let lag = lag.map(|lag| format!(" and {}", spoken(lag))).unwrap_or_default();
    format!("{}{lag}{}", size(bytes), if paused { " (its replay is paused by command)" } else { "" })
}

pub(super) fn not_streaming(from: Option<&str>, error: Option<&str>) -> String {
    let from = from.map(|from| format!(" (last from {from})")).unwrap_or_default();
    let error = error.map(|error| format!("; {error}")).unwrap_or_default();
    format!("{from}{error}")
}

pub(super) fn standby_lost(node: &str, waiting: u32, longest: Duration, synchronous: &str) -> String {
    let names = format!("no synchronous standby ({synchronous}) is connected");
    match waiting {
        0 => format!("will hang at the next commit at {node}: {names}"),
        1 => format!("hangs at {node}: 1 commit waits for {}, {names}", spoken(longest)),
        many => format!("hangs at {node}: {many} commits wait for up to {}, {names}", spoken(longest)),
    }
}

/// What to do about two primaries.
pub(super) fn stop(replaced: &[String]) -> String {
    match replaced {
        [] => "stop the one that was replaced before clients write to both".to_owned(),
        nodes => format!("stop {}, which was replaced, before clients write to both", nodes.join(" and ")),
    }
}

/// Who is connected to which of two primaries.
pub(super) fn connected(clients: &[String]) -> String {
    if clients.is_empty() { String::new() } else { format!("; connected {}", clients.join("; ")) }
}

/// Clients that did not follow a promotion.
pub(super) fn left_behind(from: &str, to: &str, clients: &[String], gone: &[String]) -> String {
    let absent = format!("{}, connected to {from} before", gone.join(", "));
    let still = format!(
        "has clients that are connected to its old primary {from} and not to {to}, which was promoted: {}",
        clients.join(", ")
    );
    match (clients, gone) {
        ([], _) => format!("has clients that have not connected to {to}, which was promoted: {absent}"),
        (_, []) => still,
        _ => format!("{still}; not connected at all: {absent}"),
    }
}

pub(super) fn since(age: Option<Duration>) -> String {
    age.map_or_else(
        || ", nothing archived yet".to_owned(),
        |age| format!(", nothing archived for {}", spoken(age)),
    )
}

/// `812 kB`, `3.4 GB`: at most two digits that matter, in powers of 1000.
pub(super) fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes, 0);
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut rest = 0;
    while value >= 1_000 && unit + 1 < units.len() {
        (rest, value, unit) = (value % 1_000 / 100, value / 1_000, unit + 1);
    }
    if value < 10 && unit > 0 {
        format!("{value}.{rest} {}", units[unit])
    } else {
        format!("{value} {}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (16_777_216, "16 MB"), (u64::MAX, "18446 PB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
